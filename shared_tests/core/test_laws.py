"""The contract itself: what a law consists of."""

from __future__ import annotations

import pytest

from constate.laws import CHAPTERS, LAWS, Law

RANGES = {
    "P": [1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 13], "D": [1, 2, 3, 4, 6, 7], "G": [1, 2, 3, 4, 5, 6, 7], "C": [1, 2, 3, 6],
    "N": [1, 2, 3, 4], "M": [1, 2, 3, 4, 5], "S": [1, 2], "X": [1, 2],
}  # fmt: skip
CODES = [f"{chapter}{number:02}" for chapter, numbers in RANGES.items() for number in numbers]


def test_the_laws_are_these_in_this_order() -> None:
    assert list(LAWS) == CODES


@pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.code)
def test_a_law_says_what_it_is(law: Law) -> None:
    assert law.sentence.endswith(".")
    assert law.sentence[0].isupper() or law.sentence[0].isdigit()
    assert law.title
    assert law.level in ("must", "should")
    assert law.chapter in CHAPTERS.values()
    assert all(link.startswith("https://") for link in law.reports)
