"""Audits as workflow commands of GitHub Actions: one annotation a finding, at its line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from constate.auditing.audited import Audited
from constate.auditing.finding import Finding, Severity
from constate.reporting.audits.places import file_and_line
from constate.verdicts import Verdict

COMMANDS = {Severity.FAIL: "error", Severity.WARN: "warning", Severity.INFO: "notice"}


def render(targets: Iterable[Audited]) -> str:
    """The commands, a line each."""
    return "".join(f"{line}\n" for target in targets for line in _lines(target))


def _lines(audited: Audited) -> Iterator[str]:
    if not audited.could_run:
        yield _command("error", f"{audited.target} could not run", audited.why_not)
    for finding in audited.report.findings:
        yield _annotation(audited, finding)
    if audited.could_run:
        rows = [f"{o.law}: {o.reason}" for o in audited.report.outcomes if o.verdict is Verdict.UNTESTED]
        if rows:
            yield _command("notice", f"{audited.target}: {len(rows)} laws not run", "\n".join(rows))


def _annotation(audited: Audited, finding: Finding) -> str:
    kind, message = COMMANDS[finding.severity], f"{finding.entry or 'the module'} {finding.message}"
    if finding in audited.accepted:
        kind, message = "notice", f"{message}\naccepted: {audited.accepted[finding]}"
    elif finding.fix:
        message = f"{message}\n{finding.fix}"
    file, line = file_and_line(finding.source)
    where = {"file": file} | ({"line": str(line)} if line else {}) if file else {}
    return _command(kind, f"{finding.law} {audited.target}", message, where)


def _command(kind: str, title: str, message: str, where: dict[str, str] | None = None) -> str:
    properties = (where or {}) | {"title": title}
    return f"::{kind} {','.join(f'{name}={_property(value)}' for name, value in properties.items())}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
