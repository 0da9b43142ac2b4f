"""Audits in the formats that are for programs, read back."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from constate.reporting.audits import Format, render
from core.audits import FIX, RULES, audited

DATE = "2026-11-24T06:52:00+00:00"


def written(format: Format) -> str:
    """All targets in one format."""
    return render(format, audited(), RULES, DATE, Path("/work/place"))


def test_json_is_an_object_a_line() -> None:
    lines = written(Format.JSON).splitlines()
    assert [json.loads(line) for line in lines] == [found.to_json() for found in audited()]


# -- JUnit ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def junit() -> dict[str, ElementTree.Element]:
    root = ElementTree.fromstring(written(Format.JUNIT).encode())
    assert root.tag == "testsuites"
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "16", "failures": "2", "errors": "2", "skipped": "9"}  # fmt: skip
    return {suite.attrib["name"]: suite for suite in root.findall("testsuite")}


def case(suite: ElementTree.Element, begin: str) -> ElementTree.Element:
    """The case of a law."""
    (found,) = (case for case in suite.findall("testcase") if case.attrib["name"].startswith(begin))
    return found


def test_a_suite_counts_its_cases(junit: dict[str, ElementTree.Element]) -> None:
    assert list(junit) == [found.target for found in audited()]
    for suite in junit.values():
        for name, path in (("tests", "testcase"), ("failures", "testcase/failure"), ("errors", "testcase/error"),
                           ("skipped", "testcase/skipped")):  # fmt: skip
            assert int(suite.attrib[name]) == len(suite.findall(path))
        assert suite.attrib["timestamp"] == "2026-11-24T06:52:00"
        assert {found.attrib["classname"] for found in suite.findall("testcase")} == {suite.attrib["name"]}
    properties = {row.attrib["name"]: row.attrib["value"] for row in junit["pkg:clean"].findall("properties/property")}
    assert properties == {"backend": "torch", "torch": "2.13.0"}


def test_a_case_a_law(junit: dict[str, ElementTree.Element]) -> None:
    broken = junit["pkg:broken"]
    assert len(case(broken, "P01 listed")) == 0
    (failure,) = case(broken, "P11").findall("failure")
    assert failure.attrib == {"type": "fail", "message": "layers/0/table is wrong, 100 %\nsure (and 4 more)"}
    assert failure.text is not None
    assert failure.text.count(FIX) == 5
    assert failure.text.startswith("pkg/a: b,c.py:12: fail: layers/0/table is wrong")
    assert "count keeps other bytes" in (case(broken, "P11").findtext("system-out") or "")
    (warning,) = case(broken, "P07").findall("failure")
    assert warning.attrib == {"type": "warn", "message": "the module cannot be copied: <lambda> & \ufffd[31m"}
    for begin, reason in (("D04", "accepted: on purpose, 1 < 2"), ("N03", "not-applicable: there is no registry"),
                          ("M05", "untested: needs a pass")):  # fmt: skip
        (skipped,) = case(broken, begin)
        assert (skipped.tag, skipped.get("message")) == ("skipped", reason)


def test_what_could_not_run_is_an_error(junit: dict[str, ElementTree.Element]) -> None:
    (error,) = case(junit["pkg:raises"], "run").findall("error")
    assert error.get("message") == "the factory fails: ValueError: no"
    assert not junit["pkg:partly"].findall("testcase/error")


# -- SARIF ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sarif() -> dict[str, Any]:
    log = json.loads(written(Format.SARIF))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    return dict(run)


def test_rules_have_help(sarif: dict[str, Any]) -> None:
    driver = sarif["tool"]["driver"]
    assert driver["name"] == "constate"
    assert [rule["id"] for rule in driver["rules"]] == list(RULES)
    for described, rule in zip(driver["rules"], RULES.values(), strict=True):
        assert described["shortDescription"]["text"] == rule.title
        assert described["fullDescription"]["text"] == rule.sentence
        for text in described["help"].values():
            assert rule.how in text
            assert rule.fine in text
        assert re.fullmatch(r"[A-Z]\w+", described["name"])


def test_results_have_rule_level_place_and_fingerprint(sarif: dict[str, Any]) -> None:
    results = sarif["results"]
    assert len(results) == 8
    assert {(found["ruleId"], found["level"]) for found in results} == {
        ("P11", "error"), ("P07", "warning"), ("D04", "error"), ("P11", "note")}  # fmt: skip
    prints = [found["partialFingerprints"]["constate/v1"] for found in results]
    assert len(set(prints)) == len(prints)
    for found in results:
        assert list(RULES)[found["ruleIndex"]] == found["ruleId"]
        assert found["message"]["text"]
    table = next(found for found in results if found["ruleId"] == "P11")
    assert table["message"]["text"] == f"layers/0/table is wrong, 100 %\nsure\nWrite: {FIX}"
    (place,) = table["locations"]
    physical = place["physicalLocation"]
    assert physical["artifactLocation"] == {"uri": "pkg/a%3A%20b%2Cc.py", "uriBaseId": "%SRCROOT%"}
    assert physical["region"] == {"startLine": 12}
    assert place["logicalLocations"] == [{"fullyQualifiedName": "pkg:broken/layers/0/table"}]
    assert sarif["originalUriBaseIds"] == {"%SRCROOT%": {"uri": "file:///work/place/"}}
    (wide,) = (found for found in results if found["ruleId"] == "D04")
    assert wide["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "file:///opt/lib/wide.py"}
    assert wide["suppressions"] == [{"kind": "external", "justification": "on purpose, 1 < 2"}]
    (copy,) = (found for found in results if found["ruleId"] == "P07")
    assert "physicalLocation" not in copy["locations"][0]
    assert "suppressions" not in copy


def test_a_fingerprint_is_about_the_entry_and_not_the_line() -> None:
    found = audited()[1]
    moved = [
        replace(o, findings=tuple(replace(f, source="other.py:99", message="new words") for f in o.findings))
        for o in found.report.outcomes
    ]
    changed = replace(found, report=replace(found.report, outcomes=tuple(moved)), accepted={})
    logs = [json.loads(render(Format.SARIF, [each], RULES, DATE, Path.cwd())) for each in (found, changed)]
    first, second = ([row["partialFingerprints"] for row in log["runs"][0]["results"]] for log in logs)
    assert first == second


def test_what_was_not_run_is_a_notification(sarif: dict[str, Any]) -> None:
    (invocation,) = sarif["invocations"]
    assert invocation["executionSuccessful"] is False
    (wrong,) = invocation["toolConfigurationNotifications"]
    assert (wrong["level"], wrong["message"]["text"]) == ("error", "pkg:none could not run: pkg has no 'none'")
    texts = {note["message"]["text"]: note["level"] for note in invocation["toolExecutionNotifications"]}
    assert texts == {
        "pkg:raises could not run: the factory fails: ValueError: no": "error",
        "pkg:broken M05 was not run: needs a pass": "note",
        "pkg:partly M05 was not run: needs a pass": "note",
        "pkg:partly P07 was not run: needs a pass": "note",
    }


# -- GitHub --------------------------------------------------------------------------------------------------------


def test_workflow_commands_are_escaped() -> None:
    lines = written(Format.GITHUB).splitlines()
    assert lines[0] == (
        "::error file=pkg/a%3A b%2Cc.py,line=12,title=P11 pkg%3Abroken::layers/0/table is wrong, 100 %25%0Asure%0A"
        + FIX
    )
    assert all(re.fullmatch(r"::(error|warning|notice) [^:]+::.+", line) for line in lines)
    kinds = [line.split()[0].strip(":") for line in lines]
    assert {kind: kinds.count(kind) for kind in kinds} == {"error": 7, "warning": 1, "notice": 4}
    assert any(
        line.endswith("%0Aaccepted: on purpose, 1 < 2") and line.startswith("::notice file=/opt") for line in lines
    )
    assert "::notice title=pkg%3Apartly%3A 2 laws not run::M05: needs a pass%0AP07: needs a pass" in lines
    assert "::error title=pkg%3Anone could not run::pkg has no 'none'" in lines
    assert any(line.startswith("::warning title=P07 pkg%3Abroken::the module cannot") for line in lines)
