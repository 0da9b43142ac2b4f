"""``A_log`` and the step bias start as tables that no random number touches, but they are trained on purpose, as in
Mamba (Gu & Dao 2023)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
WARNS: frozenset[str] = frozenset({"G03"})
INPUTS: list[str] = ["f32[2,12,8]"]

Pair = tuple[jax.Array, jax.Array]


class SelectiveScan(nnx.Module):
    """A diagonal state space model over ``x`` ``[batch, length, features]``."""

    def __init__(self, features: int, states: int, *, rngs: nnx.Rngs) -> None:
        self.A_log = nnx.Param(jnp.log(jnp.tile(jnp.arange(1.0, states + 1), (features, 1))))
        self.dt_bias = nnx.Param(jnp.linspace(-4.0, -1.0, features))
        self.step = nnx.Linear(features, features, use_bias=False, rngs=rngs)
        self.inward = nnx.Linear(features, states, rngs=rngs)
        self.outward = nnx.Linear(features, states, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        step = jax.nn.softplus(self.step(x) + self.dt_bias[...])
        decay = jnp.exp(-step[..., None] * jnp.exp(self.A_log[...]))
        push = (step * x)[..., None] * self.inward(x)[:, :, None, :]

        def join(first: Pair, second: Pair) -> Pair:
            return first[0] * second[0], second[0] * first[1] + second[1]

        _, states = jax.lax.associative_scan(join, (decay, push), axis=1)
        return (states * self.outward(x)[:, :, None, :]).sum(-1)


def build() -> nnx.Module:
    return SelectiveScan(8, 4, rngs=nnx.Rngs(0))
