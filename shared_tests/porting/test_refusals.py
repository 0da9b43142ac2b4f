"""What is not a twin, or no map: nothing is written, and one line says why."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from constate.cli import main
from constate.errors import Refused, UsageError
from constate.porting import Port, WeightMap, map_files, opened, port
from constate.porting.rows import Row

NET, IMAGE = "porting.unlike_torch:net", "f32[4,3,6,6]"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """``constate port`` in an empty folder: the exit code, and what went to the two outputs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def go(source: str, target: str, *arguments: str, image: str = IMAGE) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["constate", "port", source, target, *arguments, "-i", image])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert err.startswith("constate: ") or not err
        assert err.count("\n") == bool(err), err
        return int(ended.value.code or 0), out, err

    return go


def torch(name: str) -> str:
    return f"porting.unlike_torch:{name}"


def marks(out: str) -> str:
    """``✓✓✗✓`` of outputs, those of made-up weights, gradients and statistics."""
    return "".join(re.findall(r"^(✓|✗) (?:outputs|gradients|statistics)", out, re.MULTILINE))


@pytest.mark.parametrize(
    ("other", "expected", "said"),
    [
        ("other_epsilon", "✗✗✗✓", "set up differently: epsilon is 1e-05 in norm of the source and 0.1 in norm of"),
        ("other_momentum", "✓✓✓✗", "set up differently: momentum is 0.9 in norm of the source and 0.7 in norm of"),
        ("other_padding", "✗✗✗✓", "set up differently: padding is ((1, 1), (1, 1)) in first of the source and"),
        ("detached", "✓✓✗✓", "gradients: first/"),
        ("biased_variance", "✓✓✓✗", "statistics: norm/running_var differs by"),
    ],
)
def test_what_computes_something_else_is_not_written(
    run: Run, tmp_path: Path, other: str, expected: str, said: str
) -> None:
    code, out, err = run(NET, torch(other), "out.safetensors")
    assert (code, err) == (1, "constate: the two do not compute the same; no weights were written\n")
    assert marks(out) == expected
    assert said in out
    assert [path.name for path in tmp_path.iterdir()] == ["out.safetensors.map.toml"]


def test_the_variance_of_pytorch_is_that_of_keras_and_not_one_that_looks_like_it(tmp_path: Path) -> None:
    keras = "porting.unlike_keras:normalized"
    assert port(NET, keras, tmp_path / "out.safetensors", inputs=[IMAGE]).holds
    with pytest.raises(Refused, match=r"do not compute the same: statistics: \S+ differs by .*; nothing was written"):
        port(torch("biased_variance"), keras, tmp_path / "other.safetensors", inputs=[IMAGE])
    assert [path.name for path in tmp_path.iterdir()] == ["out.safetensors"]


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (NET, torch("layer_less"), "no twin: source second (conv: kernel h=3 i=4 o=4 w=3, bias o=4)"),
        (torch("layer_less"), NET, "no twin: target second (conv: kernel h=3 i=4 o=4 w=3, bias o=4)"),
        (NET, torch("without_bias"), "no twin: target head (dense: kernel i=4 o=5); head of the source has bias"),
    ],
    ids=["a layer too many", "a layer less", "bias"],
)
def test_a_layer_without_a_twin(run: Run, tmp_path: Path, source: str, target: str, said: str) -> None:
    code, out, err = run(source, target, "out.safetensors")
    assert (code, err) == (
        2,
        "constate: 1 layer without a twin; add rows for them to out.safetensors.map.toml, and give it with --map; no "
        "weights were moved\n",
    )
    assert sorted_axes(said) in map(sorted_axes, out.splitlines())
    assert [path.name for path in tmp_path.iterdir()] == ["out.safetensors.map.toml"]
    assert map_files.read(tmp_path / "out.safetensors.map.toml").rows


def sorted_axes(line: str) -> str:
    """A line with its words in order: axes have none that matters."""
    return " ".join(sorted(re.split(r"[ ,()]+", line)))


