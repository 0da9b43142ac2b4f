"""Properties that raise, one that counts its readers, a lock as a static field: awkward for whoever walks over the
attributes, and no state. Only pickle and deepcopy have never taken a lock."""

from __future__ import annotations

import threading
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
WARNS: frozenset[str] = frozenset({"P07"})
INPUTS: list[str] = ["f32[4,6]"]

READERS = {"summary": 0}


class Guarded(eqx.Module):
    """A layer that several threads may call."""

    layer: eqx.nn.Linear
    lock: Any = eqx.field(static=True)

    def __init__(self, *, key: jax.Array) -> None:
        self.layer = eqx.nn.Linear(6, 3, key=key)
        self.lock = threading.Lock()

    @property
    def tokenizer(self) -> object:
        raise RuntimeError("no tokenizer was attached to this model")

    @property
    def summary(self) -> str:
        READERS["summary"] += 1
        return f"read {READERS['summary']} times"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"there is no {name!r}; this model has a layer and a lock")

    def __call__(self, x: jax.Array) -> jax.Array:
        with self.lock:
            return jnp.tanh(jax.vmap(self.layer)(x))


def build() -> eqx.Module:
    return Guarded(key=jax.random.key(0))
