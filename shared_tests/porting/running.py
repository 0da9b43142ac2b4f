"""Load a checkpoint and run the module, in plain words of its framework: FRAMEWORK TARGET FILE INPUTS OUTPUTS.

Nothing of what moves weights is used here, nor of what runs modules for it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from constate.state import Array


def in_torch(build: Callable[[], Any], file: Path, inputs: list[Array]) -> Any:
    import torch

    import constate_torch

    module = build()
    if file.suffix == ".pt":
        module.load_state_dict(torch.load(file, weights_only=True))
    else:
        constate_torch.load(module, file)
    module.eval()
    with torch.no_grad():
        return torch.utils._pytree.tree_leaves(module(*map(torch.from_numpy, inputs)))


def in_linen(build: Callable[[], Any], file: Path, inputs: list[Array]) -> Any:
    import flax.serialization
    import jax

    import constate_flax.linen

    module = build()
    variables = jax.jit(module.init)(jax.random.key(3), *inputs)
    if file.suffix == ".msgpack":
        variables = flax.serialization.from_bytes(variables, file.read_bytes())
    else:
        variables = constate_flax.linen.load(variables, file)
    return jax.tree.leaves(jax.jit(module.apply)(variables, *inputs))


def in_nnx(build: Callable[[], Any], file: Path, inputs: list[Array]) -> Any:
    import jax
    from flax import nnx

    import constate_flax.nnx

    module = build()
    constate_flax.nnx.load(module, file)
    module.eval()
    return jax.tree.leaves(nnx.jit(lambda module, inputs: module(*inputs))(module, inputs))


def in_keras(build: Callable[[], Any], file: Path, inputs: list[Array]) -> Any:
    import keras

    import constate_keras

    model = build()
    if file.suffix == ".h5":
        model.load_weights(file)
    else:
        constate_keras.load(model, file)
    return keras.tree.flatten(model(inputs if len(inputs) > 1 else inputs[0], training=False))


RUN = {"torch": in_torch, "linen": in_linen, "nnx": in_nnx, "keras": in_keras}


def main(framework: str, target: str, file: str, taken: str, given: str) -> None:
    module, _, factory = target.partition(":")
    build = getattr(importlib.import_module(module), factory)
    with np.load(taken) as arrays:
        inputs = [arrays[name] for name in arrays.files]
    np.savez(given, *(np.asarray(output) for output in RUN[framework](build, Path(file), inputs)))


if __name__ == "__main__":
    main(*sys.argv[1:])
