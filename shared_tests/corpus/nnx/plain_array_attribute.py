"""The blur kernel is a plain array attribute, which NNX lists in an ordinary build and not in an abstract one: after
``nnx.eval_shape`` it is a dead tracer, and a checkpoint of the model does not fit."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

HAZARD: str | None = "P11"
ENTRY: str | None = "blur"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,20,8]"]


class Smoothed(nnx.Module):
    """Blurs ``x`` ``[batch, length, features]`` over time and applies a layer."""

    def __init__(self, features: int, width: int, *, rngs: nnx.Rngs) -> None:
        kernel = jnp.exp(-0.5 * jnp.linspace(-2.0, 2.0, width) ** 2)
        self.blur = kernel / kernel.sum()
        self.head = nnx.Linear(features, 4, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        half = len(self.blur) // 2
        padded = jnp.pad(x, ((0, 0), (half, half), (0, 0)))
        windows = jnp.stack([padded[:, i : i + x.shape[1]] for i in range(len(self.blur))])
        return self.head(jnp.tanh(jnp.tensordot(self.blur, windows, axes=1)))


def build() -> nnx.Module:
    return Smoothed(8, 5, rngs=nnx.Rngs(0))
