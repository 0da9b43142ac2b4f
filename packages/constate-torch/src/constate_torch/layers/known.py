"""Where the layers of ``torch.nn`` keep their arrays, in axes that have names.

Shapes are those of https://docs.pytorch.org/docs/stable/nn.html.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from constate.porting.layer import SPACE, Layer, Piece
from constate_torch.layers.recurrent import cell, recurrent


def layers_of(path: str, module: nn.Module) -> Iterator[Layer]:
    """The layers that a module of ``torch.nn`` is: none of one that is not known, several of one that holds several."""
    for kinds, describe in KNOWN.items():
        if isinstance(module, kinds):
            yield from describe(path, module)
            return


def at(path: str, name: str) -> str:
    """The path of an entry."""
    return f"{path}/{name}" if path else name


def dense(path: str, module: Any) -> Iterator[Layer]:
    """``y = x Wᵀ + b``."""
    yield Layer(path, "dense", _pair(path, module, "o i"))


def conv(path: str, module: Any) -> Iterator[Layer]:
    """A convolution; one with a group for each channel is depthwise."""
    space = SPACE[len(module.kernel_size)]
    groups = module.groups
    depthwise = 1 < groups == module.in_channels
    kernel = f"(c m) 1 {space}" if depthwise else f"o i {space}"
    roles = {"kernel": (Piece(at(path, "weight"), kernel, sizes={"c": groups} if depthwise else {}),)}
    if module.bias is not None:
        roles["bias"] = (Piece(at(path, "bias"), "o"),)
    padding = module.padding
    settings = {
        "strides": module.stride,
        "padding": padding if isinstance(padding, str) else tuple((size, size) for size in padding),
        "dilation": module.dilation,
    }
    if module.padding_mode != "zeros":
        settings["padding mode"] = module.padding_mode
    yield Layer(
        path,
        "depthwise_conv" if depthwise else "conv",
        roles,
        {**settings, **({} if depthwise else {"groups": groups})},
    )


def conv_transpose(path: str, module: Any) -> Iterator[Layer]:
    """The gradient of a convolution by its input."""
    if module.groups == 1:
        roles = {"kernel": (Piece(at(path, "weight"), f"i o {SPACE[len(module.kernel_size)]}"),)}
        if module.bias is not None:
            roles["bias"] = (Piece(at(path, "bias"), "o"),)
        yield Layer(path, "conv_transpose", roles, {"strides": module.stride, "dilation": module.dilation})


def embedding(path: str, module: Any) -> Iterator[Layer]:
    """A table with a row for each token."""
    yield Layer(path, "embedding", {"embedding": (Piece(at(path, "weight"), "n o"),)})


def layer_norm(path: str, module: Any) -> Iterator[Layer]:
    """Over the last axes."""
    yield from _norm(
        path, module, "layer_norm", " ".join("abc"[-len(module.normalized_shape) :]), {"epsilon": module.eps}
    )


def rms_norm(path: str, module: Any) -> Iterator[Layer]:
    """Without a mean."""
    yield from _norm(
        path, module, "rms_norm", " ".join("abc"[-len(module.normalized_shape) :]), {"epsilon": module.eps}
    )


def group_norm(path: str, module: Any) -> Iterator[Layer]:
    """Over groups of channels."""
    yield from _norm(path, module, "group_norm", "c", {"groups": module.num_groups, "epsilon": module.eps})


def batch_norm(path: str, module: Any) -> Iterator[Layer]:
    """The momentum is that of the new value, and the running variance an unbiased one."""
    keeps = None if module.momentum is None else 1 - module.momentum
    settings = {"epsilon": module.eps, "momentum": keeps, "unbiased": True}
    roles = {}
    if module.running_mean is not None:
        roles = {
            "mean": (Piece(at(path, "running_mean"), "c"),),
            "variance": (Piece(at(path, "running_var"), "c"),),
            "count": (Piece(at(path, "num_batches_tracked"), ""),),
        }
    yield Layer(path, "batch_norm", {**_affine(path, module, "c"), **roles}, settings)


def prelu(path: str, module: Any) -> Iterator[Layer]:
    """A slope for each channel, or one for all."""
    axes = "1" if module.num_parameters == 1 else "c"
    yield Layer(path, "prelu", {"slope": (Piece(at(path, "weight"), axes),)})


def attention(path: str, module: Any) -> Iterator[Layer]:
    """Four dense layers: the projections of queries, keys and values, three parts of one array, and of the output."""
    width = module.embed_dim
    settings = {"heads": module.num_heads}
    for number, name in enumerate(("query", "key", "value")):
        part = f"[{number * width}:{(number + 1) * width}]"
        packed = module.in_proj_weight is not None
        kernel = (
            Piece(at(path, "in_proj_weight"), "o i", part)
            if packed
            else Piece(at(path, f"{name[0]}_proj_weight"), "o i")
        )
        roles = {"kernel": (kernel,)}
        if module.in_proj_bias is not None:
            roles["bias"] = (Piece(at(path, "in_proj_bias"), "o", part),)
        yield Layer(at(path, name), "dense", roles, settings)
    yield Layer(at(path, "out"), "dense", _pair(at(path, "out_proj"), module.out_proj, "o i"), settings)


def _pair(path: str, module: Any, axes: str) -> dict[str, tuple[Piece, ...]]:
    roles: dict[str, tuple[Piece, ...]] = {"kernel": (Piece(at(path, "weight"), axes),)}
    return roles if module.bias is None else {**roles, "bias": (Piece(at(path, "bias"), "o"),)}


def _affine(path: str, module: Any, axes: str) -> dict[str, tuple[Piece, ...]]:
    names = {"scale": "weight", "bias": "bias"}
    return {
        role: (Piece(at(path, name), axes),) for role, name in names.items() if getattr(module, name, None) is not None
    }


def _norm(path: str, module: Any, kind: str, axes: str, settings: dict[str, Any]) -> Iterator[Layer]:
    yield Layer(path, kind, _affine(path, module, axes), settings)


KNOWN: dict[type[Any] | tuple[type[Any], ...], Callable[[str, Any], Iterator[Layer]]] = {
    nn.MultiheadAttention: attention,
    nn.Linear: dense,
    (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d): conv_transpose,
    (nn.Conv1d, nn.Conv2d, nn.Conv3d): conv,
    nn.Embedding: embedding,
    nn.LayerNorm: layer_norm,
    nn.RMSNorm: rms_norm,
    nn.GroupNorm: group_norm,
    (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm): batch_norm,
    nn.PReLU: prelu,
    nn.RNNBase: recurrent,
    nn.RNNCellBase: cell,
}
