"""``FrozenLinear`` with one defect each, in NNX."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from constate_flax.nnx.state import Constant

TABLE = np.ones(512, np.float32)


class TrainedLinear(nnx.Module):
    """The constants are parameters."""

    def __init__(self, in_features: int, out_features: int, *, rngs: nnx.Rngs) -> None:
        self.kernel = nnx.Param(rngs.params.normal((in_features, out_features)))
        self.bias = nnx.Param(rngs.params.normal((out_features,)))

    def __call__(self, x: Array) -> Array:
        return x @ self.kernel[...] + self.bias[...]


class _Linear(nnx.Module):
    def __init__(self, in_features: int, out_features: int, *, rngs: nnx.Rngs) -> None:
        self.kernel = Constant(rngs.params.normal((in_features, out_features)))
        self.bias = Constant(rngs.params.normal((out_features,)))


class CapturedLinear(_Linear):
    """A table is a global of the file."""

    def __call__(self, x: Array) -> Array:
        return x @ self.kernel[...] + self.bias[...] * TABLE


class StrayLinear(_Linear):
    """A helper object keeps an array."""

    def __init__(self, in_features: int, out_features: int, *, rngs: nnx.Rngs) -> None:
        super().__init__(in_features, out_features, rngs=rngs)
        self.helper = SimpleNamespace(table=jnp.zeros(out_features))

    def __call__(self, x: Array) -> Array:
        return x @ self.kernel[...] + self.bias[...]
