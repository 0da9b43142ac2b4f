"""Strictness by kind: what may be missing from a file, and what may not."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from constate.checkpoint import CheckpointError, Policy, check, fitting, save
from constate.errors import UsageError
from constate.state import Kind

EXPECTED = dict.fromkeys(("w", "mask", "keys", "odd"), ((2,), "float32"))
KINDS = {"w": Kind.PARAMETER, "mask": Kind.DERIVED, "keys": Kind.CACHE, "odd": None}
MODULE = {name: Policy(kind) for name, kind in KINDS.items()}
ARRAYS = {name: np.zeros(2, np.float32) for name in EXPECTED}


def without(*names: str) -> dict[str, np.ndarray]:
    return {name: array for name, array in ARRAYS.items() if name not in names}


def test_by_default_nothing_may_be_missing() -> None:
    for name in EXPECTED:
        with pytest.raises(CheckpointError, match=rf"{name}: missing from the file, expected float32\[2\]$"):
            check(Path("f"), without(name), EXPECTED, kinds=KINDS)


def test_entries_of_the_kinds_that_are_named_may_be_missing_and_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "constate"):
        check(Path("f"), without("mask", "keys"), EXPECTED, missing=("derived", "cache"), kinds=KINDS)
    assert [record.getMessage() for record in caplog.records] == [
        "f: mask is missing, which a derived may be; the module keeps its own",
        "f: keys is missing, which a cache may be; the module keeps its own",
    ]
    check(Path("f"), without("keys"), EXPECTED, missing=[Kind.CACHE], kinds=KINDS)
    check(Path("f"), without("keys"), EXPECTED, missing="cache", kinds=KINDS)


def test_nothing_else_may(caplog: pytest.LogCaptureFixture) -> None:
    found = without("w", "mask", "keys", "odd") | {"keys": np.zeros(3, np.float32), "new": np.zeros(1)}
    with caplog.at_level(logging.INFO, "constate"), pytest.raises(CheckpointError) as refused:
        check(Path("f"), found, EXPECTED, missing=("derived", "cache"), kinds=KINDS)
    only = ", and only cache or derived may be missing"
    assert [line.strip() for line in str(refused.value).splitlines()] == [
        "f was refused and nothing was changed:",
        f"w: missing from the file, expected float32[2]; its kind is parameter{only}",
        f"odd: missing from the file, expected float32[2]; its kind is not known{only}",
        "keys: found shape [3], expected shape [2]",
        "new: found float64[1], not expected: the module has no such entry",
    ]
    assert not caplog.records, "nothing is missing from a file that is refused"


@pytest.mark.parametrize("missing", [("cahce",), "buffer", ["derived", ""]])
def test_a_kind_that_there_is_not_is_refused_in_one_line(tmp_path: Path, missing: list[str]) -> None:
    with pytest.raises(UsageError, match="missing: found the kind '") as refused:
        check(Path("f"), ARRAYS, EXPECTED, missing=missing, kinds=KINDS)
    assert "\n" not in str(refused.value)
    with pytest.raises(UsageError):
        fitting(tmp_path / "nowhere", EXPECTED, entries=MODULE, missing=missing)


def test_the_file_says_the_kind_where_the_module_does_not_know_it(tmp_path: Path) -> None:
    said = {"odd": Policy(Kind.CACHE, persistent=False), "mask": Policy(Kind.CACHE, persistent=False)}
    save(tmp_path / "s", without("odd"), entries={"odd": said["odd"]})
    found = fitting(tmp_path / "s", EXPECTED, entries=MODULE, missing=("cache",))
    assert found.keys() == {"w", "mask", "keys"}
    save(tmp_path / "s", without("odd", "mask"), entries=said)
    with pytest.raises(CheckpointError, match=r"mask: missing .* its kind is derived, and only cache may be missing"):
        fitting(tmp_path / "s", EXPECTED, entries=MODULE, missing=("cache",))
    save(tmp_path / "s", without("odd"))
    with pytest.raises(CheckpointError, match=r"odd: missing .* its kind is not known"):
        fitting(tmp_path / "s", EXPECTED, entries=MODULE, missing=("cache",))


def test_the_file_says_it_by_the_old_name(tmp_path: Path) -> None:
    arrays = {f"old/{name}": array for name, array in without("odd").items()}
    save(tmp_path / "s", arrays, entries={"old/odd": Policy(Kind.CACHE, persistent=False)})
    found = fitting(tmp_path / "s", EXPECTED, entries=MODULE, missing=("cache",), names={"old/": ""})
    assert found.keys() == {"w", "mask", "keys"}
