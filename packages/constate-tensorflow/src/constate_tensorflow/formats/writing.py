"""A checkpoint of ``tf.train.Checkpoint``, written some arrays at a time and put together at the end.

TensorFlow writes the variables of several machines in the same way: each its own files, then one index for all.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form
from constate.state import Array, describe
from constate_tensorflow.formats.bundle import COUNTER, DTYPES, GRAPH, VALUE, escaped
from constate_tensorflow.formats.table import Index

TOGETHER = 64 << 20
"""Bytes of arrays that go into one file."""
NO_VARIABLES = ("float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e4m3b11fnuz")
"""TensorFlow has tensors of these and no variables."""
ROOT_COUNTER = "save_counter"


def write(path: Path, forms: Mapping[str, Form], arrays: Iterable[tuple[str, Array]]) -> None:
    """Write the files of a prefix: whole or not at all, the index last.

    Raises:
        CheckpointError: a name or a dtype cannot be stored, the arrays are others, or the path cannot be written.
    """
    graph = _graph(path, forms)
    if path.is_dir() or path.name.endswith(".index"):
        raise CheckpointError(f"cannot write {path}: expected a prefix, such as {path.with_suffix('') / 'ckpt'}")
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".constate-{secrets.token_hex(8)}")
    try:
        temporary.mkdir()
        parts = _Parts(temporary)
        missing = dict(forms)
        for name, array in arrays:
            expected = missing.pop(name, None)
            if expected is None or (array.shape, str(array.dtype)) != expected:
                raise CheckpointError(f"cannot write {path}: {name}: found {describe(array)}, expected {expected}")
            parts.make_room()
            parts.add(_key(name), tf.constant(array))
        if missing:
            raise CheckpointError(f"cannot write {path}: {min(missing)}: the source did not give it")
        if ROOT_COUNTER not in forms:
            parts.add(COUNTER, tf.constant(1, tf.int64))
        if parts.count == _count(path):  # so that no file has the name of one that is there
            parts.flush()
        parts.add(GRAPH, tf.constant(graph))
        _put(parts.merged(path.name), path)
    except OSError as error:
        raise CheckpointError(f"cannot write {path}: {error.strerror}; choose a folder that exists, is writable and "
                              "has room") from error  # fmt: skip
    except tf.errors.OpError as error:
        raise CheckpointError(f"cannot write {path}: {' '.join(str(error).split())[:200]}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _key(name: str) -> str:
    return f"{'/'.join(map(escaped, name.split('/')))}/.ATTRIBUTES/{VALUE}"


def _graph(path: Path, forms: Mapping[str, Form]) -> bytes:
    """The levels as TensorFlow keeps them: what holds what, and where the value of each variable is."""
    stored = [dtype for dtype in DTYPES if dtype not in NO_VARIABLES]
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    graph.nodes.add().has_checkpoint_values.value = True
    nodes: dict[tuple[str, ...], int] = {(): 0}
    names = [*forms, *([] if ROOT_COUNTER in forms else [ROOT_COUNTER])]
    entries = {tuple(name.split("/")) for name in names}
    for name in names:
        if name in forms and forms[name].dtype not in stored:
            raise CheckpointError(f"cannot write {path}: {name}: dtype {forms[name].dtype} cannot be stored; expected "
                                  f"one of: {', '.join(stored)}")  # fmt: skip
        levels = tuple(name.split("/"))
        if not all(levels):
            raise CheckpointError(f"cannot write {path}: {name!r}: an entry of this name cannot be stored")
        for depth in range(1, len(levels) + 1):
            here = levels[:depth]
            if depth < len(levels) and here in entries:
                raise CheckpointError(f"cannot write {path}: {name}: {'/'.join(here)} is an entry and holds entries")
            if here not in nodes:
                nodes[here] = len(graph.nodes)
                graph.nodes[nodes[here[:-1]]].children.add(node_id=nodes[here], local_name=here[-1])
                graph.nodes.add().has_checkpoint_values.value = True
        variable = graph.nodes[nodes[levels]]
        variable.attributes.add(name=VALUE, full_name=name, checkpoint_key=_key(name))
    return bytes(graph.SerializeToString(deterministic=True))


class _Parts:
    """Files of some arrays each."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._prefixes = folder, list[str]()
        self._waiting: dict[str, Any] = {}
        self._size = 0

    @property
    def count(self) -> int:
        """How many files there are with what waits."""
        return len(self._prefixes) + bool(self._waiting)

    def make_room(self) -> None:
        """Write what waits if it is enough for a file."""
        if self._size >= TOGETHER:
            self.flush()

    def add(self, key: str, tensor: Any) -> None:
        """Take a tensor."""
        self._waiting[key] = tensor
        self._size += 0 if tensor.dtype == tf.string else tensor.shape.num_elements() * tensor.dtype.size

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        prefix = str(self._folder / f"part-{len(self._prefixes)}")
        tf.raw_ops.SaveV2(
            prefix=prefix,
            tensor_names=[*self._waiting],
            shape_and_slices=[""] * len(self._waiting),
            tensors=[*self._waiting.values()],
        )
        self._prefixes.append(prefix)
        self._waiting, self._size = {}, 0

    def merged(self, name: str) -> Path:
        """Make one checkpoint of all; its prefix."""
        self.flush()
        prefix = self._folder / name
        tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=self._prefixes, destination_prefix=str(prefix), delete_old_dirs=False
        )
        return prefix


def _files(prefix: Path) -> list[Path]:
    start = f"{prefix.name}.data-"
    return sorted(found for found in prefix.parent.iterdir() if found.name.startswith(start))


def _count(prefix: Path) -> int:
    """How many files a checkpoint that is there has; 0 where there is none that could be read."""
    try:
        return int(Index(prefix).count)
    except (OSError, CheckpointError):
        return 0


def _put(new: Path, path: Path) -> None:
    """Put files in the place of others. The index comes last: until then what was there is whole."""
    old = _files(path) if Path(f"{path}.index").exists() else []
    files, moved = _files(new), list[Path]()
    try:
        for found in [*files, Path(f"{new}.index")]:
            with found.open("rb") as file:
                os.fsync(file.fileno())
            moved.append(found.replace(path.with_name(found.name)))
    except BaseException:
        for found in moved:
            found.unlink(missing_ok=True)
        raise
    for found in old:
        found.unlink(missing_ok=True)
