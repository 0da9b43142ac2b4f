"""``FrozenLinear`` with one defect each, in NNX."""

from types import SimpleNamespace

import jax
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


BATCHES: list[Array] = []
PULLS: list[object] = []


class HoardingLinear(_Linear):
    """A list keeps every batch."""

    def __call__(self, x: Array) -> Array:
        BATCHES.append(x)
        return x @ self.kernel[...] + self.bias[...]


class GraphLinear(_Linear):
    """A list keeps every way back to the gradients, with what it needs for it."""

    def __call__(self, x: Array) -> Array:
        outputs, pull = jax.vjp(lambda kernel: x @ kernel, self.kernel[...])
        PULLS.append(pull)
        return outputs + self.bias[...]
