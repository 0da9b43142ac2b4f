"""Arrays are found wherever an object keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from constate.reach import arrays_within


@dataclass
class Box:
    held: object


def test_every_kind_of_hiding_place() -> None:
    array = np.zeros(1)
    own = [array + n for n in range(6)]
    root = Box({"list": [own[0], (own[1],)], "helper": SimpleNamespace(table=own[2]), 3: Box(own[3]), "set": {1}})
    root.later = own[4]  # type: ignore[attr-defined]
    root.again = root  # type: ignore[attr-defined]
    root.function = lambda: own[5]  # type: ignore[attr-defined]
    found = dict(arrays_within(root, lambda item: isinstance(item, np.ndarray)))
    assert {path: float(value[0]) for path, value in found.items()} == {
        "held['list'][0]": 0,
        "held['list'][1][0]": 1,
        "held['helper'].table": 2,
        "held[3].held": 3,
        "later": 4,
    }


def test_an_array_that_is_held_twice_is_found_once() -> None:
    array = np.zeros(1)
    assert len(list(arrays_within([array, {"x": array}], lambda item: item is array))) == 1
