"""The padding mask is remembered by the shape of the batch although it depends on the lengths: the second batch of a
shape is masked with the lengths of the first."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

HAZARD: str | None = "M05"
ENTRY: str | None = "masks"
ALSO: frozenset[str] = frozenset({"P09"})  # what is remembered of a training batch is missing after a restart
INPUTS: list[str] = ["f32[4,10,6]", "i32[4]<10"]


class Masks:
    """Masks that have been computed already."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, ...], np.ndarray | jax.Array] = {}

    def __call__(self, shape: tuple[int, ...], lengths: jax.Array) -> np.ndarray | jax.Array:
        if isinstance(lengths, jax.core.Tracer):
            return jnp.arange(shape[1]) <= lengths[:, None]
        if shape not in self.known:
            self.known[shape] = np.arange(shape[1]) <= np.asarray(lengths)[:, None]
        return self.known[shape]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class MaskedPooling:
    """The mean over the valid steps of ``x`` ``[batch, length, features]``, and a layer."""

    kernel: jax.Array
    masks: Masks = dataclasses.field(default_factory=Masks, metadata={"static": True})

    def __call__(self, x: jax.Array, lengths: jax.Array) -> jax.Array:
        valid = self.masks(x.shape[:2], lengths)[..., None]
        pooled = jnp.where(valid, x, 0).sum(1) / valid.sum(1)
        return jnp.tanh(pooled @ self.kernel)


def build() -> MaskedPooling:
    return MaskedPooling(jax.random.normal(jax.random.key(0), (6, 3)))
