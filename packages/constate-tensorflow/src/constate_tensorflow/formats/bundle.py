"""A checkpoint of TensorFlow: an index, the files beside it, and names that the object graph gives."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import trackable_object_graph_pb2

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form, Reader
from constate.errors import Unsupported
from constate.state import Array
from constate_tensorflow.formats.table import Index

GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
VALUE = "VARIABLE_VALUE"
COUNTER = f"save_counter/.ATTRIBUTES/{VALUE}"
"""How often ``tf.train.Checkpoint`` has saved: its own, and no state of the model."""
LONGEST = 200
ROOM = 1 << 20

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "int4", "uint4",
    "float16", "float32", "float64", "bfloat16", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2",
    "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e4m3b11fnuz",
)  # fmt: skip
"""The dtypes of TensorFlow that are plain numbers, by their names in NumPy and ``ml_dtypes``."""


def shown(value: Any) -> str:
    """A value in at most 200 characters."""
    return (value if isinstance(value, str) else repr(value))[:LONGEST]


class BundleReader(Reader):
    """The files of a prefix. Only the index and the object graph are read until an entry is asked for."""

    def __init__(self, path: Path, prefix: Path) -> None:
        super().__init__(path)
        try:
            self._index = Index(prefix)
            self._file = tf.train.load_checkpoint(str(prefix))
            shapes = self._file.get_variable_to_shape_map()
            self._dtypes = self._file.get_variable_to_dtype_map()
        except OSError as error:
            raise CheckpointError(f"cannot read {prefix}.index: {error.strerror}") from error
        except (tf.errors.OpError, ValueError, TypeError, RuntimeError) as error:
            raise self._refused("", error) from error
        self._graph = self._texts(GRAPH)[0] if self._dtypes.get(GRAPH) == tf.string else b""
        valued = _valued(f"{path}", self._graph)
        limit = ROOM + 64 * Path(self._index.where).stat().st_size
        self._keys: dict[str, str] = {}
        self._forms: dict[str, Form] = {}
        self._others: list[str] = []
        for key in sorted(shapes):
            dtype = self._dtypes[key].name
            if dtype not in DTYPES or (key == COUNTER and key in valued):
                self._others.append(key)
                continue
            name = _canonical(key) if key in valued else key
            limit -= len(name)
            if not name.strip("/") or name in self._keys or limit < 0:
                raise CheckpointError(f"{path}: {shown(key)}: would be named {shown(name)!r}, which is empty, another "
                                      "entry's name, or longer than the index could hold")  # fmt: skip
            self._keys[name] = key
            self._forms[name] = Form(tuple(shapes[key]), dtype)

    def entries(self) -> Mapping[str, Form]:
        return self._forms

    def read(self, name: str) -> Array:
        if name not in self._keys:
            raise CheckpointError(f"{self.path}: {name}: there is no such entry")
        form, found = self._forms[name], np.asarray(self._tensor(self._keys[name], name))
        if (found.shape, str(found.dtype)) != form:
            raise CheckpointError(f"{self.path}: {name}: found {found.dtype}{list(found.shape)}, expected {form}")
        return found

    def _tensor(self, key: str, name: str) -> Any:
        try:
            return self._file.get_tensor(key)
        except (tf.errors.OpError, ValueError, RuntimeError) as error:
            raise self._refused(name, error) from error

    def _texts(self, key: str) -> list[bytes]:
        """What a tensor of texts holds."""
        self._index.check_texts(key.encode())
        found = np.asarray(self._tensor(key, key), object).reshape(-1).tolist()
        return [item if isinstance(item, bytes) else str(item).encode() for item in found]

    def _refused(self, name: str, error: Exception) -> CheckpointError:
        said = shown(" ".join(str(error).split()))
        return CheckpointError(f"{self.path}: {f'{shown(name)}: ' if name else ''}cannot be read: {said}")

    def metadata(self) -> Mapping[str, str]:
        """What is in the files and no array, by its path."""
        found: dict[str, str] = {}
        for key in self._others:
            if key == COUNTER:
                found["save_counter"] = shown(str(self._tensor(key, key)))
            elif self._dtypes[key] == tf.string:
                texts = self._texts(key)
                found[key] = shown(texts[0] if len(texts) == 1 else texts)
            else:
                found[key] = self._dtypes[key].name
        return found

    def verify(self) -> Iterator[tuple[str, str]]:
        """The CRC-32C of every tensor and of every block of the index that has a meaning."""
        damaged, unseen = False, []
        for name, key in {**self._keys, **{key: key for key in self._others}}.items():
            try:
                if self._dtypes[key] == tf.string:
                    self._texts(key)
                elif self._dtypes[key].name in DTYPES:
                    self._tensor(key, name)
                else:
                    unseen.append(key)
            except CheckpointError as error:
                damaged = True
                yield name, str(error).removeprefix(f"{self.path}: {shown(name)}: ")
        if unseen and not damaged:
            raise Unsupported(f"TensorFlow checks {unseen[0]} ({self._dtypes[unseen[0]].name}) only when it restores "
                              "the object; all else is as it was written")  # fmt: skip


def _valued(where: str, graph: bytes) -> set[str]:
    """The keys of variables that the object graph names."""
    try:
        found = trackable_object_graph_pb2.TrackableObjectGraph.FromString(graph)
    except DecodeError as error:
        raise CheckpointError(f"{where}: {GRAPH}: cannot be read: {error}") from error
    return {
        attribute.checkpoint_key
        for node in found.nodes
        for attribute in node.attributes
        if attribute.name == VALUE and attribute.checkpoint_key.endswith(f"/.ATTRIBUTES/{VALUE}")
    }


def _canonical(key: str) -> str:
    """The path of a variable. Within a level TensorFlow writes ``.S`` for a slash and two dots for one."""
    return re.sub(r"\.([.S])", lambda found: {".": ".", "S": "/"}[found[1]], key.rpartition("/.ATTRIBUTES/")[0])


def escaped(level: str) -> str:
    """A level of a name as it stands in a key."""
    return level.replace(".", "..")
