"""What is known of a module before its weights are moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from constate.porting.layer import Layer, Piece
from constate.porting.layering import Called

Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Entry:
    """One entry of a module."""

    shape: tuple[int, ...]
    dtype: str
    trainable: bool


@dataclass(frozen=True)
class Described:
    """A module."""

    target: str
    """As the user named it."""
    backend: str
    channels_last: bool
    inputs: tuple[str, ...]
    """Descriptions of what it takes: ``f32[8,3,32,32]``."""
    entries: Mapping[str, Entry]
    """By path; an array that has several has the first alone."""
    layers: tuple[Layer, ...]
    calls: tuple[Called, ...] = field(default=())
    """Of a pass with synthetic weights."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """By path."""
        return {path: entry.shape for path, entry in self.entries.items()}

    @property
    def forms(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and dtype by path."""
        return {path: (entry.shape, entry.dtype) for path, entry in self.entries.items()}

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it; ``from_json`` makes it again."""
        return {
            "target": self.target,
            "backend": self.backend,
            "channels_last": self.channels_last,
            "inputs": list(self.inputs),
            "entries": {p: [list(e.shape), e.dtype, e.trainable] for p, e in self.entries.items()},
            "layers": [layer.to_json() for layer in self.layers],
            "calls": [call.to_json() for call in self.calls],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Described:
        """What ``to_json`` wrote."""
        return cls(
            data["target"],
            data["backend"],
            data["channels_last"],
            tuple(data["inputs"]),
            {path: Entry(tuple(entry[0]), *entry[1:]) for path, entry in data["entries"].items()},
            tuple(map(Layer.from_json, data["layers"])),
            tuple(map(Called.from_json, data["calls"])),
        )


def once(layers: Sequence[Layer], first: Mapping[str, str]) -> list[Layer]:
    """The layers without what another one has already: a tied output layer has nothing of its own.

    Args:
        layers: in any order; a table of embeddings is the one that has what it shares.
        first: by path, the first path of the same array.
    """
    taken: set[tuple[str, str]] = set()
    kept: dict[int, Layer] = {}
    for number, layer in sorted(enumerate(layers), key=lambda item: item[1].kind != "embedding"):
        places = {role: {(first[piece.entry], piece.at) for piece in pieces} for role, pieces in layer.roles.items()}
        roles = {role: pieces for role, pieces in layer.roles.items() if not places[role] & taken}
        taken |= {place for role in roles for place in places[role]}
        named = {r: tuple(replace(p, entry=first[p.entry]) for p in pieces) for r, pieces in roles.items()}
        if named:
            kept[number] = replace(layer, roles=named)
    return [kept[number] for number in sorted(kept)]


def seen_in(layer: Layer, call: Called, shapes: Mapping[str, tuple[int, ...]], channels_last: bool) -> Layer:
    """The layer with what only a pass tells: what was flattened into its input, and what its padding comes to."""
    if layer.kind == "dense" and call.flattened:
        composed = " ".join([*(axis for axis in call.flattened if axis != "c"), "c"])
        order = f"({' '.join(call.flattened)})"
        kernel = tuple(
            Piece(p.entry, " ".join(order if axis == "i" else axis for axis in p.axes.split()), p.at, call.flattened)
            for p in layer.roles["kernel"]
        )
        return replace(layer, roles={**layer.roles, "kernel": kernel}, composed={**layer.composed, "i": composed})
    if isinstance(layer.settings.get("padding"), str) and len(call.shape) > 2 and "kernel" in layer.roles:
        spatial = call.shape[1:-1] if channels_last else call.shape[2:]
        lengths = layer.lengths(shapes)["kernel"]
        axes = [axis for axis in ("d", "h", "w") if axis in lengths]
        if len(axes) == len(spatial):
            pads = _pads([lengths[axis] for axis in axes], spatial, layer.settings)
            return replace(layer, settings={**layer.settings, "padding": pads or layer.settings["padding"]})
    return layer


def _pads(kernel: Sequence[int], spatial: Sequence[int], settings: Mapping[str, Any]) -> Pads | None:
    """The zeros before and after each axis."""
    said = settings["padding"].lower()
    if said == "valid":
        return tuple((0, 0) for _ in kernel)
    if said != "same":
        return None
    found = []
    for size, length, stride, dilation in zip(kernel, spatial, settings["strides"], settings["dilation"], strict=True):
        total = max(0, (-(-length // stride) - 1) * stride + (size - 1) * dilation + 1 - length)
        found.append((total // 2, total - total // 2))
    return tuple(found)
