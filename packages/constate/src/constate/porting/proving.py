"""Whether two modules compute the same from the same state: in eval mode, in a training step, and after it.

A weight map is linear, so that it says what must become of gradients: those of the source are those of the target,
taken back through the map. A bias that is the sum of two is so compared as what it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from constate.porting.described import Described
from constate.porting.layer import Layer
from constate.porting.layering import Called
from constate.porting.layouts import moved, ordered, orders
from constate.porting.weight_map import WeightMap
from constate.state import Array, is_float

OUTPUTS = 1e-4
"""How far outputs may be apart, relative to the largest, in the precision of the modules."""
WIDE, NARROW = 1e-5, 1e-3
"""How far the gradients of an entry may be apart, relative to their norm, and its statistics, relative to how far the
step moved them: in float64, and in the precision of modules that have no other."""
FLOORS = {WIDE: 1e-7, NARROW: 3e-6}
"""What rounding may add to that, relative to the norm of all gradients, and to the largest move of all statistics."""
SEEN = 1e-3
"""How far the mean and the size of a layer's output are apart where it is said to differ."""


@dataclass(frozen=True)
class Proof:
    """What was compared, and how it came out."""

    what: str
    """``outputs``, ``gradients``, ``statistics``."""
    count: int
    """How many arrays were compared."""
    apart: float
    """How far those are apart that differ most, as a part of what is allowed; infinite where nothing can be said."""
    bound: float
    where: str = ""
    """What differs most."""

    @property
    def holds(self) -> bool:
        """Whether it is within the bound."""
        return self.apart <= 1

    def __str__(self) -> str:
        """``outputs: 1 array within 3.1e-06 (bound 0.0001)``."""
        arrays = f"{self.count} array{'' if self.count == 1 else 's'}"
        if not self.count:
            return f"{self.what}: none"
        if not np.isfinite(self.apart):
            return f"{self.what}: {self.where}"
        if self.holds:
            return f"{self.what}: {arrays} within {self.apart * self.bound:.1e} (bound {self.bound:g})"
        return f"{self.what}: {self.where} differs by {self.apart * self.bound:.1e} (bound {self.bound:g})"


@dataclass(frozen=True)
class Trained:
    """What a training step of one side came to; all by path."""

    before: Mapping[str, Array]
    gradients: Mapping[str, Array]
    """Of the loss in training mode; zero where one is missing."""
    after: Mapping[str, Array]
    """The state after the step."""

    @property
    def rounded(self) -> bool:
        """Whether it was computed in float32 within, for all that it was asked for float64: more gradients are float32
        numbers than the two of a last layer, which a loss in float32 may leave so."""
        floats = [array for array in self.gradients.values() if array.dtype == np.float64]
        least = FLOORS[WIDE] * max(map(_largest, floats), default=0.0)  # what should be zero is any number
        return sum(bool((a.astype(np.float32) == a).all()) for a in floats if _largest(a) > least) > 2


def outputs(
    source: Described,
    target: Described,
    ours: Mapping[str, Array],
    theirs: Mapping[str, Array],
    what: str = "outputs",
) -> Proof:
    """The outputs of an eval pass: those of one name, or in their order where the names are others."""
    if len(ours) != len(theirs):
        why = f"the source gives {len(ours)} arrays, the target {len(theirs)}"
        return Proof(what, 1, np.inf, OUTPUTS, why)
    worst = Proof(what, len(ours), 0.0, OUTPUTS)
    names = list(ours) if ours.keys() == theirs.keys() else list(theirs)
    for (name, a), other in zip(ours.items(), names, strict=True):
        b = theirs[other]
        usual = moved(a.ndim, not source.channels_last, target.channels_last)
        found = [_apart(ordered(a, order), b) for order in orders(a.shape, b.shape, usual)]
        label = f"output {name or other}".strip()
        if not found:
            why = f"{label} has the shape {list(a.shape)} in the source, {list(b.shape)} in the target"
            return Proof(what, 1, np.inf, OUTPUTS, why)
        if min(found) / OUTPUTS > worst.apart:
            worst = Proof(what, len(ours), min(found) / OUTPUTS, OUTPUTS, label)
    return worst


def gradients(ours: Trained, theirs: Trained, weights: WeightMap, bound: float) -> Proof:
    """The gradients of the loss, in training mode. What is trained and in no row must have none: a step would tell."""
    full = {p: theirs.gradients.get(p, np.zeros_like(a)) for p, a in theirs.before.items() if is_float(a.dtype)}
    pulled = weights.pulled(full, ours.before)
    compared = {
        path: (_wide(ours.gradients.get(path, np.zeros_like(other))), _wide(other))
        for path, other in pulled.items()
        if path in ours.gradients or np.any(other)
    }
    whole = float(np.sqrt(sum(_norm(a) ** 2 for a, _ in compared.values())))
    found = []
    for path, (a, b) in compared.items():
        error, size = _norm(a - b), _norm(a)
        found.append((error / (bound * size + FLOORS[bound] * whole + 1e-300), path))
    for side, names, given in (
        ("source", weights.left_out, ours.gradients),
        ("target", weights.kept, theirs.gradients),
    ):
        for path in names:
            size = _norm(_wide(given[path])) if path in given else 0.0
            if size > FLOORS[bound] * whole:
                found.append(
                    (size / (bound * whole + 1e-300), f"{path} of the {side}, which is in no row and trained,")
                )
    return _worst("gradients", found, bound)


