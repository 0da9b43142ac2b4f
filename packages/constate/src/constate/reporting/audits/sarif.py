"""Audits as SARIF 2.1.0, the format of code scanning.

A finding that was accepted is there and suppressed, with its reason. What was not run is a notification.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from constate.auditing.audited import Audited, Stage
from constate.auditing.finding import Finding, Severity
from constate.auditing.rules import Rule
from constate.reporting.audits.places import file_and_line, uri
from constate.verdicts import Verdict

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Severity.FAIL: "error", Severity.WARN: "warning", Severity.INFO: "note"}
ROOT = "%SRCROOT%"


def render(targets: Sequence[Audited], rules: Mapping[str, Rule], folder: Path) -> str:
    """The log file. Paths in findings that are relative are so to ``folder``."""
    codes, seen = list(rules), Counter[str]()
    run = {
        "tool": {
            "driver": {
                "name": "constate",
                "version": version("constate"),
                "rules": [_rule(rule) for rule in rules.values()],
            }
        },
        "originalUriBaseIds": {ROOT: {"uri": f"{folder.resolve().as_uri()}/"}},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(targets)],
        "results": [_result(a, finding, codes, seen) for a in targets for finding in a.report.findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    text = f"{rule.sentence}\n\n{rule.how}\n\nFine: {rule.fine}"
    markdown = f"**{rule.sentence}**\n\n{rule.how}\n\n**When it is fine.** {rule.fine}"
    if rule.reports:
        markdown += "\n\n" + "\n".join(f"- <{link}>" for link in rule.reports)
    found = {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in re.split(r"\W+", rule.title)),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.sentence},
        "help": {"text": text, "markdown": markdown},
        "properties": {"tags": [rule.chapter]},
    }
    return found | ({"helpUri": rule.reports[0]} if rule.reports else {})


def _invocation(targets: Sequence[Audited]) -> dict[str, Any]:
    notes = [_note(a, "error", f"could not run: {a.why_not}") for a in targets if not a.could_run]
    for audited in targets:
        for outcome in audited.report.outcomes:
            if outcome.verdict is Verdict.UNTESTED and audited.could_run:
                notes.append(_note(audited, "note", f"{outcome.law} was not run: {outcome.reason}"))
    return {
        "executionSuccessful": all(audited.could_run for audited in targets),
        "toolExecutionNotifications": [note for note, stage in notes if stage is not Stage.CALL],
        "toolConfigurationNotifications": [note for note, stage in notes if stage is Stage.CALL],
    }


def _note(audited: Audited, level: str, text: str) -> tuple[dict[str, Any], Stage | None]:
    return {"level": level, "message": {"text": f"{audited.target} {text}"}}, audited.stage


def _result(audited: Audited, finding: Finding, codes: Sequence[str], seen: Counter[str]) -> dict[str, Any]:
    entry = finding.entry or "the module"
    name = f"{audited.target}/{finding.entry}".rstrip("/")
    place: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": name}]}
    file, line = file_and_line(finding.source)
    if file:
        artifact = {"uri": uri(file)} | ({} if Path(file).is_absolute() else {"uriBaseId": ROOT})
        place["physicalLocation"] = {"artifactLocation": artifact} | ({"region": {"startLine": line}} if line else {})
    # What the finding is about, and not how that is said or on which line; then the how many-th of these it is.
    about = hashlib.sha256("\n".join((audited.target, finding.law, finding.entry)).encode()).hexdigest()
    seen[about] += 1
    result = {
        "ruleId": finding.law,
        "ruleIndex": codes.index(finding.law),
        "level": LEVELS[finding.severity],
        "message": {"text": f"{entry} {finding.message}" + (f"\nWrite: {finding.fix}" if finding.fix else "")},
        "locations": [place],
        "partialFingerprints": {"constate/v1": f"{about}:{seen[about]}"},
        "properties": {"target": audited.target, "entry": finding.entry, "fix": finding.fix},
    }
    if finding in audited.accepted:
        result["suppressions"] = [{"kind": "external", "justification": audited.accepted[finding]}]
    return result
