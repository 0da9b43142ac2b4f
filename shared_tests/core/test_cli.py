"""What a user can mend is one line and exit code 2."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from constate.auditing.hazards import HAZARDS
from constate.cli import main
from constate.laws import LAWS


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, str]:
    """The exit code, and what went to the two outputs."""
    monkeypatch.setattr(sys, "argv", ["constate", *arguments])
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as ended:
        main()
        sys.exit(0)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compare", "batchnorm", "--backend", "fake"), "did you mean 'batch_norm'?"),
        (("compare", "--backend", "fakes"), "did you mean 'fake'?"),
        (("compare", "--backend", "torchh"), "did you mean 'torch'?"),
        (("compare", "--backend", "fake", "--law", "P99"), "unknown law 'P99'; did you mean 'P09'?"),
        (("compare", "--backend", "fake", "--flavour", "nativ"), "did you mean 'native'?"),
        (("compare", "--backend", "fake", "-o", "/dev/null/report"), "choose another folder with -o"),
        (("compare", "--backend", "fake", "--law", "P02", "--format", "tar"), "has the format 'tar'"),
        (("compare", "--backend", "fake", "--format", "tar"), "has the format 'tar'; see: constate backends"),
        (("compare", "--backend", "fake", "--device", "nowhere"), "has the device 'nowhere'; see: constate backends"),
        (("compare", "--backend", "fake", "--timeout", "inf"), "Invalid value for '--timeout'"),
        (("compare", "--jobs", "many"), "Invalid value for '--jobs'"),
        (("compare", "--nope"), "No such option: --nope; see: constate --help"),
        (("compair",), "Did you mean 'compare'"),
        (("explain",), "Missing argument"),
        (("show", "batch_norm", "--backend", "fake"), "backend 'fake' has no batch_norm"),
        (("explain", "P5"), "unknown law 'P5'; did you mean 'P0"),
        (("show", "rotary"), "did you mean 'rotary_embedding'?"),
    ],
)
@pytest.mark.usefixtures("fake_backend")
def test_bad_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = run(capsys, monkeypatch, *arguments)
    assert code == 2
    assert said in err
    assert err.startswith("constate: ")
    assert err.count("\n") == 1
    assert not out


def test_a_known_backend_that_is_not_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("constate.backend.entry_points", lambda **_: [])
    code, _, err = run(capsys, monkeypatch, "compare", "--backend", "nnx")
    assert (code, err) == (
        2,
        "constate: backend 'nnx' is not installed; install it with: pip install 'constate-flax'\n",
    )


@pytest.mark.usefixtures("fake_backend")
def test_compare_writes_the_report(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments = ("compare", "positional_encoding", "--backend", "fake", "--law", "P01", "-o", str(tmp_path))
    code, out, err = run(capsys, monkeypatch, *arguments)
    assert (code, err) == (0, "")
    results = json.loads((tmp_path / "results.json").read_text())
    assert [cell["verdict"] for cell in results["cells"]] == ["holds", "holds"]
    assert results.keys() == {"versions", "machine", "date", "cells"}
    assert "P01 listed" in out
    assert "constate" in (tmp_path / "index.html").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "results.json"]


@pytest.mark.usefixtures("fake_backend")
def test_a_report_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Found before anything is run, and nothing is half-written."""
    (tmp_path / "index.html").mkdir()
    code, out, err = run(capsys, monkeypatch, "compare", "--backend", "fake", "-o", str(tmp_path))
    assert (code, out) == (2, "")
    assert err == f"constate: cannot write to {tmp_path}/index.html: it is a folder; choose another folder with -o\n"
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


@pytest.mark.usefixtures("fake_backend")
def test_what_is_named_twice_is_run_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    twice = ("positional_encoding", "--backend", "fake", "--flavour", "native", "--law", "P01") * 2
    assert run(capsys, monkeypatch, "compare", *twice, "-o", str(tmp_path))[0] == 0
    assert len(json.loads((tmp_path / "results.json").read_text())["cells"]) == 1


@pytest.mark.parametrize(
    ("sink", "encoding", "said"),
    [("> /dev/full", "utf-8", "constate: [Errno 28] No space left on device\n"), ("| true", "utf-8", ""),
     ("> /dev/null", "ascii", "")],
)  # fmt: skip
def test_an_output_that_takes_not_everything(sink: str, encoding: str, said: str) -> None:
    command = f"{sys.executable} -c 'from constate.cli import main; main()' laws {sink}"
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False, env=environment)
    assert done.stderr == said
    assert done.returncode == (2 if said else 0)


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("fake_backend")
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, by: signal.Signals) -> None:
    program = "from constate.cli import main; main()"
    arguments = ["compare", "causal_attention", "--backend", "fake", "--law", "P01", "-o", str(tmp_path / "report")]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(scratch)},
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 30
        while not list(scratch.glob("*/constate-*")):  # a worker is in its first cell, which takes ten minutes
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(by)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert err == "constate: interrupted; the workers were stopped and no report was written\n"
    assert not list(scratch.iterdir())
    assert not list((tmp_path / "report").iterdir())


@pytest.mark.usefixtures("fake_backend")
def test_a_lost_worker_is_said_and_the_rest_is_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments = ("compare", "batch_norm", "positional_encoding", "--backend", "fake", "--law", "P01")
    code, _, err = run(capsys, monkeypatch, *arguments, "-o", str(tmp_path))
    assert code == 2
    assert "2 cells could not be tested: fake, native, batch_norm P01: the worker was killed by SIGKILL" in err
    assert err.count("\n") == 1
    results = json.loads((tmp_path / "results.json").read_text())
    assert sorted(cell["verdict"] for cell in results["cells"]) == ["holds", "holds", "untested", "untested"]


def test_laws_lists_every_law(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = run(capsys, monkeypatch, "laws")
    assert code == 0
    assert all(f"{law.code}" in out and law.title in out for law in LAWS.values())


def test_explain_says_sentence_and_reason(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = run(capsys, monkeypatch, "explain", "p05")
    assert code == 0
    assert "After a refused load every entry has the bits it had before." in out
    assert "Persistence, must" in out


def test_laws_marks_what_check_tries(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = run(capsys, monkeypatch, "laws")[1].splitlines()
    marked = {line.split()[0] for line in lines if line.split()[1:2] == ["check"]}
    assert marked == set(HAZARDS)


@pytest.mark.parametrize("code", ["P11", "s01"])
def test_explain_says_what_check_looks_for_and_when_that_is_fine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    status, out, _ = run(capsys, monkeypatch, "explain", code)
    said, hazard = " ".join(out.split()), HAZARDS[code.upper()]
    assert status == 0
    assert " ".join(hazard.how.split()) in said
    assert f"when it is fine {hazard.fine}" in said
    assert ("--distributed" in said) is hazard.alone


def test_explain_says_nothing_of_check_where_it_tries_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "check looks for" not in run(capsys, monkeypatch, "explain", "P05")[1]
