"""``FrozenLinear`` with one defect each, in linen."""

from dataclasses import field
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from constate_flax.linen.state import CONSTANTS

TABLE = np.ones(512, np.float32)
HELPER = SimpleNamespace(table=jnp.zeros(3))


class TrainedLinear(nn.Module):
    """The constants are parameters."""

    in_features: int
    out_features: int

    def setup(self) -> None:
        self.kernel = self.param("kernel", nn.initializers.normal(), (self.in_features, self.out_features))
        self.bias = self.param("bias", nn.initializers.normal(), (self.out_features,))

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ self.kernel + self.bias


class CapturedLinear(nn.Module):
    """A table is a global of the file."""

    in_features: int
    out_features: int

    def setup(self) -> None:
        self.kernel = self.variable(CONSTANTS, "kernel", jnp.ones, (self.in_features, self.out_features))
        self.bias = self.variable(CONSTANTS, "bias", jnp.ones, (self.out_features,))

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ self.kernel.value + self.bias.value * TABLE


class StrayLinear(nn.Module):
    """A helper object keeps an array."""

    in_features: int
    out_features: int
    helper: Any = field(default_factory=lambda: HELPER)

    def setup(self) -> None:
        self.kernel = self.variable(CONSTANTS, "kernel", jnp.ones, (self.in_features, self.out_features))
        self.bias = self.variable(CONSTANTS, "bias", jnp.ones, (self.out_features,))

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ self.kernel.value + self.bias.value


BATCHES: list[jax.Array] = []
PULLS: list[object] = []


class HoardingLinear(CapturedLinear):
    """A list keeps every batch."""

    def __call__(self, x: jax.Array) -> jax.Array:
        BATCHES.append(x)
        return x @ self.kernel.value + self.bias.value


class GraphLinear(CapturedLinear):
    """A list keeps every way back to the gradients, with what it needs for it."""

    def __call__(self, x: jax.Array) -> jax.Array:
        outputs, pull = jax.vjp(lambda kernel: x @ kernel, self.kernel.value)
        PULLS.append(pull)
        return outputs + self.bias.value
