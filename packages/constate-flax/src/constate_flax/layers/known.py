"""The layers of Flax in axes that have names.

Shapes are those of https://flax.readthedocs.io/en/latest/api_reference/flax.linen/layers.html and of
https://flax.readthedocs.io/en/latest/api_reference/flax.nnx/nn/index.html.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from constate.porting.layer import SPACE, Layer, Piece, inner

Find = Callable[[str], tuple[str, tuple[int, ...]] | None]
"""The path and the shape of the entry of a layer that has this name; ``None`` where it has none."""
Describe = Callable[[str, Any, Find], Iterator[Layer]]


def dense(path: str, module: Any, find: Find) -> Iterator[Layer]:
    """``y = x W + b``."""
    yield from _layer(path, "dense", {"kernel": _piece(find("kernel"), "i o"), "bias": _piece(find("bias"), "o")})


def dense_general(path: str, module: Any, find: Find) -> Iterator[Layer]:
    """A dense layer whose inputs or outputs have several axes, as the heads of an attention."""
    kernel = find("kernel")
    if kernel is None or getattr(module, "batch_dims", None) or getattr(module, "batch_axis", None):
        return
    taken = len(module.axis) if isinstance(module.axis, tuple | list) else 1
    given = len(kernel[1]) - taken
    names = inner("i", taken, given), inner("o", given, taken)
    roles = {"kernel": _piece(kernel, " ".join(names)), "bias": _piece(find("bias"), names[1])}
    composed = {axis: name for axis, name in zip("io", names, strict=True) if name != axis}
    heads = {"heads": kernel[1][0 if taken > 1 else taken]} if composed else {}
    yield from _layer(path, "dense", roles, heads, composed)


def conv(path: str, module: Any, find: Find) -> Iterator[Layer]:
    """A convolution; one with a group for each channel is depthwise."""
    kernel = find("kernel")
    if kernel is None or len(kernel[1]) - 2 not in SPACE:
        return
    rank, groups = len(kernel[1]) - 2, module.feature_group_count
    depthwise = groups > 1 and kernel[1][-2] == 1
    axes = f"{SPACE[rank]} 1 (c m)" if depthwise else f"{SPACE[rank]} i o"
    settings = _moves(module, rank) | ({} if depthwise else {"groups": groups})
    roles = {
        "kernel": _piece(kernel, axes, sizes={"c": groups} if depthwise else {}),
        "bias": _piece(find("bias"), "o"),
    }
    yield from _layer(path, "depthwise_conv" if depthwise else "conv", roles, settings)


def conv_transpose(path: str, module: Any, find: Find) -> Iterator[Layer]:
    """The gradient of a convolution by its input, but for the kernel, which is turned round unless
    ``transpose_kernel`` is set."""
    kernel = find("kernel")
    if kernel is None or len(kernel[1]) - 2 not in SPACE:
        return
    rank = len(kernel[1]) - 2
    order, at = ("o i", "") if module.transpose_kernel else ("i o", f"[{', '.join(['::-1'] * rank)}]")
    roles = {"kernel": _piece(kernel, f"{SPACE[rank]} {order}", at), "bias": _piece(find("bias"), "o")}
    settings = {name: value for name, value in _moves(module, rank).items() if name != "padding"}
    yield from _layer(path, "conv_transpose", roles, settings)


def embedding(path: str, module: Any, find: Find) -> Iterator[Layer]:
    """A table with a row for each token."""
    yield from _layer(path, "embedding", {"embedding": _piece(find("embedding"), "n o")})


def norm(kind: str) -> Describe:
    """A normalisation without a running statistic."""

    def describe(path: str, module: Any, find: Find) -> Iterator[Layer]:
        yield from _layer(path, kind, _affine(find), {"epsilon": module.epsilon})

    return describe


def group_norm(path: str, module: Any, find: Find) -> Iterator[Layer]:
    """Over groups of channels."""
    groups = {} if module.num_groups is None else {"groups": module.num_groups}
    yield from _layer(path, "group_norm", _affine(find), {**groups, "epsilon": module.epsilon})


def batch_norm(path: str, module: Any, find: Find) -> Iterator[Layer]:
    """The momentum is that of the old value, and the variance a biased one."""
    roles = {**_affine(find), "mean": _piece(find("mean"), "c"), "variance": _piece(find("var"), "c")}
    settings = {"epsilon": module.epsilon, "momentum": module.momentum, "unbiased": False}
    yield from _layer(path, "batch_norm", roles, settings)


def prelu(path: str, module: Any, find: Find) -> Iterator[Layer]:
    """One slope for all channels."""
    yield from _layer(path, "prelu", {"slope": _piece(find("negative_slope"), "")})


def _moves(module: Any, rank: int) -> dict[str, Any]:
    padding = module.padding
    if not isinstance(padding, str):
        sides = [padding] * rank if isinstance(padding, int) else list(padding)
        padding = tuple((side, side) if isinstance(side, int) else tuple(side) for side in sides)
    return {
        "strides": _each(module.strides, rank),
        "padding": padding,
        "dilation": _each(module.kernel_dilation, rank),
    }


def _each(value: Any, rank: int) -> tuple[int, ...]:
    return (value or 1,) * rank if value is None or isinstance(value, int) else tuple(value)


def _affine(find: Find) -> dict[str, tuple[Piece, ...] | None]:
    found = {"scale": find("scale"), "bias": find("bias")}
    return {role: _piece(place, " ".join("abc"[-len(place[1]) :]) if place else "c") for role, place in found.items()}


def _piece(
    place: tuple[str, tuple[int, ...]] | None, axes: str, at: str = "", sizes: Mapping[str, int] = {}
) -> tuple[Piece, ...] | None:
    return None if place is None else (Piece(place[0], axes, at, sizes),)


def _layer(
    path: str,
    kind: str,
    roles: Mapping[str, tuple[Piece, ...] | None],
    settings: Mapping[str, Any] = {},
    composed: Mapping[str, str] = {},
) -> Iterator[Layer]:
    present = {role: pieces for role, pieces in roles.items() if pieces is not None}
    if present:
        yield Layer(path, kind, present, settings, composed)
