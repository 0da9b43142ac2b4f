"""Defects of what is replicated."""

from __future__ import annotations

import dataclasses
from typing import Any

from constate.backend import REPLICAS, Handle, Spec, Spread, shares
from constate.state import Array
from mutants.planting import Base, mutant


def _state(backend: Any, handle: Handle) -> dict[str, Array]:
    return {path: backend.read(handle, path) for path in backend.entries(handle)}


def _alone(backend: Any, spec: Spec, state: Any, batches: Any, optimizer: Any) -> list[dict[str, Array]]:
    """What replicas have that know nothing of each other."""
    found = []
    for number in range(REPLICAS):
        handle = backend.begun(spec, state)
        parts = [shares(batch)[number] for batch in batches]
        found.append(_state(backend, backend.train(handle, parts, optimizer, "trainable").handle))
    return found


@mutant("S01", module="frozen_linear")
def a_replica_keeps_its_own_draw(base: Base) -> Base:
    class Mutated(base):
        def spread(self, spec: Spec, state: Any, batches: Any, optimizer: Any) -> Spread:
            spread = super().spread(spec, state, batches, optimizer)
            own = {path: -value for path, value in spread.born[1].items()}
            return dataclasses.replace(spread, born=(spread.born[0], own))

    return Mutated


@mutant("S01", module="causal_attention")
def a_replica_lacks_what_is_not_saved(base: Base) -> Base:
    class Mutated(base):
        def spread(self, spec: Spec, state: Any, batches: Any, optimizer: Any) -> Spread:
            spread = super().spread(spec, state, batches, optimizer)
            own = {path: value for path, value in spread.born[1].items() if path != "mask"}
            return dataclasses.replace(spread, born=(spread.born[0], own))

    return Mutated


@mutant("S02", module="causal_attention")
def gradients_are_not_averaged(base: Base) -> Base:
    class Mutated(base):
        def spread(self, spec: Spec, state: Any, batches: Any, optimizer: Any) -> Spread:
            spread = super().spread(spec, state, batches, optimizer)
            return dataclasses.replace(spread, trained=tuple(_alone(self, spec, state, batches, optimizer)))

    return Mutated


@mutant("S02", module="causal_attention")
def all_replicas_are_the_first_alone(base: Base) -> Base:
    class Mutated(base):
        def spread(self, spec: Spec, state: Any, batches: Any, optimizer: Any) -> Spread:
            spread = super().spread(spec, state, batches, optimizer)
            first = _alone(self, spec, state, batches, optimizer)[0]
            return dataclasses.replace(spread, trained=(first,) * REPLICAS)

    return Mutated


@mutant("S02", module="input_normalizer")
def a_replica_keeps_its_own_statistics(base: Base) -> Base:
    class Mutated(base):
        def spread(self, spec: Spec, state: Any, batches: Any, optimizer: Any) -> Spread:
            spread = super().spread(spec, state, batches, optimizer)
            own = [
                {path: alone[path] if path in ("mean", "variance") else value for path, value in found.items()}
                for found, alone in zip(spread.trained, _alone(self, spec, state, batches, optimizer), strict=True)
            ]
            return dataclasses.replace(spread, trained=tuple(own))

    return Mutated
