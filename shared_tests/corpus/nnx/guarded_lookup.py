"""A lock guards the pass, a lambda is the activation, and unknown attributes are answered by an error with advice: odd,
but no state is lost. Only pickle and deepcopy have never taken a lock."""

from __future__ import annotations

import threading
from typing import Any

import jax
from flax import nnx

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
WARNS: frozenset[str] = frozenset({"P07"})
INPUTS: list[str] = ["f32[4,8]"]


class Guarded(nnx.Module):
    """Two layers that several threads may call."""

    def __init__(self, features: int, *, rngs: nnx.Rngs) -> None:
        self.inward = nnx.Linear(8, features, rngs=rngs)
        self.outward = nnx.Linear(features, 3, rngs=rngs)
        self.activation = lambda x: x * jax.nn.sigmoid(1.702 * x)
        self.lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{type(self).__name__} has no {name!r}; it has inward and outward")

    @property
    def device(self) -> str:
        raise NotImplementedError("an NNX module has no single device")

    def __call__(self, x: jax.Array) -> jax.Array:
        with self.lock:
            return self.outward(self.activation(self.inward(x)))


def build() -> nnx.Module:
    return Guarded(16, rngs=nnx.Rngs(0))
