"""The page of audits in a real browser: modules by law, what is behind a cell, a phone, the keyboard, no network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from core.audits import FIX, RULES, WIDE, audited
from playwright.sync_api import Browser, Page, expect

from constate.auditing.audited import Audited
from constate.reporting.audits.page import Overview, render
from page.browser import SIZES, opened

MACHINE = {"system": "Linux", "cores": "2", "python": "3.11"}


def overview(targets: list[Audited], **rest: dict[str, str]) -> str:
    """The page of some targets."""
    return render(Overview("my_package", targets, RULES, "2026-11-24T06:52:00+00:00", MACHINE, **rest))


@pytest.fixture(params=SIZES, ids=str)
def page(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The report, in a window of a desktop and of a phone."""
    file = tmp_path / "index.html"
    rest = {"unbuilt": {"my_package.a:B": "needs the argument dim"}, "unimported": {"my_package.c": "SyntaxError"}}
    file.write_text(overview(audited(), **rest), encoding="utf-8")
    with opened(browser, file, request.param) as found:
        yield found


def cell(page: Page, name: str) -> str:
    """The class and the text of a cell."""
    found = page.locator("#matrix").get_by_role("button", name=name, exact=True)
    return f"{found.get_attribute('class')} {found.inner_text()}"


def test_the_matrix(page: Page) -> None:
    expect(page.locator("#count")).to_have_text(
        "5 of 5 modules: 1 with findings, 1 not wholly run, 1 clean, 2 could not run"
    )
    assert cell(page, "P01, clean: holds") == "holds ✓"
    assert cell(page, "P11, broken: broken") == "broken 5"
    assert cell(page, "P07, broken: broken, a warning") == "warned 1"
    assert cell(page, "D04, broken: broken, accepted") == "accepted ✓"
    assert cell(page, "N03, broken: not-applicable") == "not-applicable \u2013"
    assert cell(page, "M05, partly: untested") == "untested ?"
    expect(page.locator("td.lost")).to_have_text(["the factory fails: ValueError: no", "pkg has no 'none'"])


def test_the_head_and_what_is_left(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("constate my_package")
    expect(page.locator("#meta")).to_have_text("2026-11-24 06:52 UTC · Linux · 2 cores · Python 3.11")
    page.get_by_text("classes of which none was made: 1").click()
    expect(page.locator("#rest")).to_contain_text("needs the argument dim")
    page.get_by_text("modules that cannot be imported: 1").click()
    expect(page.locator("#rest")).to_contain_text("SyntaxError")


def test_behind_a_cell_stand_findings_and_what_the_law_is(page: Page) -> None:
    page.get_by_role("button", name="P11, broken: broken", exact=True).click()
    panel = page.get_by_role("dialog")
    expect(panel.locator("article")).to_have_count(2)
    for text in ("layers/0/table, layers/1/table", "is wrong, 100 %", "pkg/a: b,c.py:12", FIX, "pkg:broken",
                 RULES["P11"].sentence, RULES["P11"].fine):  # fmt: skip
        expect(panel).to_contain_text(text)
    assert panel.locator("h3 span").all_inner_texts() == ["fail", "info"]
    page.keyboard.press("Escape")
    expect(panel).not_to_be_visible()


def test_behind_a_module_stands_all_of_it(page: Page) -> None:
    page.get_by_role("rowheader", name="broken").get_by_role("button").focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog")
    expect(panel.locator("h2")).to_have_text("pkg:broken")
    assert panel.locator("h3 span").all_inner_texts() == ["warn", "fail", "info", "accepted", "untested"]
    expect(panel).to_contain_text("accepted: on purpose, 1 < 2")
    expect(panel).to_contain_text("needs a pass")
    panel.get_by_role("button", name="Close").click()
    expect(panel).not_to_be_visible()


def test_behind_a_law_stand_all_modules(page: Page) -> None:
    page.get_by_role("button", name="M05", exact=True).click()
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text(RULES["M05"].sentence)
    assert panel.locator("article h3").all_inner_texts() == [
        f"untested\n{name}" for name in ("pkg:broken", "pkg:partly", "pkg:raises", "pkg:none")]  # fmt: skip


def test_names_and_kinds_choose_and_stay_in_the_address(page: Page) -> None:
    page.get_by_role("button", name="could not run 2").click()
    expect(page.locator("#count")).to_contain_text("2 of 5 modules")
    page.get_by_role("searchbox").fill("RAIS")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert page.url.endswith("#show=could+not+run&name=RAIS")
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="could not run 2").click()
    expect(page.locator("tbody tr")).to_have_count(5)


def test_the_page_is_no_wider_than_the_window(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


NASTY = "<img src=x onerror=alert(1)></script><!--&amp;\u2028" + "x" * 3000


@pytest.mark.parametrize("targets", [[], audited()[:1], None], ids=["nothing", "one", "nasty"])
def test_odd_audits(browser: Browser, tmp_path: Path, targets: list[Audited] | None) -> None:
    """Nothing, one target, markup and very long texts: no error, and no wider than a phone."""
    if targets is None:
        found = replace(WIDE, entry=NASTY, message=NASTY, source=NASTY, fix=NASTY)
        base = audited()[1]
        outcomes = tuple(replace(o, findings=(found,) if o.law == "D04" else ()) for o in base.report.outcomes)
        report = replace(base.report, outcomes=outcomes, target=f"pkg:{NASTY}")
        targets = [replace(base, report=report, accepted={}), replace(audited()[3], error=NASTY)]
    (tmp_path / "index.html").write_text(overview(targets), encoding="utf-8")
    with opened(browser, tmp_path / "index.html", "phone") as page:
        expect(page.locator("tbody tr")).to_have_count(len(targets))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for button in page.locator("td button").all():
            button.evaluate("button => button.click()")
            assert page.locator("#panel").evaluate("panel => panel.scrollWidth <= panel.clientWidth")
            page.keyboard.press("Escape")
