"""What a module may be called with, from what its layers say of themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import numpy as np
from flax import nnx

from constate.instruments.inputs import Call, Drawn, Inputs

BATCH = 2


def candidates(made: object) -> Iterator[Inputs]:
    """Inputs to try, those of the first layers first: float arrays, and indices for an embedding."""
    if not isinstance(made, nnx.Module) or not callable(made):
        return
    parameters = list(inspect.signature(type(made).__call__).parameters.values())[1:]
    needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
    if len(needed) != 1:
        return
    layers = [made, *(layer for _, layer in nnx.iter_graph(made) if isinstance(layer, nnx.Module))]
    for layer in layers:
        for form in _forms(layer):
            yield Inputs(Call((form,)))


def _forms(layer: object) -> Iterator[Drawn]:
    if isinstance(layer, nnx.Linear):
        yield Drawn("float32", (BATCH, layer.in_features))
        yield Drawn("float32", (BATCH, 8, layer.in_features))
    elif isinstance(layer, nnx.Embed):
        yield Drawn("int32", (BATCH, 8), float(layer.num_embeddings))
    elif isinstance(layer, nnx.Conv):
        sizes = np.atleast_1d(np.asarray(layer.kernel_size)).size
        yield Drawn("float32", (BATCH, *[16] * sizes, layer.in_features))
    elif isinstance(layer, (nnx.BatchNorm, nnx.LayerNorm, nnx.RMSNorm)):
        yield Drawn("float32", (BATCH, layer.num_features))
