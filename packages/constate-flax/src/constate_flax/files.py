"""The file formats of Flax's users, each by its documented calls.

A *tree* is what the format takes: any pytree for ``orbax``, nested dictionaries of arrays for ``msgpack`` and
``safetensors``.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import safetensors
import safetensors.flax
from flax import serialization, traverse_util

from constate.checkpoint.layout import DTYPES
from constate.state import Array, dtype_named
from constate_flax.arrays import to_numpy

FORMATS = {"msgpack": ".msgpack", "orbax": "", "safetensors": ".safetensors"}
"""The formats and the suffix that each wants. An Orbax checkpoint is a folder."""


@functools.cache
def checkpointer() -> ocp.StandardCheckpointer:
    """One for the process: closing it while a failed save winds down prints a second error from a thread."""
    return ocp.StandardCheckpointer()


def save_tree(tree: Any, path: Path, format: str) -> None:
    """Write a tree.

    - msgpack: https://flax.readthedocs.io/en/latest/api_reference/flax.serialization.html
    - orbax: https://flax.readthedocs.io/en/latest/guides/checkpointing.html
    - safetensors: https://huggingface.co/docs/safetensors/api/flax
    """
    if format == "msgpack":
        path.write_bytes(serialization.to_bytes(tree))
    elif format == "orbax":
        checkpointer().save(path.absolute(), tree)
        checkpointer().wait_until_finished()
    else:
        safetensors.flax.save_file(traverse_util.flatten_dict(tree, sep="/"), path)


def load_tree(target: Any, path: Path, format: str) -> Any:
    """Read a tree of the structure of ``target``, with the checks that the format makes or does not make."""
    if format == "msgpack":
        return serialization.from_bytes(target, path.read_bytes())
    if format == "orbax":
        return checkpointer().restore(path.absolute(), target)
    return traverse_util.unflatten_dict(safetensors.flax.load_file(path), sep="/")


def stored_in(path: Path, format: str) -> list[Array]:
    """Every array in a file, bit for bit, without a module."""
    if format == "msgpack":
        return [to_numpy(leaf) for leaf in jax.tree.leaves(serialization.msgpack_restore(path.read_bytes()))]
    if format == "orbax":
        with jax.enable_x64(True):
            return [to_numpy(leaf) for leaf in jax.tree.leaves(checkpointer().restore(path.absolute()))]
    # The format's own readers know no float8 (safetensors.numpy) or halve 64-bit types (safetensors.flax).
    return [
        np.frombuffer(found["data"], dtype_named(DTYPES[found["dtype"]])).reshape(found["shape"])
        for _, found in safetensors.deserialize(path.read_bytes())
    ]
