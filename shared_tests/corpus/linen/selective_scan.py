"""``A_log`` and the step bias start as tables that no random number touches, but they are trained on purpose, as in
Mamba (Gu & Dao 2023)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
WARNS: frozenset[str] = frozenset({"G03"})
INPUTS: list[str] = ["f32[2,12,8]"]


Pair = tuple[jax.Array, jax.Array]


def advance(state: jax.Array, now: Pair) -> Pair:
    state = now[0] * state + now[1]
    return state, state


class SelectiveScan(nn.Module):
    """A diagonal state space model over ``x`` ``[batch, length, features]``."""

    features: int = 8
    states: int = 4

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        rates = jnp.log(jnp.tile(jnp.arange(1.0, self.states + 1), (self.features, 1)))
        a_log = self.param("A_log", lambda key: rates)
        bias = self.param("dt_bias", lambda key: jnp.linspace(-4.0, -1.0, self.features))
        step = jax.nn.softplus(nn.Dense(self.features, use_bias=False)(x) + bias)
        inward, outward = nn.Dense(self.states)(x), nn.Dense(self.states)(x)
        decay = jnp.exp(-step[..., None] * jnp.exp(a_log))
        push = (step * x)[..., None] * inward[:, :, None, :]

        _, states = jax.lax.scan(advance, jnp.zeros_like(push[:, 0]), (decay.swapaxes(0, 1), push.swapaxes(0, 1)))
        return (states.swapaxes(0, 1) * outward[:, :, None, :]).sum(-1)


def build() -> nn.Module:
    return SelectiveScan()
