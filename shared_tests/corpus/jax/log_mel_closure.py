"""The filter bank is in the closure of the model's function and not in its tree: every compiled program carries its
8 KiB as a literal."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

HAZARD: str | None = "C06"
ENTRY: str | None = "filters"
ALSO: frozenset[str] = frozenset({"P07"})  # a function made inside of a function cannot be pickled
INPUTS: list[str] = ["f32[2,6,128]"]

Parameters = dict[str, jax.Array]


def make_model(bins: int, bands: int, classes: int) -> tuple[Parameters, Callable[[Parameters, jax.Array], jax.Array]]:
    """A linear classifier of frames by their energies in bands."""
    centres = np.linspace(0, bins - 1, bands)
    distance = np.abs(np.arange(bins)[:, None] - centres)
    filters = np.maximum(0, 1 - distance * (bands - 1) / (bins - 1)).astype(np.float32)

    def apply(parameters: Parameters, frames: jax.Array) -> jax.Array:
        power = jnp.abs(jnp.fft.rfft(frames.astype(jnp.float32))) ** 2
        energies = jnp.log(power @ filters + 1e-6)
        return energies @ parameters["kernel"] + parameters["bias"]

    kernel = jax.random.normal(jax.random.key(0), (bands, classes)) * bands**-0.5
    return {"kernel": kernel, "bias": jnp.zeros(classes)}, apply


def build() -> tuple[Parameters, Callable[[Parameters, jax.Array], jax.Array]]:
    return make_model(65, 32, 5)
