"""The instruments: all in memory, and no devices."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import numpy as np

from constate.errors import Unsupported
from constate.instruments import Held, Instruments
from fake_framework.module import Module, Variable


class Fake(Instruments):
    backend = "fake"
    requires = ("fake-backend",)
    internals: ClassVar = frozenset()
    fixes: ClassVar = {
        "P01": "self.state['{name}'] = Variable(...)  # listed",
        "P07": "def __deepcopy__(self, memo):\n    ...",
    }

    @classmethod
    def owns(cls, made: object) -> bool:
        return isinstance(made, Module)

    def build(self, seed: int) -> Module:
        np.random.seed(seed)
        return self.factory()

    def entries(self, handle: Module) -> dict[str, Held]:
        return {
            path: Held(path, v.value.shape, "float32", "cpu", True, True, id(v), type(handle), path)
            for path, v in handle.state.items()
        }

    def listing(self, handle: Module) -> list[str]:
        return list(handle.state)

    def read(self, handle: Module, path: str) -> np.ndarray:
        return handle.state[path].value.copy()

    def write(self, handle: Module, path: str, value: np.ndarray) -> Module:
        handle.state[path].value[...] = value
        return handle

    def is_array(self, item: object) -> bool:
        return isinstance(item, Variable)

    is_variable = is_array

    def value(self, item: Variable) -> np.ndarray:
        return item.value.copy()

    def address(self, item: Variable) -> int:
        return id(item)

    def device(self, item: Variable) -> str:
        return "cpu"

    def run(self, handle: Module, call: Any, *, training: bool = False, seed: int = 0) -> Any:
        return {"": np.asarray(handle(*call.args, **call.kwargs))}, handle

    def train(self, handle: Module, calls: Any, optimizer: str, scope: str = "trainable", seed: int = 0) -> Module:
        for call in calls:
            self.run(handle, call, training=True)
        return handle

    def literals(self, handle: Module, call: Any) -> list[Any]:
        return []

    def save(self, handle: Module) -> dict[str, np.ndarray]:
        return {path: self.read(handle, path) for path in handle.state}

    def load(self, handle: Module, saved: dict[str, np.ndarray]) -> Module:
        for path, value in saved.items():
            self.write(handle, path, value)
        return handle

    def copies(self) -> tuple[str, ...]:
        return ("deepcopy",)

    def copy(self, handle: Module, how: str) -> Module:
        return copy.deepcopy(handle)

    def devices(self) -> tuple[str, ...]:
        return ()

    def move(self, handle: Module, device: str) -> Module:
        raise Unsupported("there is one device")

    def moved(self, item: Any, device: str) -> Any:
        raise Unsupported("there is one device")

    def cast(self, handle: Module, dtype: str) -> Module:
        raise Unsupported("there is one dtype")
