"""Entries that have got other names since they were saved."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from constate.checkpoint import CheckpointError, renamed

ARRAYS = {name: np.zeros(number) for number, name in enumerate(["a/w", "a/b", "ab/w", "c"], 1)}


def test_names_and_levels(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "constate"):
        found = renamed("m", ARRAYS, {"a/": "x/y/", "a/b": "bias", "c": "c"})
    assert {name: array.size for name, array in found.items()} == {"x/y/w": 1, "bias": 2, "ab/w": 3, "c": 4}
    assert [record.getMessage() for record in caplog.records] == ["m: a/w is read as x/y/w", "m: a/b is read as bias"]
    assert renamed("m", ARRAYS, {}) == ARRAYS
    assert list(renamed("m", ARRAYS, {"": "root/"})) == [f"root/{name}" for name in ARRAYS]
    assert list(renamed("m", ARRAYS, {"a/": ""})) == ["w", "b", "ab/w", "c"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"a/w": "c"}, "another entry has the name c already"),
        ({"a": "x"}, "m: a: found no entry of this name to rename"),
        ({"d/": "x/"}, "m: d/: found no entry of this name to rename"),
    ],
)
def test_what_cannot_be(names: dict[str, str], said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        renamed("m", ARRAYS, names)
