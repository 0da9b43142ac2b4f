"""Laws on subjects: what running them finds."""

from __future__ import annotations

import shutil
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from constate.backend import Backend, package_folder
from constate.catalog import get_reference
from constate.errors import Broken, Unsupported, first_line
from constate.laws import LAWS, Law, NotApplicable, Untested, get_law
from constate.subject import Subject
from constate.verdicts import Cell, Verdict, load_reasons, settle


def formats_of(law: Law, backend: Backend) -> tuple[str | None, ...]:
    """The formats in which a law runs: each of the backend's, or once without one."""
    return tuple(backend.formats()) if law.per_format else (None,)


def run_cell(
    backend: Backend,
    module: str,
    code: str,
    format: str | None = None,
    exchange: Path | None = None,
    device: str | None = None,
    scratch: str | None = None,
) -> Cell:
    """Run one law on one module. Whatever happens, the answer is a cell. What the law writes goes below ``scratch``."""
    law = get_law(code)
    folder = Path(tempfile.mkdtemp(prefix="constate-", dir=scratch))
    subject = Subject(backend, get_reference(module), folder, format, exchange, device)
    verdict, reason, link, found, expected = Verdict.HOLDS, "", "", "", ""
    begun = time.perf_counter()
    try:
        found = law.check(subject)
    except Broken as broken:
        verdict, found, expected = Verdict.BROKEN, broken.found, broken.expected
        reason = f"found {found}"
    except NotApplicable as absent:
        verdict, reason, link = Verdict.NOT_APPLICABLE, str(absent), subject.reference.link
    except Unsupported as absent:
        verdict, reason, link = Verdict.NOT_APPLICABLE, absent.reason, absent.link
    except Untested as untried:
        verdict, reason = Verdict.UNTESTED, str(untried)
    except Exception as error:  # not a finding: the law could not be carried through
        where = traceback.extract_tb(error.__traceback__)[-1]
        verdict, reason = Verdict.UNTESTED, f"{first_line(error)} ({Path(where.filename).name}:{where.lineno})"
    finally:
        seconds = time.perf_counter() - begun
        shutil.rmtree(folder, ignore_errors=True)
    cell = Cell(backend.name, backend.flavour, module, code, format, verdict, reason, link, found, expected, seconds)
    # Finding the package scans what is installed, which only a broken cell needs.
    return settle(cell, load_reasons(package_folder(backend.name))) if verdict is Verdict.BROKEN else cell


def run_laws(
    backend: Backend, module: str, codes: list[str] | None = None, exchange: Path | None = None
) -> Iterator[Cell]:
    """Run laws on one module, each in each of its formats."""
    for code in codes or LAWS:
        for format in formats_of(get_law(code), backend):
            yield run_cell(backend, module, code, format, exchange)
