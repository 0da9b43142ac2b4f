"""The committed verdicts cover what there is, and nothing that there is not."""

from __future__ import annotations

import verdict_files

from constate.backend import FLAVOURS, get_backend, package_folder
from constate.catalog import CATALOG
from constate.checking import formats_of
from constate.laws import LAWS
from constate.verdicts import Cell, Verdict, load_reasons


def test_every_row_names_a_cell_and_every_cell_has_a_row(backend_name: str) -> None:
    """No committed verdict is stale, and none is missing."""
    cells = {
        (backend.flavour, module, code, format)
        for backend in (get_backend(backend_name, flavour) for flavour in FLAVOURS)
        for module in CATALOG
        for code, law in LAWS.items()
        for format in formats_of(law, backend)
    }
    assert verdict_files.read(backend_name).keys() == cells


def test_every_reason_is_used(backend_name: str) -> None:
    """A reason that covers no broken or limited cell is stale."""
    bad = {Verdict.BROKEN.value, Verdict.LIMITED.value}
    cells = [
        Cell(backend_name, flavour, module, law, format, Verdict(verdict))
        for (flavour, module, law, format), verdict in verdict_files.read(backend_name).items()
        if verdict in bad
    ]
    for reason in load_reasons(package_folder(backend_name)):
        for law in reason.laws:
            used = [cell for cell in cells if cell.law == law and reason.covers(cell)]
            assert used, f"a reason for {law} in flavour {reason.flavour} covers no broken cell: {reason.text}"
            for name in (*reason.modules, *reason.formats):
                assert any(name in (cell.module, cell.format) for cell in used), (
                    f"{law}: {name} is not broken: {reason.text}"
                )


def test_reasons_have_words_and_links(backend_name: str) -> None:
    """A reason says what happens and shows where that can be read."""
    for reason in load_reasons(package_folder(backend_name)):
        assert len(reason.text.split()) > 4, reason
        assert reason.link.startswith("https://"), reason
        assert set(reason.laws) <= LAWS.keys(), reason
        assert reason.flavour in FLAVOURS, reason
