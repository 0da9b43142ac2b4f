"""Audits as JUnit XML: a suite a target, a case a law.

What counts for the exit code is a failure, warnings as well. What was accepted, does not apply or could not be tried is
skipped with its reason. A target of which nothing could be run has an error.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from constate.auditing.audited import Audited
from constate.auditing.finding import Finding, Severity
from constate.auditing.report import Outcome
from constate.auditing.rules import Rule
from constate.reporting.audits.places import file_and_line
from constate.verdicts import Verdict

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write."""


def render(targets: Sequence[Audited], rules: Mapping[str, Rule], date: str) -> str:
    """The document. ``date`` is in UTC, ISO 8601."""
    root = Element("testsuites", name="constate")
    for audited in targets:
        root.append(_suite(audited, rules, date))
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, 0)) for suite in root)))
    root.set("time", f"{sum(float(suite.get('time', 0)) for suite in root):.3f}")
    ElementTree.indent(root)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{ElementTree.tostring(root, encoding='unicode')}\n"


def _suite(audited: Audited, rules: Mapping[str, Rule], date: str) -> Element:
    suite = Element("testsuite", name=_clean(audited.target), hostname=platform.node() or "localhost")
    suite.set("timestamp", date[:19])
    suite.set("time", f"{audited.seconds:.3f}")
    if audited.report.backend:
        properties = SubElement(suite, "properties")
        for name, value in {"backend": audited.report.backend, **audited.report.versions}.items():
            SubElement(properties, "property", name=name, value=_clean(value))
    for outcome in audited.report.outcomes:
        suite.append(_case(audited, outcome, rules[outcome.law]))
    if not audited.could_run:
        case = SubElement(suite, "testcase", name="run", classname=_clean(audited.target), time="0.000")
        SubElement(case, "error", type="could not run", message=_clean(audited.why_not)).text = _clean(audited.why_not)
    suite.set("tests", str(len(suite.findall("testcase"))))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    return suite


def _case(audited: Audited, outcome: Outcome, rule: Rule) -> Element:
    case = Element("testcase", name=f"{outcome.law} {rule.title}", classname=_clean(audited.target))
    case.set("time", f"{outcome.seconds:.3f}")
    counting = [f for f in outcome.findings if f in audited.counting]
    if counting:
        worst = min((finding.severity for finding in counting), key=list(Severity).index)
        more = f" (and {len(counting) - 1} more)" if len(counting) > 1 else ""
        first = f"{counting[0].entry or 'the module'} {counting[0].message}{more}"
        failure = SubElement(case, "failure", type=str(worst), message=_clean(first))
        failure.text = _clean("\n\n".join(map(_text, counting)))
    elif outcome.verdict is Verdict.BROKEN:
        reasons = {audited.accepted[f] for f in outcome.findings if f in audited.accepted}
        SubElement(case, "skipped", type="accepted", message=_clean(f"accepted: {'; '.join(sorted(reasons))}"))
    elif outcome.verdict is not Verdict.HOLDS:
        SubElement(case, "skipped", type=str(outcome.verdict), message=_clean(f"{outcome.verdict}: {outcome.reason}"))
    infos: Iterable[Finding] = (f for f in outcome.findings if f.severity is Severity.INFO)
    if text := "\n\n".join(map(_text, infos)):
        SubElement(case, "system-out").text = _clean(text)
    return case


def _text(finding: Finding) -> str:
    file, line = file_and_line(finding.source)
    place = f"{file}:{line}: " if line else ""
    fix = f"\n    {finding.fix}" if finding.fix else ""
    return f"{place}{finding.severity}: {finding.entry or 'the module'} {finding.message}{fix}"


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
