"""What keeps a weight map from being whole, in words."""

from __future__ import annotations

from collections.abc import Iterator

from constate.porting.described import Described
from constate.porting.layer import LOOSE, Layer
from constate.porting.pairing import Paired
from constate.porting.synthetic import OPTIONAL


def lacking(source: Described, target: Described, paired: Paired) -> list[str]:
    """A line for each layer that has no twin and needs one, with the layer that is nearest to one."""
    ours, theirs = list(_needing(source, paired.source_alone)), list(_needing(target, paired.target_alone))
    lines = []
    for layer in theirs:
        near = next((other for other in ours if other.kind == layer.kind), None)
        if near is not None:
            ours.remove(near)
        lines.append(f"target {_said(layer, target)}{_instead(near, layer, source)}")
    return [*lines, *(f"source {_said(layer, source)}" for layer in ours)]


def _needing(side: Described, layers: tuple[Layer, ...]) -> Iterator[Layer]:
    yield from (layer for layer in layers if layer.kind != LOOSE or side.entries[layer.path].trainable)


def _instead(near: Layer | None, layer: Layer, source: Described) -> str:
    if near is None:
        return ""
    more, less = near.roles.keys() - layer.roles.keys() - OPTIONAL, layer.roles.keys() - near.roles.keys() - OPTIONAL
    if more or less:
        which = [*(f"has {role}" for role in sorted(more)), *(f"has no {role}" for role in sorted(less))]
        return f"; {near.path} of the source {' and '.join(which)}"
    return f"; the source has {_said(near, source)}"


def _said(layer: Layer, side: Described) -> str:
    """``layer1/0/conv1 (conv: kernel o=64 i=3 h=7 w=7, bias o=64)``."""
    roles = [
        f"{role} {' '.join(f'{axis}={size}' for axis, size in lengths.items())}".strip()
        for role, lengths in layer.lengths(side.shapes).items()
        if role not in OPTIONAL
    ]
    many = f", … {len(roles) - 4} more" if len(roles) > 4 else ""
    return f"{layer.path} ({layer.kind}: {', '.join(roles[:4])}{many})"
