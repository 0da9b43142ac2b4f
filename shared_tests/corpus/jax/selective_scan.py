"""``A_log`` and the step bias start as tables without random numbers and are trained on purpose, as in Mamba (Gu & Dao
2023). But a tree has no word for that, and a warning is in place: Mamba itself exempts ``A_log`` from weight decay."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
WARNS: frozenset[str] = frozenset({"G03"})
INPUTS: list[str] = ["f32[2,12,8]"]

Pair = tuple[jax.Array, jax.Array]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SelectiveScan:
    """A diagonal state space model over ``x`` ``[batch, length, features]``."""

    A_log: jax.Array
    dt_bias: jax.Array
    step: jax.Array
    inward: jax.Array
    outward: jax.Array

    @classmethod
    def create(cls, features: int, states: int, key: jax.Array) -> SelectiveScan:
        shapes = ((features, features), (features, states), (features, states))
        keys = jax.random.split(key, 3)
        weights = [jax.random.normal(key, shape) * features**-0.5 for key, shape in zip(keys, shapes, strict=True)]
        a_log = jnp.log(jnp.tile(jnp.arange(1.0, states + 1), (features, 1)))
        return cls(a_log, jnp.linspace(-4.0, -1.0, features), *weights)

    def __call__(self, x: jax.Array) -> jax.Array:
        step = jax.nn.softplus(x @ self.step + self.dt_bias)
        decay = jnp.exp(-step[..., None] * jnp.exp(self.A_log))
        push = (step * x)[..., None] * (x @ self.inward)[:, :, None, :]

        def join(first: Pair, second: Pair) -> Pair:
            return first[0] * second[0], second[0] * first[1] + second[1]

        _, states = jax.lax.associative_scan(join, (decay, push), axis=1)
        return (states * (x @ self.outward)[:, :, None, :]).sum(-1)


def build() -> SelectiveScan:
    return SelectiveScan.create(8, 4, jax.random.key(0))
