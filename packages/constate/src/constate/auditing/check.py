"""``constate.check``: the laws on a user's own module."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from constate.auditing.audit import LARGE, Audit
from constate.auditing.finding import Finding, Severity
from constate.auditing.hazards import HAZARDS, get_hazard
from constate.auditing.recognising import recognise
from constate.auditing.report import Outcome, Report
from constate.errors import Unsupported, UsageError, first_line
from constate.instruments import Instruments
from constate.instruments.inputs import as_inputs
from constate.laws import NotApplicable, Untested
from constate.verdicts import Verdict


def check(
    factory: Callable[[], Any],
    inputs: Any = None,
    laws: Iterable[str] | None = None,
    expected: Mapping[str, str] | None = None,
    *,
    target: str | None = None,
    distributed: bool = False,
) -> Report:
    """Run the laws on a module of any framework, found by its type.

    Args:
        factory: takes nothing and makes a new module each time: a class, a ``functools.partial``, a function.
        inputs: what the module is called with: a sequence of descriptions (``"f32[8,16]"``, ``"i64[8]<1000"`` for
            integers below 1000), arrays and other values; a mapping of keyword arguments; or a pair of both. Left out:
            what the framework knows; without any, the laws that need a pass are ``untested``.
        laws: codes such as ``"P11"``, or chapters such as ``"P"``; all by default, without those that start processes.
        expected: by code, the reason why a law is broken on purpose.
        target: what to call the module in the report.
        distributed: also the laws that start two processes, S01 and S02.

    Raises:
        UsageError: the factory fails or makes something else than a module, a description cannot be read, a code is
            unknown.
    """
    codes = chosen(laws, distributed)
    reasons = {get_hazard(code).code: reason for code, reason in (expected or {}).items()}
    codes = list(dict.fromkeys([*codes, *reasons]))
    audit = prepare(factory, inputs, distributed=distributed)
    outcomes = tuple(run_hazard(audit, code) for code in codes)
    return Report(target or name_of(factory), audit.instruments.backend, outcomes, reasons, versions(audit.instruments))


def chosen(laws: Iterable[str] | None, distributed: bool = False) -> list[str]:
    """The codes that are meant: all, or those of codes and chapters. Raises ``UsageError`` for an unknown one."""
    if laws is None:
        return [code for code, hazard in HAZARDS.items() if distributed or not hazard.alone]
    found = []
    for text in [laws] if isinstance(laws, str) else laws:
        chapter = [code for code in HAZARDS if code[0] == text.upper()]
        found += chapter or [get_hazard(text).code]
    return list(dict.fromkeys(found))


def prepare(factory: Callable[[], Any], inputs: Any = None, *, distributed: bool = False) -> Audit:
    """An audit of what a factory makes. Raises ``UsageError`` as ``check`` does."""
    try:
        kind, made = recognise(factory)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"the factory fails: {place_of(error)}; it is called without arguments") from error
    instruments: Instruments = kind(factory)
    if inputs is not None:
        instruments.inputs = as_inputs(
            inputs, lambda item: instruments.value(item) if instruments.is_array(item) else None
        )
    else:
        instruments.inputs = instruments.infer_inputs(made)
    del made
    return Audit(instruments, distributed, abstractly=_is_large(instruments))


def _is_large(instruments: Instruments) -> bool:
    try:
        entries = instruments.entries(instruments.abstract(0))
    except Exception:  # no such build, or a constructor that needs values: the ordinary build will show
        return False
    return sum(held.nbytes for held in entries.values()) > LARGE


def run_hazard(audit: Audit, code: str) -> Outcome:
    """Try one law. Whatever happens, the answer is an outcome."""
    hazard = get_hazard(code)
    found: list[Finding] = []
    begun = time.perf_counter()
    try:
        if hazard.values:
            audit.require_values()
        with audit.instruments.at_work():
            found.extend(hazard.search(audit))  # what was found before the search ends is kept, however it ends
        verdict, reason = Verdict.HOLDS, ""
    except NotApplicable as absent:
        verdict, reason = Verdict.NOT_APPLICABLE, str(absent)
    except Unsupported as absent:
        verdict, reason = Verdict.NOT_APPLICABLE, absent.reason
    except Untested as untried:
        verdict, reason = Verdict.UNTESTED, str(untried)
    except Exception as error:  # the module's own, or the framework's: the law could not be carried through
        verdict, reason = Verdict.UNTESTED, place_of(error)
    if any(finding.severity is not Severity.INFO for finding in found):
        verdict = Verdict.BROKEN
    return Outcome(code, verdict, reason, tuple(dict.fromkeys(found)), time.perf_counter() - begun)


def place_of(error: BaseException) -> str:
    """What an exception says, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{first_line(error)}{where}"


def name_of(factory: Callable[[], Any]) -> str:
    """What to call a factory."""
    inner = getattr(factory, "func", factory)
    return str(getattr(inner, "__qualname__", type(inner).__qualname__))


def versions(instruments: Instruments) -> dict[str, str]:
    """The versions of what the audit ran on."""
    return dict(_versions(instruments.requires))


def _versions(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
