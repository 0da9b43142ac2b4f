"""Audits in a terminal, or in a pipe."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from constate.auditing.audited import Audited
from constate.auditing.finding import Finding, Severity
from constate.auditing.rules import Rule
from constate.verdicts import Verdict

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
STYLES = {Severity.FAIL: "red", Severity.WARN: "yellow", Severity.INFO: "blue"}
ALIKE = 3
"""How many entries of which the same is to be said are named."""
MANY = 20
"""How many lines of one kind an overview has."""


def print_audited(console: Console, audited: Audited, rules: Mapping[str, Rule]) -> None:
    """One target: what held, what was found, what was not run. Lines of 80 columns in a pipe; paths are not broken."""
    if audited.error:
        head = Text.assemble((audited.target, "bold"), " ", ("could not run", "magenta"))
        console.print(head, soft_wrap=True)
        _wrapped(console, audited.error, 2)
        console.print()
        return
    held, applicable, not_run = audited.report.counts
    counts = f"{held} held / {applicable} applicable / {not_run} not run"
    head = Text.assemble((audited.target, "bold"), f" ({audited.report.backend}): {counts}")
    console.print(head, soft_wrap=True, highlight=False)
    for severity in Severity:
        found = [f for f in audited.report.findings if f.severity is severity and f not in audited.accepted]
        if found:
            console.print(Text(f"  {severity}", style=f"bold {STYLES[severity]}"))
            for alike in together(found):
                _print_alike(console, alike, rules)
    if audited.accepted:
        console.print(Text("  accepted", style="bold dim"))
        for finding, reason in audited.accepted.items():
            place = f"  {finding.source}" if finding.source else ""
            _line(console, Text(f"    {finding.law} {finding.entry or 'the module'}{place}: {reason}", style="dim"))
    if not_run:
        console.print(Text("  not run", style="bold magenta"))
        for codes, reason in untested(audited):
            titles = ", ".join(f"{code} {rules[code].title}" if len(codes) == 1 else code for code in codes)
            _line(console, Text.assemble("    ", (titles, "magenta"), f": {reason}"))
    console.print()


def print_summary(console: Console, targets: Sequence[Audited]) -> None:
    """All targets in one line."""
    lost = [target for target in targets if not target.could_run]
    broken = [target for target in targets if target.could_run and target.counting]
    partly = [target for target in targets if target.could_run and not target.counting and target.report.counts[2]]
    clean = len(targets) - len(lost) - len(broken) - len(partly)
    parts = [f"{len(targets)} target{'s' * (len(targets) != 1)}: {clean} clean"]
    if partly:
        parts.append(f"{len(partly)} without findings and not wholly run")
    if broken:
        found = [finding for target in broken for finding in target.counting]
        numbers = [(sum(f.severity is s for f in found), s) for s in (Severity.FAIL, Severity.WARN)]
        parts.append(f"{len(broken)} with findings ({', '.join(f'{n} {s}' for n, s in numbers if n)})")
    if accepted := sum(len(target.accepted) for target in targets):
        parts.append(f"{accepted} accepted")
    if lost:
        parts.append(f"{len(lost)} could not run")
    style = "magenta" if lost else "red" if broken else "yellow" if partly else "green"
    _line(console, Text(", ".join(parts), style=style))


def print_overview(
    console: Console, targets: Sequence[Audited], unbuilt: Mapping[str, str], unimported: Mapping[str, str]
) -> None:
    """Many targets, a line each; what was not made, and what cannot be imported."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("module", overflow="fold")
    for title in ("held", "fail", "warn", "not run"):
        table.add_column(title, justify="right", no_wrap=True)
    for audited in targets:
        if not audited.could_run:
            table.add_row(audited.target, Text("-", style="magenta"), "", "", Text("all", style="magenta"))
            continue
        held, applicable, not_run = audited.report.counts
        numbers = [sum(f.severity is severity for f in audited.counting) for severity in (Severity.FAIL, Severity.WARN)]
        shown = [Text(str(n or ""), style=STYLES[s]) for n, s in zip(numbers, STYLES, strict=False)]
        table.add_row(audited.target, f"{held}/{applicable}", *shown, Text(str(not_run or ""), style="magenta"))
    if targets:
        console.print(table)
    for audited in targets:
        if not audited.could_run:
            _line(console, Text.assemble((audited.target, "magenta"), f" could not run: {audited.why_not}"))
    for rows, title in ((unbuilt, "not made"), (unimported, "cannot be imported")):
        for name, why in list(rows.items())[:MANY]:
            _line(console, Text(f"{name} {title}: {why}", style="dim"))
        if len(rows) > MANY:
            _line(console, Text(f"and {len(rows) - MANY} more {title}", style="dim"))


def together(findings: Iterable[Finding]) -> Iterator[list[Finding]]:
    """Findings of which all is the same but the entry: those of the layers of one model."""
    groups: dict[Finding, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(replace(finding, entry=""), []).append(finding)
    yield from groups.values()


def untested(audited: Audited) -> list[tuple[list[str], str]]:
    """The laws that were not run, those of one reason together."""
    reasons: dict[str, list[str]] = {}
    for outcome in audited.report.outcomes:
        if outcome.verdict is Verdict.UNTESTED:
            reasons.setdefault(outcome.reason, []).append(outcome.law)
    return [(codes, reason) for reason, codes in reasons.items()]


def names(findings: Sequence[Finding]) -> str:
    """The entries that findings are about."""
    found = [finding.entry or "the module" for finding in findings]
    more = f" and {len(found) - ALIKE} more" if len(found) > ALIKE else ""
    return ", ".join(found[:ALIKE]) + more


def _print_alike(console: Console, findings: Sequence[Finding], rules: Mapping[str, Rule]) -> None:
    first = findings[0]
    law = f"{first.law} {rules[first.law].title}"
    head = Text.assemble("    ", (law, STYLES[first.severity]), "  ", (names(findings), "bold"))
    if first.source and console.width >= len(head) + 2 + len(first.source):
        head.append(f"  {first.source}", style="cyan")
        _line(console, head)
    else:
        _line(console, head)
        if first.source:
            _line(console, Text(f"      {first.source}", style="cyan"))
    _wrapped(console, first.message, 6)
    if first.fix:
        _code(console, first.fix, 8)


def _wrapped(console: Console, text: str, indent: int) -> None:
    width = max(20, min(console.width, 120) - indent)
    for line in textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False):
        _line(console, Text(" " * indent + line))


def _code(console: Console, text: str, indent: int) -> None:
    width = max(20, min(console.width, 120) - indent)
    for given in text.splitlines():
        parts = textwrap.wrap(given, width - 2, break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(parts):
            # In one colour: those of a syntax theme are made for a dark background or for a light one.
            _line(console, Text(" " * (indent + 2 * bool(number)) + line, style="green"))


def _line(console: Console, text: Text) -> None:
    text.plain = _CONTROL.sub("\ufffd", text.plain)  # what a module's errors say is not for the terminal to carry out
    console.print(text, soft_wrap=True, highlight=False)