def test_a_gate_that_comes_at_another_place(run: Run, tmp_path: Path) -> None:
    series = "f32[3,5,6]"
    code, out, err = run(torch("gru"), "porting.unlike_keras:reset_before", "out.safetensors", image=series)
    assert (code, "(gru_reset_before: " in out) == (2, True)
    assert err.startswith("constate: 2 layers without a twin; ")
    assert run(torch("gru"), "porting.unlike_keras:reset_after", image=series)[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out.safetensors.map.toml"]


@pytest.mark.parametrize(
    ("source", "target", "image", "said"),
    [
        (torch("half"), torch("table"), "i64[4]<7", "has the dtype float16, expected float32; cast the source first"),
        (NET, NET, "f32[4,7,6,6]", "the source, porting.unlike_torch:net: "),
        (NET, torch("gru"), IMAGE, "the target, porting.unlike_torch:gru: "),
        (torch("failing"), NET, IMAGE, "the source, porting.unlike_torch:failing: RuntimeError: no weights to be had"),
        (torch("missing"), NET, IMAGE, "porting.unlike_torch has no 'missing'"),
    ],
    ids=["dtype", "inputs", "inputs of the target", "factory fails", "no factory"],
)
def test_what_cannot_be_tried(run: Run, tmp_path: Path, source: str, target: str, image: str, said: str) -> None:
    code, _, err = run(source, target, "out.safetensors", image=image)
    assert (code, said in err) == (2, True), err
    assert not (tmp_path / "out.safetensors").exists()


def test_what_is_refused_before_anything_is_built(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["constate.cli.port"], "opened", None)
    (tmp_path / "there.pt").write_bytes(b"mine")
    (tmp_path / "new.pt.map.toml").write_text("mine")
    (tmp_path / "bad.toml").write_text("rows = [")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for arguments, said in (
        (("there.pt",), "there.pt is there already; choose another name, or replace it with --force"),
        (("new.pt",), "new.pt.map.toml is there already"),
        (("new.safetensors", "--map", "bad.toml"), "bad.toml is no TOML file: "),
        (("new.safetensors", "--map", "none.toml"), "cannot read none.toml: No such file or directory"),
        (("new.safetensors", "--map", "bad.toml", "--save-map", "m.toml"), "found both --map and --save-map"),
    ):
        code, out, err = run(NET, NET, *arguments)
        assert (code, out, said in err) == (2, "", True), err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["new.pkl", "new.weights.h5"])
def test_what_the_framework_does_not_write(run: Run, tmp_path: Path, name: str) -> None:
    code, out, err = run(NET, NET, name, "-i", IMAGE)
    said = (
        f"the target, {NET}: {name}: its name says no format of torch; expected an end such as .safetensors, .pt, .pth"
    )
    assert (code, out, said in err) == (2, "", True), err
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def twins() -> Iterator[Port]:
    """The network twice."""
    with opened(NET, NET, inputs=[IMAGE]) as found:
        yield found


def with_row(weights: WeightMap, which: str, **changes: Any) -> WeightMap:
    """A map with one row changed."""
    assert sum(row.target == which for row in weights.rows) == 1
    return replace(weights, rows=tuple(replace(r, **changes) if r.target == which else r for r in weights.rows))


def test_a_map_with_two_kernels_of_one_shape_swapped(run: Run, twins: Port, tmp_path: Path) -> None:
    first, second = "first/weight", "second/weight"
    weights = with_row(with_row(twins.infer(), first, sources=(second,)), second, sources=(first,))
    proved = twins.prove(weights)
    assert [proof.holds for proof in proved.proofs] == [False, False, False, True]
    assert proved.first is not None and proved.first[1].path == "first"
    map_files.write(tmp_path / "edited.toml", map_files.to_text(weights, "edited"))
    code, out, err = run(NET, NET, "out.pt", "--map", "edited.toml")
    assert (code, "no weights were written" in err) == (1, True)
    assert "the first outputs that differ: first -> first (conv)" in out
    assert [path.name for path in tmp_path.iterdir()] == ["edited.toml"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: with_row(w, "head/bias", sources=("tail/bias",)), "a row names tail/bias, which the source has not"),
        (
            lambda w: replace(w, rows=w.rows[1:]),
            "of the target is filled by no row; expected once, or its name in kept",
        ),
        (
            lambda w: with_row(w, "head/bias", target="head/bias[1:]"),
            "head/bias of the target is filled by no row in part",
        ),
        (
            lambda w: replace(w, rows=(*w.rows, Row("head/bias[0]", value=0.0))),
            "head/bias of the target is filled more than once",
        ),
        (lambda w: with_row(w, "head/weight", rearrange="o i -> i"), "the row that fills head/weight: an array of the"),
        (
            lambda w: with_row(w, "head/weight", rearrange="o i -> i o"),
            "the row that fills head/weight: found an array of",
        ),
        (
            lambda w: with_row(w, "head/bias", sources=("head/bias[9]",)),
            "a row names head/bias[9]; head/bias has the shape",
        ),
        (
            lambda w: replace(with_row(w, "head/bias", sources=("norm/num_batches_tracked",)), left_out=("head/bias",)),
            "the row that fills head/bias: norm/num_batches_tracked has the dtype int64, expected float32",
        ),
    ],
    ids=["unknown", "hole", "in part", "twice", "pattern", "axes", "slice", "dtype"],
)
def test_a_map_that_cannot_be_gone_by(twins: Port, change: Callable[[WeightMap], WeightMap], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)) as refused:
        twins.prove(change(twins.infer()))
    assert "\n" not in str(refused.value)
    assert twins.prove(twins.infer()).holds
