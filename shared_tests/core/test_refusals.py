"""The refusals that all backends share say what was found and what was expected."""

from __future__ import annotations

import pytest

from constate.errors import Refused
from constate.refusals import matching, require_array, require_entry, require_form

PATHS = ["rope/inv_freq", "inv_freq", "kernel"]


def test_patterns_match_paths_across_levels() -> None:
    assert matching(["*/inv_freq"], PATHS) == {"rope/inv_freq"}
    assert matching(["*inv_freq", "kernel"], PATHS) == set(PATHS)
    assert matching([], PATHS) == set()


def test_a_pattern_that_matches_nothing() -> None:
    with pytest.raises(Refused, match=r"keep: 'Kernel' matches no entry; found rope/inv_freq, inv_freq, kernel"):
        matching(["kernel", "Kernel"], PATHS)


def test_an_entry_that_is_not_there() -> None:
    require_entry("kernel", PATHS)
    with pytest.raises(Refused, match=r"'kernal' is no entry; did you mean 'kernel'\?; nothing was changed"):
        require_entry("kernal", PATHS)


def test_a_value_that_is_no_array() -> None:
    require_array("kernel", 3, int)
    with pytest.raises(Refused, match="kernel: found str, expected an array; nothing was changed"):
        require_array("kernel", "text", (int, float))


@pytest.mark.parametrize("found", [((4,), "float32"), ((3,), "float16"), ((), "float32")])
def test_another_shape_or_dtype(found: tuple[tuple[int, ...], str]) -> None:
    require_form("kernel", ([3], "float32"), ((3,), "float32"))
    with pytest.raises(Refused, match=r"kernel: found float\d\d\[\d?\], expected float32\[3\]; nothing was changed"):
        require_form("kernel", found, ((3,), "float32"))
