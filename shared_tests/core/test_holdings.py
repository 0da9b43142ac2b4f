"""The walk finds arrays wherever they are kept, and runs nothing of the user's."""

from __future__ import annotations

import collections
import dataclasses
import functools
import threading
from typing import Any, NamedTuple

import numpy as np
import pytest

from constate.instruments.holdings import Holding, Walk


class Tensor:
    """The array of a framework that does not exist."""

    def __init__(self, value: float) -> None:
        self.value = value


WALK = Walk(lambda item: isinstance(item, Tensor), lambda item: None, frozenset({"numpy"}))
GLOBAL = Tensor(7)
TABLES = {"sines": [Tensor(8)]}


def found(root: object) -> dict[str, Holding]:
    """The arrays below a root, by path."""
    return {holding.path: holding for holding in WALK.holdings(root) if isinstance(holding.value, Tensor)}


@dataclasses.dataclass(frozen=True)
class Frozen:
    """A helper that cannot be written."""

    table: Tensor


class Pair(NamedTuple):
    """A helper that is a tuple."""

    left: Tensor
    right: Tensor


class Slotted:
    """A helper without a dict."""

    __slots__ = ("empty", "table")

    def __init__(self) -> None:
        self.table = Tensor(13)


class Everything:
    """Arrays in every place that people use."""

    shared = Tensor(0)

    def __init__(self) -> None:
        closed = Tensor(3)
        self.plain = Tensor(1)
        self.nested = {"a": [Tensor(2), (Tensor(4), Tensor(5))]}
        self.function = lambda: closed
        self.partial = functools.partial(max, Tensor(6))
        self.frozen, self.pair, self.slotted = Frozen(Tensor(9)), Pair(Tensor(10), Tensor(11)), Slotted()
        self.queue = collections.deque([Tensor(12)])
        self.itself = self

    def forward(self) -> object:
        return GLOBAL, TABLES


def test_every_place_is_found() -> None:
    paths = {holding.value.value: path for path, holding in found(Everything()).items()}
    assert paths.keys() == set(range(14))
    assert paths[1] == "plain" and paths[2] == "nested['a'][0]" and paths[4] == "nested['a'][1][0]"
    assert paths[3].endswith("closed") and paths[7].endswith("GLOBAL") and "TABLES" in paths[8]


def test_what_classes_and_globals_hold_is_said_to_be_shared() -> None:
    shared = {holding.value.value for holding in found(Everything()).values() if holding.shared}
    assert shared == {0, 3, 7, 8}


def test_a_value_can_be_put_in_its_place() -> None:
    root = Everything()
    for holding in found(root).values():
        if holding.path.startswith(("plain", "nested", "frozen", "slotted", "queue")):
            holding.put(Tensor(holding.value.value + 100))
    assert root.plain.value == 101 and root.frozen.table.value == 109 and root.slotted.table.value == 113
    assert [t.value for t in root.nested["a"][1]] == [104, 105], "both elements of one tuple"
    assert root.queue[0].value == 112


def test_globals_are_put_back_by_whoever_puts() -> None:
    (holding,) = (h for h in found(Everything()).values() if h.value is GLOBAL)
    try:
        holding.put(Tensor(70))
        assert Everything().forward()[0].value == 70  # type: ignore[index]
    finally:
        holding.put(holding.value)
    assert GLOBAL.value == 7


class Hostile:
    """Nothing here may be run."""

    def __init__(self) -> None:
        self.kept = Tensor(1)
        self.ran: list[str] = []
        self.lock, self.generator = threading.Lock(), (n for n in range(3))
        self.handle = threading.local()
        self.cycle: Any = {"back": self}

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"asked for {name}")

    @property
    def counter(self) -> int:
        self.ran.append("counter")
        raise RuntimeError("a property that raises")

    def __iter__(self) -> Any:
        raise RuntimeError("iterated")

    def __len__(self) -> int:
        raise RuntimeError("measured")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compared")

    def __hash__(self) -> int:
        raise RuntimeError("hashed")

    def __bool__(self) -> bool:
        raise RuntimeError("tested")


def test_nothing_of_the_users_runs() -> None:
    root = Hostile()
    assert list(found(root)) == ["kept"]
    assert not root.ran
    assert next(root.generator) == 0


def test_numbers_numpy_arrays_and_containers_are_found_too() -> None:
    root = Everything()
    root.count, root.table = 3, np.zeros(2)  # type: ignore[attr-defined]
    paths = {holding.path for holding in WALK.holdings(root)}
    assert {"count", "table", "nested", "queue", "nested['a']"} <= paths


@pytest.mark.parametrize("depth", [3000])
def test_a_deep_chain_is_walked(depth: int) -> None:
    root: list[Any] = [Tensor(1)]
    for _ in range(depth):
        root = [root]
    assert len(found(root)) == 1
