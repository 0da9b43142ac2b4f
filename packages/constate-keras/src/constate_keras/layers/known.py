"""The layers of Keras in axes that have names.

Shapes are those of https://keras.io/api/layers/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from keras import layers

from constate.porting.layer import SPACE, Layer, Piece, inner
from constate_keras.layers.recurrent import gru, lstm, simple

Find = Callable[[Any], str]
"""The path of a variable."""
Describe = Callable[[str, Any, Find], Iterator[Layer]]


def layers_of(path: str, layer: Any, find: Find) -> Iterator[Layer]:
    """The layers that one of ``keras.layers`` is: none of one that is not known, two of a separable convolution."""
    for kind in type(layer).__mro__:
        if kind in KNOWN:
            yield from KNOWN[kind](path, layer, find)
            return


def dense(path: str, layer: Any, find: Find) -> Iterator[Layer]:
    """``y = x W + b``."""
    yield Layer(path, "dense", _roles(find, kernel=(layer.kernel, "i o"), bias=(layer.bias, "o")))


def einsum_dense(path: str, layer: Any, find: Find) -> Iterator[Layer]:
    """A dense layer whose inputs or outputs have several axes, as the heads of an attention."""
    equation = layer.equation.replace(".", "").replace(" ", "")
    kernel, output = equation.partition(",")[2].split("->")
    taken = [letter for letter in kernel if letter not in output]
    given = [letter for letter in kernel if letter in output]
    if not taken or not given or any(letter in equation.partition(",")[0] for letter in given):
        return
    names = inner("i", len(taken), len(given)), inner("o", len(given), len(taken))
    by_letter = dict(zip([*taken, *given], " ".join(names).split(), strict=True))
    bias = [letter for letter in output if letter in (layer.bias_axes or "")]
    if set(bias) not in (set(), set(given)):
        return
    roles = _roles(
        find,
        kernel=(layer.kernel, " ".join(by_letter[letter] for letter in kernel)),
        bias=(layer.bias, " ".join(by_letter[letter] for letter in bias)),
    )
    composed = {axis: name for axis, name in zip("io", names, strict=True) if name != axis}
    place = next((number for number, letter in enumerate(kernel) if by_letter[letter] in ("heads", "i0", "o0")), None)
    yield Layer(path, "dense", roles, {} if place is None else {"heads": layer.kernel.shape[place]}, composed)


def conv(path: str, layer: Any, find: Find) -> Iterator[Layer]:
    """A convolution; one with a group for each channel is depthwise."""
    space = SPACE[len(layer.kernel_size)]
    depthwise = layer.groups > 1 and layer.kernel.shape[-2] == 1
    axes = f"{space} 1 (c m)" if depthwise else f"{space} i o"
    roles = _roles(find, kernel=(layer.kernel, axes), bias=(layer.bias, "o"))
    if depthwise:
        roles["kernel"] = (Piece(roles["kernel"][0].entry, axes, sizes={"c": layer.groups}),)
    settings = _moves(layer) | ({} if depthwise else {"groups": layer.groups})
    yield Layer(path, "depthwise_conv" if depthwise else "conv", roles, settings)


def depthwise_conv(path: str, layer: Any, find: Find) -> Iterator[Layer]:
    """With ``m`` outputs for each channel."""
    yield _depthwise(path, layer, find, layer.kernel, layer.bias)


def separable_conv(path: str, layer: Any, find: Find) -> Iterator[Layer]:
    """A depthwise convolution without a bias, and one of size 1."""
    yield _depthwise(f"{path}/depthwise", layer, find, layer.depthwise_kernel, None)
    space = SPACE[len(layer.kernel_size)]
    pointwise = _roles(find, kernel=(layer.pointwise_kernel, f"{space} i o"), bias=(layer.bias, "o"))
    ones = tuple(1 for _ in layer.kernel_size)
    settings = {"strides": ones, "padding": tuple((0, 0) for _ in ones), "dilation": ones, "groups": 1}
    yield Layer(f"{path}/pointwise", "conv", pointwise, settings)


def conv_transpose(path: str, layer: Any, find: Find) -> Iterator[Layer]:
    """The gradient of a convolution by its input."""
    roles = _roles(find, kernel=(layer.kernel, f"{SPACE[len(layer.kernel_size)]} o i"), bias=(layer.bias, "o"))
    yield Layer(path, "conv_transpose", roles, {"strides": layer.strides, "dilation": layer.dilation_rate})


def embedding(path: str, layer: Any, find: Find) -> Iterator[Layer]:
    """A table with a row for each token."""
    yield Layer(path, "embedding", _roles(find, embedding=(layer.embeddings, "n o")))


def layer_norm(path: str, layer: Any, find: Find) -> Iterator[Layer]:
    """Over the axes that it was given; with ``rms_scaling`` without a mean."""
    axes = " ".join("abc"[-(len(layer.axis) if isinstance(layer.axis, (list, tuple)) else 1) :])
    kind = "rms_norm" if getattr(layer, "rms_scaling", False) else "layer_norm"
    yield Layer(
        path, kind, _roles(find, scale=(layer.gamma, axes), bias=(layer.beta, axes)), {"epsilon": layer.epsilon}
    )


def rms_norm(path: str, layer: Any, find: Find) -> Iterator[Layer]:
    """Without a mean."""
    axes = " ".join("abc"[-len(layer.scale.shape) :])
    yield Layer(path, "rms_norm", _roles(find, scale=(layer.scale, axes)), {"epsilon": layer.epsilon})


def group_norm(path: str, layer: Any, find: Find) -> Iterator[Layer]:
    """Over groups of channels."""
    roles = _roles(find, scale=(layer.gamma, "c"), bias=(layer.beta, "c"))
    yield Layer(path, "group_norm", roles, {"groups": layer.groups, "epsilon": layer.epsilon})


def batch_norm(path: str, layer: Any, find: Find) -> Iterator[Layer]:
    """The momentum is that of the old value, and the variance a biased one."""
    roles = _roles(
        find,
        scale=(layer.gamma, "c"),
        bias=(layer.beta, "c"),
        mean=(layer.moving_mean, "c"),
        variance=(layer.moving_variance, "c"),
    )
    settings = {"epsilon": layer.epsilon, "momentum": layer.momentum, "unbiased": False}
    yield Layer(path, "batch_norm", roles, settings)


def prelu(path: str, layer: Any, find: Find) -> Iterator[Layer]:
    """A slope for each channel, shared by all of space."""
    shape = layer.alpha.shape
    if all(size == 1 for size in shape[:-1]):
        axes = " ".join(["1"] * (len(shape) - 1) + ["c" if shape[-1] > 1 else "1"])
        yield Layer(path, "prelu", _roles(find, slope=(layer.alpha, axes)))


def _depthwise(path: str, layer: Any, find: Find, kernel: Any, bias: Any) -> Layer:
    """Of one channel it is a convolution like any other, as those are that have groups."""
    space, alone = SPACE[len(layer.kernel_size)], kernel.shape[-2] == 1
    roles = _roles(find, kernel=(kernel, f"{space} {'i o' if alone else 'c m'}"), bias=(bias, "o"))
    settings = _moves(layer) | ({"groups": 1} if alone else {})
    return Layer(path, "conv" if alone else "depthwise_conv", roles, settings)


def _moves(layer: Any) -> dict[str, Any]:
    return {"strides": tuple(layer.strides), "padding": layer.padding, "dilation": tuple(layer.dilation_rate)}


def _roles(find: Find, **variables: tuple[Any, str]) -> dict[str, tuple[Piece, ...]]:
    """The roles of those variables that there are, and the axes of each."""
    return {
        role: (Piece(find(variable), axes),) for role, (variable, axes) in variables.items() if variable is not None
    }


KNOWN: Mapping[type[Any], Describe] = {
    layers.Dense: dense,
    layers.EinsumDense: einsum_dense,
    layers.Conv1D: conv,
    layers.Conv2D: conv,
    layers.Conv3D: conv,
    layers.DepthwiseConv1D: depthwise_conv,
    layers.DepthwiseConv2D: depthwise_conv,
    layers.SeparableConv1D: separable_conv,
    layers.SeparableConv2D: separable_conv,
    layers.Conv1DTranspose: conv_transpose,
    layers.Conv2DTranspose: conv_transpose,
    layers.Conv3DTranspose: conv_transpose,
    layers.Embedding: embedding,
    layers.LayerNormalization: layer_norm,
    layers.RMSNormalization: rms_norm,
    layers.GroupNormalization: group_norm,
    layers.BatchNormalization: batch_norm,
    layers.PReLU: prelu,
    layers.LSTMCell: lstm,
    layers.GRUCell: gru,
    layers.SimpleRNNCell: simple,
}
