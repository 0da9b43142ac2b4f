"""What a user can mend is one line and exit code 2."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

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
