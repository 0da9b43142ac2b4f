"""The tensorflow backend in both flavours: TensorFlow as it is, and with the verbs of this package in their places."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

# TensorFlow reads these when it is imported. Without oneDNN, sums have the same order on every processor.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import tensorflow as tf

from constate import checkpoint
from constate.backend import Backend, Spec
from constate.state import Array, Kind
from constate_tensorflow import verbs
from constate_tensorflow.native import Native


class Right(Native):
    """TensorFlow with the verbs that it gets wrong put right."""

    flavour = "constate"

    def abstract(self, spec: Spec) -> tf.Module:
        return verbs.abstract(lambda: self.build(spec))

    def materialise(self, handle: tf.Module, spec: Spec) -> tf.Module:
        return verbs.allocate(handle)

    def apply(self, optimizer: Any, gradients_and_variables: Iterable[tuple[Any, Any]]) -> None:
        verbs.apply_gradients(optimizer, gradients_and_variables)

    def formats(self) -> dict[str, str]:
        return {"constate": ".safetensors"}

    @property
    def exchange_format(self) -> str | None:
        return "constate"

    def save(self, handle: tf.Module, path: Path, format: str) -> None:
        verbs.save(handle, path)

    def load(self, handle: tf.Module, path: Path, format: str, spec: Spec | None = None) -> tf.Module:
        verbs.load(handle, path, build=spec.factory if spec else None)
        return handle

    def stored(self, path: Path, format: str) -> list[Array]:
        return list(checkpoint.read(path)[0].values())

    def copies(self) -> tuple[str, ...]:
        return ("copy", "pickle")

    def copy(self, handle: tf.Module, how: str) -> tf.Module:
        return verbs.copy(handle) if how == "copy" else super().copy(handle, how)

    def move(self, handle: tf.Module, device: str, spec: Spec) -> tf.Module:
        return verbs.move(handle, device)

    def cast(self, handle: tf.Module, dtype: str, spec: Spec, *, keep: Sequence[str] = ()) -> tf.Module:
        return verbs.cast(handle, tf.as_dtype(dtype), keep=keep)

    def register(
        self, handle: tf.Module, name: Any, value: Array, *, kind: Kind = Kind.CONSTANT, replace: bool = False
    ) -> tf.Module:
        verbs.register(handle, name, self.entry(str(name), value, kind), replace=replace)
        return handle

    def assign(self, handle: tf.Module, path: str, value: Any) -> tf.Module:
        verbs.assign(handle, path, value)
        return handle


FLAVOURS: dict[str, type[Backend]] = {"native": Native, "constate": Right}