def statistics(
    ours: Trained,
    theirs: Trained,
    weights: WeightMap,
    target: Described,
    unbiased: Mapping[str, tuple[float, float]],
    bound: float,
) -> Proof:
    """What a training step moved that is not trained.

    Args:
        unbiased: from ``corrections``.
    """
    after = {path: _wide(array) if is_float(array.dtype) else array for path, array in ours.after.items()}
    for path, (keeps, factor) in unbiased.items():
        kept = keeps * _wide(ours.before[path])
        after[path] = kept + factor * (after[path] - kept)
    forms = {p: (shape, "float64" if is_float(dtype) else dtype) for p, (shape, dtype) in target.forms.items()}
    before = {path: _wide(array) if is_float(array.dtype) else array for path, array in ours.before.items()}
    expected, started = weights.filled(after, forms), weights.filled(before, forms)
    paths = [p for p, a in expected.items() if not target.entries[p].trainable and is_float(a.dtype)]
    moves = {path: _largest(expected[path] - started[path]) for path in paths}
    floor = FLOORS[bound] * max(moves.values(), default=0.0)
    found = []
    for path in paths:
        error = _largest(expected[path] - _wide(theirs.after[path]))
        found.append((error / (bound * moves[path] + floor + 1e-300), path))
    return _worst("statistics", found, bound)


def corrections(
    source: Described, target: Described, pairs: Sequence[tuple[Layer, Layer]], calls: Sequence[Called]
) -> dict[str, tuple[float, float]]:
    """By path of a running variance of the source that its twin computes in another way: the momentum, and what the
    variance of a batch has to be multiplied with. PyTorch divides by one less than the number of elements, others by
    the number.

    Args:
        calls: of an eval pass of the source.
    """
    counts = _elements(source, calls)
    found: dict[str, tuple[float, float]] = {}
    for a, b in pairs:
        unbiased = [bool(layer.settings.get("unbiased")) for layer in (a, b)]
        count, keeps = counts.get(a.path, 0), a.settings.get("momentum")
        if a.kind == "batch_norm" and unbiased[0] != unbiased[1] and count > 1 and keeps is not None:
            factor = (count - 1) / count if unbiased[0] else count / (count - 1)
            found |= {piece.entry: (keeps, factor) for piece in a.roles.get("variance", ())}
    return found


def _elements(side: Described, calls: Sequence[Called]) -> dict[str, int]:
    """By the path of a layer that is called once: how many elements of its input each channel has."""
    found: dict[str, int] = {}
    often = Counter(call.layer for call in calls)
    for call in calls:
        if len(call.shape) > 1 and often[call.layer] == 1:
            channels = call.shape[-1 if side.channels_last else 1]
            found[call.layer] = int(np.prod(call.shape)) // max(1, channels)
    return found


def first_difference(
    pairs: Sequence[tuple[Layer, Layer]], ours: Sequence[Called], theirs: Sequence[Called]
) -> tuple[Layer, Layer] | None:
    """The first layer in an eval pass whose twin gives something else; ``None`` where none is seen."""
    twins = {a.path: (a, b) for a, b in pairs}
    given = {call.layer: call.given for call in reversed(theirs)}
    for call in ours:
        both = twins.get(call.layer)
        other = given.get(both[1].path) if both else None
        if call.given is None or other is None:
            continue
        if max(abs(x - y) for x, y in zip(call.given, other, strict=True)) > SEEN * max(call.given[1], other[1]):
            return both
    return None


def conventions(pairs: Sequence[tuple[Layer, Layer]]) -> list[tuple[Layer, Layer, str, Any, Any]]:
    """What layers say of themselves and their twins say otherwise: setting, source, target."""
    return [
        (a, b, name, a.settings[name], b.settings[name])
        for a, b in pairs
        for name in a.settings
        if name in b.settings and name != "unbiased" and not _agree(a.settings[name], b.settings[name])
    ]


def _agree(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= 1e-6 * max(abs(a), abs(b))
    return bool(a == b)


def _apart(a: Array, b: Array) -> float:
    if a.dtype.kind == b.dtype.kind == "c":
        a, b = (np.stack([array.real, array.imag]) for array in (a, b))
    if not is_float(a.dtype) or not is_float(b.dtype):
        return 0.0 if np.array_equal(a, b) else np.inf
    a, b = _wide(a), _wide(b)
    finite = np.isfinite(a) & np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return np.inf
    return _largest(a[finite] - b[finite]) / max(_largest(a[finite]), _largest(b[finite]), 1e-300)


def _worst(what: str, found: Sequence[tuple[float, str]], bound: float) -> Proof:
    # What is no number compares with nothing, and must not be passed over.
    known = [(apart if np.isfinite(apart) else np.inf, where) for apart, where in found]
    apart, where = max(known, default=(0.0, ""))
    return Proof(what, len(found), apart, bound, f"{where} is not finite" if np.isinf(apart) else where)


def _norm(array: Array) -> float:
    return float(np.linalg.norm(array.reshape(-1)))


def _largest(array: Array) -> float:
    return float(np.abs(array).max(initial=0.0))


def _wide(array: Array) -> Array:
    return array.astype(np.float64)
