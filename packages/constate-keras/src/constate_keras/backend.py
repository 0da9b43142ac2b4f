"""Keras with the verbs of this package in the places of those that it gets wrong, on any Keras backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from constate import checkpoint
from constate.backend import Scope, Spec
from constate.state import Array, Kind
from constate_keras import verbs
from constate_keras.native import Native, as_model
from constate_keras.walk import persistent


class Right(Native):
    """Keras with the verbs that it gets wrong put right."""

    flavour = "constate"

    def _build(self, spec: Spec) -> Callable[[], keras.Model]:
        return lambda: as_model(spec.factory(), spec.inputs)

    def abstract(self, spec: Spec) -> keras.Model:
        return verbs.abstract(self._build(spec))

    def materialise(self, handle: keras.Model, spec: Spec) -> keras.Model:
        return verbs.allocate(handle)

    def saved(self, handle: keras.Model) -> list[keras.Variable]:
        return list(persistent(handle).values())

    def listing(self, handle: keras.Model) -> list[str]:
        return list(persistent(handle))

    def optimized(self, handle: keras.Model, scope: Scope) -> list[keras.Variable]:
        return verbs.trainable(super().optimized(handle, scope))

    def formats(self) -> dict[str, str]:
        return {"constate": ".safetensors"}

    @property
    def exchange_format(self) -> str | None:
        return "constate"

    def save(self, handle: keras.Model, path: Path, format: str) -> None:
        verbs.save(handle, path)

    def load(self, handle: keras.Model, path: Path, format: str, spec: Spec | None = None) -> keras.Model:
        verbs.load(handle, path, build=self._build(spec) if spec else None)
        return handle

    def stored(self, path: Path, format: str) -> list[Array]:
        return list(checkpoint.read(path)[0].values())

    def register(
        self, handle: keras.Model, name: Any, value: Array, *, kind: Kind = Kind.CONSTANT, replace: bool = False
    ) -> keras.Model:
        trainable, persistent = kind is Kind.PARAMETER, kind is not Kind.DERIVED
        return verbs.register(handle, name, value, trainable=trainable, persistent=persistent, replace=replace)

    def assign(self, handle: keras.Model, path: str, value: Any) -> keras.Model:
        verbs.assign(handle, path, value)
        return handle
