"""The report in a real browser: filters, what is behind a cell, a phone, the keyboard, no network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from constate.laws import LAWS
from constate.reporting.page import render
from constate.reporting.results import Results
from constate.verdicts import Cell, Verdict
from page.browser import SIZES, opened


def results() -> Results:
    """A small report with every verdict in it."""
    cells = []
    for backend in ("torch", "nnx"):
        for flavour in ("native", "constate"):
            for module in ("batch_norm", "rotary_embedding"):
                for code in ("P01", "P05", "G03", "N02"):
                    cells.append(Cell(backend, flavour, module, code, None, Verdict.HOLDS, seconds=0.25))
    cells += [
        Cell("torch", "native", "batch_norm", "P06", "torch.save", Verdict.BROKEN, "no checksum is checked",
             "https://example.org/issue", "31 of 40 flipped bits accepted", "all refused", 1.5),
        Cell("torch", "constate", "batch_norm", "P06", "constate", Verdict.LIMITED, "a limit", "https://example.org/x"),
        Cell("nnx", "native", "batch_norm", "P06", "orbax", Verdict.UNTESTED, "the worker was killed by SIGKILL"),
        Cell("nnx", "native", "batch_norm", "M04", None, Verdict.NOT_APPLICABLE, "the module carries no constant"),
    ]  # fmt: skip
    machine = {"system": "Linux", "cores": "2", "python": "3.11"}
    return Results({"torch": {"torch": "2.13.0"}}, machine, "2026-11-23T08:00:00+00:00", tuple(cells))


@pytest.fixture(params=SIZES, ids=str)
def page(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The report, in a window of a desktop and of a phone."""
    file = tmp_path / "index.html"
    file.write_text(render(results()), encoding="utf-8")
    with opened(browser, file, request.param) as found:
        yield found


def count(page: Page) -> str:
    """The line that counts the cells shown."""
    return page.locator("#count").inner_text()


def choose(page: Page, text: str) -> None:
    """Press one filter."""
    if not page.locator("#filters-box").evaluate("box => box.open"):
        page.locator("#filters-title").click()
    page.locator("#filters").get_by_role("button", name=text, exact=True).click()


def test_the_matrix_and_its_counts(page: Page) -> None:
    assert count(page) == "36 of 36 cells: 32 held of 35 applicable, 1 not run"
    expect(page.get_by_role("button", name="P06, torch, native: 0 of 1 hold")).to_have_text("0/1")
    expect(page.get_by_role("button", name="G03, nnx, constate: 2 of 2 hold")).to_have_class("holds")
    expect(page.get_by_role("button", name="M04, nnx, native: not applicable")).to_have_class("not-applicable")


def test_date_machine_and_versions(page: Page) -> None:
    expect(page.locator("#meta")).to_have_text("2026-11-23 08:00 UTC · Linux · 2 cores · Python 3.11")
    page.get_by_text("Versions").click()
    expect(page.locator("#versions li")).to_have_text(["torch: torch 2.13.0"])


def test_the_page_is_no_wider_than_the_window(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    ("press", "left"),
    [
        (["torch"], "18 of 36 cells"),
        (["native"], "19 of 36 cells"),
        (["Batch normalisation"], "20 of 36 cells"),
        (["Gradients"], "8 of 36 cells"),
        (["broken"], "1 of 36 cells"),
        (["torch", "nnx"], "36 of 36 cells"),
        (["torch", "constate", "Names"], "2 of 36 cells"),
        (["torch", "torch"], "36 of 36 cells"),
    ],
)
def test_filters(page: Page, press: list[str], left: str) -> None:
    for text in press:
        choose(page, text)
    assert count(page).startswith(left)


def test_a_filter_stays_in_the_address(page: Page) -> None:
    choose(page, "broken")
    assert page.url.endswith("#verdict=broken")
    page.reload()
    assert count(page).startswith("1 of 36 cells")


def test_behind_a_cell_stand_reason_evidence_and_sentence(page: Page) -> None:
    page.get_by_role("button", name="P06, torch, native: 0 of 1 hold").click()
    panel = page.get_by_role("dialog")
    for text in (
        LAWS["P06"].sentence, "no checksum is checked", "31 of 40 flipped bits accepted", "all refused",
        "torch · native · batch_norm · torch.save",
        "constate compare batch_norm --backend torch --flavour native --law P06 --format torch.save",
    ):  # fmt: skip
        expect(panel).to_contain_text(text)
    expect(panel.get_by_role("link", name="https://example.org/issue")).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).not_to_be_visible()


def test_what_the_colour_of_a_cell_says_is_said_in_words(page: Page) -> None:
    for name in ("P06, torch, native: 0 of 1 hold, broken", "P06, torch, constate: 0 of 1 hold, limited"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_text("0/1")
    expect(page.get_by_role("button", name="P01, torch, native: 2 of 2 hold", exact=True)).to_have_text("2/2")


NASTY = "<img src=x onerror=alert(1)></script><!--&amp;\u2028"


@pytest.mark.parametrize(
    "cells",
    [
        (),
        (Cell("torch", "native", "batch_norm", "P01", None, Verdict.HOLDS),),
        (
            Cell(
                "torch", "native", "batch_norm", "P06", NASTY, Verdict.BROKEN, NASTY, "javascript:alert(1)", "x" * 5000
            ),
        ),
    ],
    ids=["nothing", "one cell", "nasty"],
)
def test_odd_results(browser: Browser, tmp_path: Path, cells: tuple[Cell, ...]) -> None:
    """Nothing, one backend in one flavour, markup and very long evidence: no error, and no wider than a phone."""
    (tmp_path / "index.html").write_text(render(Results({}, {}, "2026-01-01T00:00:00+00:00", cells)), encoding="utf-8")
    with opened(browser, tmp_path / "index.html", "phone") as page:
        assert count(page).startswith(f"{len(cells)} of {len(cells)} cells")
        if cells:
            page.locator("td button").click()
            assert page.locator("#panel").evaluate("panel => panel.scrollWidth <= panel.clientWidth")
            expect(page.locator("#panel a")).to_have_count(len(LAWS[cells[0].law].reports))


def test_a_law_opens_by_keyboard(page: Page) -> None:
    page.get_by_role("button", name="P06 intact").focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog")
    expect(panel.locator("article")).to_have_count(3)
    assert panel.locator("article span").all_inner_texts() == ["broken", "limited", "untested"]
    panel.get_by_role("button", name="Close").click()
    expect(panel).not_to_be_visible()
