"""``constate check`` as a user calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from core.test_cli import run

pytestmark = pytest.mark.usefixtures("fake_backend")
CLEAN, STRAY, UNCOPIED = (f"fake_zoo.plain:{name}" for name in ("Clean", "Stray", "Uncopied"))
FEW = ("--law", "P01", "--law", "P07", "--input", "f32[2,4]")

Check = Callable[..., tuple[int, str, str]]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Check:
    """Call it in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: run(capsys, monkeypatch, "check", *arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "found no target, expected one such as pkg.mod:build, or --all pkg"),
        ((CLEAN, "--all", "fake_zoo"), "found both targets and --all, expected one of them"),
        (("fake_zoo.plain",), "found the target 'fake_zoo.plain', expected a module and what makes the model in it"),
        (("fake_zo.plain:Clean",), "there is no module 'fake_zo'"),
        (("fake_zoo.plan:Clean",), "the package fake_zoo has no module 'plan'; did you mean 'plain'?"),
        (("fake_zoo.below.lacking:X",), "fake_zoo.below.lacking fails while it is imported: ModuleNotFoundError"),
        (("fake_zoo.plain:Claen",), "fake_zoo.plain has no 'Claen'; did you mean 'Clean'?"),
        (("fake_zoo.plain:settings",), "fake_zoo.plain:settings is a dict, expected a class or a function"),
        (("fake_zoo.plain:made",), "fake_zoo.plain:made is an instance of Clean, expected what makes a new one"),
        (("fake_zoo.plain:Needs",), "fake_zoo.plain:Needs needs the arguments dim, factor; name what takes none"),
        (("none.py:build",), "there is no file none.py"),
        ((CLEAN, "--input", "f33[2]"), "cannot read the input 'f33[2]'"),
        ((CLEAN, "--input", "f32[2]", "--input-from", ":inputs"), "found both --input and --input-from"),
        ((CLEAN, "--input-from", "inputs"), "found the target 'inputs', expected"),
        ((CLEAN, "--input-from", ":inptus"), "fake_zoo.plain has no 'inptus'"),
        ((CLEAN, "--law", "P99"), "no law 'P99' that can be checked on a module; did you mean 'P09'?"),
        ((CLEAN, "--baseline", "none.toml"), "there is no baseline none.toml"),
        ((CLEAN, "--accept", "why"), "found --accept without --baseline"),
        ((CLEAN, "--accept", " ", "--baseline", "b.toml"), "found no reason in --accept"),
        ((CLEAN, "--accept", "why", "--baseline", "/dev/null/b.toml"), "cannot write to /dev/null: "),
        ((CLEAN, "--arguments", "none.toml"), "there is no table of arguments none.toml"),
        ((CLEAN, "--format", "html"), "Invalid value for '--format': Value error, 'html' is not one of"),
        ((CLEAN, "--memory", "much"), "Invalid value for '--memory'"),
        ((CLEAN, "--timeout", "0"), "Invalid value for '--timeout'"),
        ((CLEAN, "-o", "/dev/null/report.json"), "cannot write to /dev/null"),
        (("--all", "fake_zo"), "there is no module 'fake_zo'"),
    ],
)
def test_a_wrong_call_is_one_line(check: Check, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = check(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"constate: {said}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(("targets", "code"), [((CLEAN,), 0), ((STRAY,), 1), ((CLEAN, UNCOPIED), 1)])
def test_exit_codes(check: Check, targets: tuple[str, ...], code: int) -> None:
    found, out, err = check(*targets, *FEW)
    assert (found, err) == (code, "")
    assert all(target in out for target in targets)


def test_a_target_that_cannot_be_found_costs_itself(check: Check) -> None:
    code, out, err = check("fake_zoo.plain:None_", STRAY, *FEW)
    assert code == 2
    assert err.startswith("constate: fake_zoo.plain:None_: fake_zoo.plain has no 'None_'")
    assert err.count("\n") == 1
    assert "P01 listed  kept[0], kept[1]" in out
    assert out.endswith("2 targets: 0 clean, 1 with findings (2 fail), 1 could not run\n")


def test_a_target_of_which_nothing_can_be_tried_could_not_run(check: Check) -> None:
    code, out, _ = check("fake_zoo.plain:Picky", "--law", "M05", "--input", "f32[2,4]")
    assert code == 2
    assert "a pass on a fresh instance fails: ValueError: unknown shape" in out
    assert check(CLEAN, "--law", "M05")[0] == 2, "the inputs are not known"


@pytest.mark.parametrize("given", [("--input", "f32[2,4]"), ("--input", "x=f32[2,4]"), ("--input-from", ":inputs"),
                                   ("--input-from", "fake_zoo.plain:given")])  # fmt: skip
def test_where_inputs_come_from(check: Check, given: tuple[str, ...]) -> None:
    code, out, _ = check(CLEAN, "--law", "P12", *given)
    assert code == 0
    assert "1 held / 1 applicable / 0 not run" in out


def test_a_file_of_the_current_folder(check: Check, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from fake_framework.module import Module\n\nclass Net(Module):\n"
        "    class Inner(Module):\n        pass\n\ndef build():\n    return Net()\n"
    )
    (tmp_path / "queue.py").write_text("raise RuntimeError('in the place of the standard library')")
    for target in ("mine:build", "mine.py:build", "mine:Net.Inner", f"{tmp_path}/mine.py:Net"):
        assert check(target, "--law", "P01")[0] == 0, target


def test_json_is_one_object_a_line_in_the_order_of_the_call(check: Check) -> None:
    code, out, err = check(STRAY, CLEAN, "fake_zoo.plain:None_", CLEAN, *FEW, "--format", "json")
    assert code == 2
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["target"] for row in rows] == [STRAY, CLEAN, "fake_zoo.plain:None_"]
    assert rows[0]["verdicts"] == {"P01": "broken", "P07": "holds"}
    finding = rows[0]["findings"][0]
    assert finding.keys() == {"law", "severity", "entry", "source", "message", "fix"}
    assert (finding["law"], finding["severity"], finding["entry"]) == ("P01", "fail", "kept[0]")
    source, _, line = finding["source"].rpartition(":")
    assert "self.kept = [" in Path(source).read_text().splitlines()[int(line) - 1]
    assert finding["fix"] == "self.state['kept'] = Variable(...)  # listed"
    assert rows[0]["versions"] == {"fake-backend": "1.0"}
    assert rows[2]["error"] in err


@pytest.mark.parametrize(
    ("format", "begin"), [("sarif", '{\n "$schema"'), ("junit", "<?xml"), ("github", "::error "), ("json", '{"target"')]
)
def test_formats_on_standard_output_and_in_a_file(check: Check, tmp_path: Path, format: str, begin: str) -> None:
    """In a file the report is for a program, and standard output for a person."""
    code, out, _ = check(STRAY, "--law", "P01", "--format", format)
    assert code == 1
    assert out.startswith(begin)
    assert check(STRAY, "--law", "P01", "--format", format, "-o", "below/report")[1].endswith(
        "written to below/report\n"
    )
    written = (tmp_path / "below" / "report").read_text()
    assert written.startswith(begin)
    if format == "junit":
        assert len(ElementTree.fromstring(out).findall("testsuite/testcase/failure")) == 1
    elif format == "github":
        assert written == out
    assert [path.name for path in (tmp_path / "below").iterdir()] == ["report"]


def test_accepting_and_what_becomes_of_it(check: Check, tmp_path: Path) -> None:
    """Write the file, be content with it, and say when a row is no longer needed."""
    call = (STRAY, UNCOPIED, *FEW, "--baseline", "accepted.toml")
    code, out, err = check(*call, "--accept", "they are ours")
    assert (code, err) == (0, "")
    assert "P01 kept[0]" in out
    assert "they are ours" in out
    assert (tmp_path / "accepted.toml").read_text().count("[[accepted]]") == 3
    code, out, err = check(*call)
    assert (code, err) == (0, "")
    assert out.endswith("2 targets: 2 clean, 3 accepted\n")
    rows = [json.loads(line) for line in check(*call, "--format", "json")[1].splitlines()]
    assert {row.get("accepted") for found in rows for row in found["findings"]} == {"they are ours"}
    with (tmp_path / "accepted.toml").open("a") as file:
        file.write(f'\n[[accepted]]\ntarget = "{CLEAN}"\nlaw = "P01"\nentry = "x"\nreason = "gone"\n')
    assert check(*call)[2] == "", "it is about a target of another call"
    code, _, err = check(*call, CLEAN)
    assert code == 0
    assert err == f"constate: accepted.toml: the row {CLEAN} P01 x matches nothing any more; take it out\n"
    assert check(*call, CLEAN, "--strict-baseline")[0] == 1
    assert check(STRAY, *FEW)[0] == 1, "without the file nothing is accepted"


def test_arguments_of_a_class(check: Check, tmp_path: Path) -> None:
    table = '["fake_zoo.plain:Needs"]\nkwargs = { dim = 3, factor = [1.0, 2.0, 3.0] }\ninputs = ["f32[2,3]"]\n'
    (tmp_path / "arguments.toml").write_text(table)
    code, out, _ = check("fake_zoo.plain:Needs", "--law", "P12", "--arguments", "arguments.toml")
    assert code == 0
    assert "1 held / 1 applicable" in out
    code, _, err = check(CLEAN, "--arguments", "arguments.toml")
    assert code == 2
    assert "there is no class 'fake_zoo.plain:Needs'" in err
    (tmp_path / "arguments.toml").write_text(table.replace("factor", "fact"))
    code, out, _ = check("fake_zoo.plain:Needs", "--law", "P12", "--arguments", "arguments.toml")
    assert code == 2
    assert "unexpected keyword argument 'fact'" in out


def test_a_whole_package(check: Check, tmp_path: Path) -> None:
    code, out, err = check("--all", "fake_zoo.plain", *FEW)
    assert (code, err) == (1, "")
    assert "fake_zoo.plain:Needs not made: needs the arguments dim, factor" in out
    assert out.endswith("1 without findings and not wholly run, 2 with findings (2 fail, 1 warn)\n"
                        "written to report/index.html\n")  # fmt: skip
    rows = [json.loads(line) for line in (tmp_path / "report" / "audits.jsonl").read_text().splitlines()]
    assert [row["target"].rpartition(":")[2] for row in rows] == ["Clean", "Stray", "Uncopied", "Picky"]
    page = (tmp_path / "report" / "index.html").read_text()
    assert "not this \\u003cone> & 100 %" in page
    assert page.count("<script") == page.count("</script>") == 2


def test_a_class_that_fails_without_arguments_is_not_made(check: Check) -> None:
    """It is listed, and is no failure of the run; a crash is."""
    code, out, _ = check("--all", "fake_zoo.hostile", "--law", "P01", "--build-timeout", "8", "-o", "page")
    assert code == 2
    assert "fake_zoo.hostile:Raises not made: the factory fails: ValueError: no way" in out
    assert "fake_zoo.hostile:ExitsInTheConstructor could not run: while building it, the worker ended" in out
    assert "10 targets" not in out
    assert "9 targets: 7 clean, 2 could not run" in out


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process(tmp_path: Path, by: signal.Signals) -> None:
    mark = f"CONSTATE_TEST={uuid.uuid4()}"

    def processes() -> list[str]:
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if mark.encode() in (path / "environ").read_bytes():
                    found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found

    arguments = ["check", "fake_zoo.hostile:Hangs", "fake_zoo.hostile:HangsInTheConstructor", "-o", "report.json"]
    program = [sys.executable, "-m", "constate", *arguments, "--input", "f32[2,4]", "--jobs", "2"]
    environment = os.environ | dict([mark.split("=")])
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
                          cwd=tmp_path) as process:  # fmt: skip
        deadline = time.monotonic() + 60
        while sum("constate.auditing.worker" in line for line in processes()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(2)
        process.send_signal(by)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert err == "constate: interrupted; the workers were stopped and no report was written\n"
    assert not processes()
    assert not list(tmp_path.iterdir())
