"""One module under audit: what running it shows, which several hazards want to know."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from unittest import mock

import numpy as np

from constate.auditing.finding import Finding, Severity
from constate.errors import Unsupported, first_line
from constate.instruments import Handle, Held, Instruments, Outputs, Replica
from constate.instruments.holdings import Holding
from constate.instruments.inputs import Call
from constate.instruments.sources import line_of
from constate.laws import NotApplicable, Untested
from constate.state import Array, is_float, same_bits

TOLERANCE = 1e-4
"""By how much outputs may differ, relative to the largest of them, and still be the same: the same sum in another
order differs by less, and what is lost or stale by more."""

STEPS = 3
"""How many steps replicas are trained."""

LARGE = 1 << 30
"""From this many bytes of state on, a module is audited without memory."""


@dataclass
class Audit:
    """A module and what is known of it by running it. Facts are found when they are first asked for."""

    instruments: Instruments
    distributed: bool = False
    abstractly: bool = False
    """Whether no instance with memory may be made."""
    no_pass: str = ""
    """Why no pass may be tried, where one has ended the process before."""
    _pristine: dict[int, dict[str, Array]] = field(default_factory=dict)

    # -- instances ---------------------------------------------------------------------------------------------

    def fresh(self, seed: int = 0) -> Handle:
        """An instance as its constructor leaves it."""
        if self.abstractly:
            return self.instruments.abstract(seed)
        handle = self.instruments.build(seed)
        for path, value in self._common.items():
            handle = self.instruments.write(handle, path, value)
        return handle

    def instances(self) -> tuple[Handle, Handle]:
        """Two instances of different seeds, both alive."""
        return self.fresh(0), self.fresh(1)

    @cached_property
    def _common(self) -> dict[str, Array]:
        """The entries that two instances share by accident, as the first one has them: without putting them back, what
        one run learns the next would begin with."""
        build = self.instruments.build
        first = build(0)
        before = self.state(first)
        second = build(1)
        theirs = {held.identity for held in self.instruments.entries(second).values() if held.nbytes}
        own = self.instruments.entries(first)
        return {path: before[path] for path, held in own.items() if held.identity in theirs}

    def require_values(self) -> None:
        """Raise ``Untested`` where the module is too large for an instance with memory."""
        if self.abstractly:
            raise Untested(
                f"needs values, and the module has {self.nbytes / 2**30:.1f} GiB of them; check a smaller configuration"
            )

    @cached_property
    def shape(self) -> Handle:
        """An instance of which only shapes, names and attributes are asked."""
        return self.fresh(0)

    @cached_property
    def entries(self) -> dict[str, Held]:
        """The entries of a fresh instance."""
        return self.instruments.entries(self.shape)

    @property
    def nbytes(self) -> int:
        """The size of the state."""
        return sum(held.nbytes for held in self.entries.values())

    def state(self, handle: Handle) -> dict[str, Array]:
        """The bits of every entry."""
        return {path: self.instruments.read(handle, path) for path in self.instruments.entries(handle)}

    def pristine(self, seed: int) -> dict[str, Array]:
        """The bits of every entry of a fresh instance."""
        self.require_values()
        if seed not in self._pristine:
            self._pristine[seed] = self.state(self.fresh(seed))
        return self._pristine[seed]

    def put(self, handle: Handle, state: Mapping[str, Array]) -> Handle:
        """Write bits into entries."""
        for path, value in state.items():
            handle = self.instruments.write(handle, path, value)
        return handle

    # -- passes ------------------------------------------------------------------------------------------------

    @cached_property
    def call(self) -> Call:
        """The ordinary call; ``Untested`` where there are no inputs, or a pass on a fresh instance fails."""
        if self.no_pass:
            raise Untested(self.no_pass)
        if self.instruments.inputs is None:
            raise Untested(
                "needs a pass, and the inputs are not known; give them: inputs=['f32[8,16]'], --input f32[8,16]"
            )
        call = self.instruments.inputs.first()
        try:
            outputs, _ = self.instruments.run(self.fresh(), call)
        except Untested:
            raise
        except Exception as error:
            raise Untested(f"a pass on a fresh instance fails: {first_line(error)}; give other inputs") from error
        if not outputs:
            raise Untested("a pass gives no array, so that there is nothing to compare")
        return call

    def require_pass(self) -> None:
        """Raise ``Untested`` where there are no inputs, or a pass on a fresh instance fails."""
        _ = self.call

    def other(self, number: int) -> Call:
        """Another call of the same shapes."""
        self.require_pass()
        assert self.instruments.inputs is not None
        return self.instruments.inputs.other(number)

    def others(self, count: int) -> list[Call]:
        """Several other calls."""
        return [self.other(number) for number in range(count)]

    def answer(self, handle: Handle, call: Call | None = None, *, training: bool = False) -> Outputs:
        """The outputs of a pass; what the pass does to the handle is seen only where it works in place."""
        return self.instruments.run(handle, call or self.call, training=training)[0]

    @cached_property
    def noise(self) -> bool:
        """Whether two fresh instances of one seed answer differently in eval mode, so that outputs say nothing."""
        call = self.call
        return differ(self.answer(self.fresh(), call), self.answer(self.fresh(), call))

    def require_repeatable(self) -> None:
        """Raise ``Untested`` where outputs of equal instances differ."""
        if self.noise:
            raise Untested("two instances of the same seed give different outputs, so that outputs cannot be compared")

    def matters(self, path: str, value: Array) -> bool:
        """Whether another value of an entry changes the outputs, in eval or in training mode; also where a pass fails
        with it."""
        for training in (False, True):
            expected, error = attempt_answer(lambda training=training: self.answer(self.fresh(), training=training))  # type: ignore[misc]
            if error is not None or expected is None:
                continue
            other = self.instruments.write(self.fresh(), path, value)
            found, error = attempt_answer(lambda other=other, training=training: self.answer(other, training=training))  # type: ignore[misc]
            if error is not None or found is None or differ(found, expected):
                return True
        return False

    # -- what moves --------------------------------------------------------------------------------------------

    @cached_property
    def passed(self) -> dict[str, Array]:
        """The state after three passes in training mode, without an optimizer."""
        self.require_values()
        handle = self.fresh()
        for call in self.others(3):
            _, handle = self.instruments.run(handle, call, training=True)
        return self.state(handle)

    @cached_property
    def moving(self) -> set[str]:
        """The entries that passes in training mode move: statistics, counters, caches."""
        before = self.pristine(0)
        after = self.passed
        return {path for path in before if path in after and not same_bits(before[path], after[path])}

    @cached_property
    def seeded(self) -> set[str]:
        """The entries that another seed makes otherwise."""
        first, second = self.pristine(0), self.pristine(1)
        return {path for path in first if path not in second or not same_bits(first[path], second[path])}

    @cached_property
    def drawn(self) -> frozenset[str] | None:
        """The entries that come of random draws, where the framework can see that."""
        return self.instruments.drawn()

    @cached_property
    def own_generator(self) -> bool:
        """Whether the constructor draws from a generator of NumPy's that it makes itself, and so draws alike for every
        seed."""
        used: list[bool] = []
        make = np.random.default_rng

        @functools.wraps(make)  # instruments replace it as well, by its name
        def noted(*args: Any, **kwargs: Any) -> np.random.Generator:
            used.append(True)
            return make(*args, **kwargs)

        with mock.patch.object(np.random, "default_rng", noted):
            self.fresh(0)
        return bool(used)

    def constant(self, path: str) -> bool:
        """Whether an entry looks like a table: the same for every seed, not moved by passes, and not uniform. Not known
        without memory: then it does not."""
        if self.abstractly:
            return False
        value = self.pristine(0)[path]
        if self.drawn is None and not self.seeded:
            return False  # the factory has a seed of its own: that nothing differs shows nothing
        if self.own_generator or (self.drawn is not None and path in self.drawn):
            return False
        return path not in self.seeded and path not in self.moving and not uniform(value)

    @cached_property
    def replicas(self) -> Sequence[Replica]:
        """Two replicas, at construction and after a few steps on different data."""
        try:
            return self.instruments.replicas(self.others(2 * STEPS), STEPS)
        except Unsupported as absent:  # of the instruments, and not of the framework
            raise Untested(absent.reason) from absent

    # -- outside of the state ----------------------------------------------------------------------------------

    def loose(self, handle: Handle) -> dict[str, Holding]:
        """What is held outside of the registered state, containers left out."""
        found: dict[str, Holding] = {}
        for holding in self.instruments.holdings(handle):
            if not isinstance(holding.value, (list, dict, set)) and not hasattr(holding.value, "maxlen"):
                found.setdefault(holding.path, holding)
        return found

    def arrays(self, handle: Handle) -> dict[str, Holding]:
        """The arrays of the framework that are held outside of the registered state."""
        return {path: held for path, held in self.loose(handle).items() if self.instruments.is_array(held.value)}

    def bits(self, holding: Holding) -> Array:
        """The bits of what is held outside of the state."""
        if self.instruments.is_array(holding.value):
            return self.instruments.value(holding.value)
        return np.array(holding.value)

    # -- findings ----------------------------------------------------------------------------------------------

    def about(self, law: str, severity: Severity, where: Held | Holding | str, message: str) -> Finding:
        """A finding about an entry, about something held outside, or about a name."""
        source, name, path = "", "", str(where)
        if isinstance(where, Held):
            source, name, path = line_of(where.owner, where.name), where.name, where.path
        elif isinstance(where, Holding):
            source, name, path = where.source, where.name, where.path
        elif where in self.entries:
            return self.about(law, severity, self.entries[where], message)
        fix = self.instruments.fixes.get(law, "")
        # Not str.format: the lines to write may have braces of their own.
        return Finding(law, severity, path, source, message, fix.replace("{name}", name or path or "name"))


@contextmanager
def restored(holdings: Iterable[Holding]) -> Iterator[None]:
    """Put back what classes and modules hold, which is the user's and not an instance's."""
    before = [(holding, holding.value) for holding in holdings if holding.shared]
    try:
        yield
    finally:
        for holding, value in before:
            put(holding, value)


def put(holding: Holding, value: Any) -> bool:
    """Put a value in the place of a holding; whether that could be done."""
    try:
        holding.put(value)
    except Exception:  # a tuple, a frozen object, a slot of the framework's own
        return False
    return True


def duplicate(value: Any) -> Any:
    """A copy of a value, or itself where it cannot be copied."""
    try:
        return copy.deepcopy(value)
    except Exception:
        return value


def uniform(value: Array) -> bool:
    """Whether all elements are equal, as those of zeros and ones are; also a single one, and none."""
    if value.size < 2:
        return True
    raw = np.frombuffer(value.tobytes(), np.uint8).reshape(value.size, -1)
    return bool((raw == raw[:1]).all())


def gap(found: Outputs, expected: Outputs) -> float:
    """The largest difference of two outputs, relative to the largest magnitude in each array; infinite for another
    structure or shape, or where one has a NaN or an infinity and the other not."""
    if found.keys() != expected.keys():
        return float("inf")
    worst = 0.0
    for path, value in expected.items():
        worst = max(worst, difference_of(found[path], value))
    return worst


def difference_of(found: Array, expected: Array) -> float:
    """The largest difference of two arrays, relative to the largest magnitude in the second; infinite for another shape
    or another place of NaNs and infinities, and one for integers and booleans that are not equal."""
    if found.shape != expected.shape:
        return float("inf")
    if not found.size or same_bits(found, expected):
        return 0.0
    if not (is_float(expected.dtype) or expected.dtype.kind == "c"):
        return 1.0 if (found != expected).any() else 0.0
    kind = np.complex128 if expected.dtype.kind == "c" or found.dtype.kind == "c" else np.float64
    ours, theirs = found.astype(kind), expected.astype(kind)
    finite = np.isfinite(theirs)
    if (finite != np.isfinite(ours)).any():
        return float("inf")
    scale = float(np.abs(theirs[finite]).max(initial=0.0))
    far = float(np.abs(ours[finite] - theirs[finite]).max(initial=0.0))
    return far / scale if scale else (0.0 if far == 0 else float("inf"))


def differ(found: Outputs, expected: Outputs) -> bool:
    """Whether two outputs are not the same."""
    return gap(found, expected) > TOLERANCE


def attempt_answer(answer: Callable[[], Outputs]) -> tuple[Outputs | None, Exception | None]:
    """The outputs of a pass, or the exception that it raised."""
    try:
        return answer(), None
    except (Untested, NotApplicable):
        raise
    except Exception as error:
        return None, error
