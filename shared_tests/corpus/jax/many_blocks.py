"""A hundred and twenty-nine nodes in lists in lists, with 120 small arrays: nothing is wrong with many of them."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,4]"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Gain:
    """One gain of a stage."""

    gain: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Stage:
    """Scales by the mean of its gains."""

    blocks: list[Gain]

    def __call__(self, x: jax.Array) -> jax.Array:
        gains = jnp.concatenate([block.gain for block in self.blocks]).reshape(-1, x.shape[-1])
        return jnp.tanh(x * gains.mean(0))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Deep:
    """Stages in sequence."""

    stages: list[Stage]

    def __call__(self, x: jax.Array) -> jax.Array:
        for stage in self.stages:
            x = stage(x)
        return x


def build() -> Deep:
    gains = np.random.default_rng(0).uniform(0.9, 1.1, (8, 15, 4)).astype(np.float32)
    return Deep([Stage([Gain(jnp.asarray(gain)) for gain in stage]) for stage in gains])
