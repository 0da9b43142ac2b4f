"""A linear map with a fixed weight."""

from flax import nnx
from jax import Array

from constate_flax.nnx.state import Constant


class FrozenLinear(nnx.Module):
    """``x @ kernel + bias`` for ``x`` float ``[batch, in_features]``.

    State: ``kernel`` float32 ``[in_features, out_features]`` and ``bias`` float32 ``[out_features]``, constants drawn
    when the module is made.
    """

    def __init__(self, in_features: int, out_features: int, *, rngs: nnx.Rngs) -> None:
        self.kernel = Constant(rngs.params.normal((in_features, out_features)) * in_features**-0.5)
        self.bias = Constant(rngs.params.normal((out_features,)))

    def __call__(self, x: Array) -> Array:
        return x @ self.kernel[...] + self.bias[...]
