"""A hundred and twenty-eight small submodules, lists in lists: nothing is wrong with many of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,4]"]


class Gain(nnx.Module):
    """One gain of a stage."""

    def __init__(self, gain: np.ndarray) -> None:
        self.gain = nnx.Param(jnp.asarray(gain))


class Stage(nnx.Module):
    """Scales by the mean of its gains."""

    def __init__(self, gains: np.ndarray) -> None:
        self.blocks = nnx.List([Gain(gain) for gain in gains])

    def __call__(self, x: jax.Array) -> jax.Array:
        gains = jnp.concatenate([block.gain[...] for block in self.blocks]).reshape(-1, x.shape[-1])
        return jnp.tanh(x * gains.mean(0))


class Deep(nnx.Module):
    """Stages in sequence."""

    def __init__(self, stages: int, width: int, features: int, seed: int) -> None:
        gains = np.random.default_rng(seed).uniform(0.9, 1.1, (stages, width, features)).astype(np.float32)
        self.stages = nnx.List([Stage(stage) for stage in gains])

    def __call__(self, x: jax.Array) -> jax.Array:
        for stage in self.stages:
            x = stage(x)
        return x


def build() -> nnx.Module:
    return Deep(8, 15, 4, seed=0)
