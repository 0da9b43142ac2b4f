"""A linear map with a fixed weight."""

import jax
from flax import linen as nn

from constate_flax.linen.state import CONSTANTS


class FrozenLinear(nn.Module):
    """``x @ kernel + bias`` for ``x`` float ``[batch, in_features]``.

    State: ``kernel`` float32 ``[in_features, out_features]`` and ``bias`` float32 ``[out_features]``, constants drawn
    when the module is made.
    """

    in_features: int
    out_features: int

    def setup(self) -> None:
        self.kernel = self.variable(CONSTANTS, "kernel", self._draw, self.in_features**-0.5, self.in_features)
        self.bias = self.variable(CONSTANTS, "bias", self._draw, 1.0)

    def _draw(self, scale: float, *rows: int) -> jax.Array:
        return scale * jax.random.normal(self.make_rng("params"), (*rows, self.out_features))

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ self.kernel.value + self.bias.value
