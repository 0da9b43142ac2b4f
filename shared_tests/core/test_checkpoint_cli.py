"""``inspect``, ``verify``, ``diff`` and ``convert``: what they print, and the codes that they exit with."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from constate.checkpoint import Policy, save
from constate.cli import main
from constate.state import Kind

STATE = {
    "encoder/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "encoder/count": np.array(7),
    "head/bias": np.zeros((0, 3), np.float16),
}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run the command line in a folder with two files: the exit code, and what went to the two outputs."""
    monkeypatch.chdir(tmp_path)
    save("checked.safetensors", STATE, {"who": "me"})
    safetensors.numpy.save_file(
        {n.replace("/", "."): a for n, a in STATE.items()}, "plain.safetensors", {"format": "pt"}
    )

    def go(*arguments: str, columns: int = 120) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["constate", *arguments])
        monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return go


def damage(path: str) -> None:
    """Flip a bit of the largest number of ``encoder/kernel``."""
    raw = bytearray(Path(path).read_bytes())
    raw[raw.index(np.float32(5).tobytes())] ^= 1
    Path(path).write_bytes(raw)


def test_inspect(run: Run) -> None:
    code, out, err = run("inspect", "checked.safetensors")
    assert (code, err) == (0, "")
    lines = [[cell.strip() for cell in line.strip("│\n").split("│")] for line in out.splitlines()]
    assert ["encoder/kernel", "float32", "[2, 3]", "24"] in lines
    assert ["encoder/count", "int64", "[]", "8"] in lines
    assert ["head/bias", "float16", "[0, 3]", "0"] in lines
    assert "checked.safetensors  constate, 3 entries, 7 values, 32 bytes\n" in out
    assert "  who = me\n" in out


def test_inspect_as_json(run: Run) -> None:
    code, out, _ = run("inspect", "plain.safetensors", "--json")
    found = json.loads(out)
    rows = {row.pop("name"): row for row in found.pop("entries")}
    assert (code, rows["encoder/kernel"]) == (0, {"dtype": "float32", "shape": [2, 3], "bytes": 24})
    assert found == {
        "path": "plain.safetensors",
        "format": "safetensors",
        "total": {"entries": 3, "values": 7, "bytes": 32},
        "metadata": {"format": "pt", "name_separator": "."},
    }


def test_inspect_shows_what_the_file_says_of_its_entries(run: Run) -> None:
    known = {
        "encoder/kernel": Policy(Kind.PARAMETER),
        "head/bias": Policy(Kind.STATISTIC, cast=False),
        "mask": Policy(Kind.DERIVED, persistent=False),
        "x": Policy(persistent=False),
    }
    save("known.safetensors", STATE, entries=known)
    out = run("inspect", "known.safetensors")[1]
    lines = [[cell.strip() for cell in line.strip("│\n").split("│")] for line in out.splitlines()]
    assert "┃ kind" in out and "┃ kind" not in run("inspect", "checked.safetensors")[1]
    assert ["encoder/kernel", "float32", "[2, 3]", "24", "parameter"] in lines
    assert ["encoder/count", "int64", "[]", "8", "-"] in lines
    assert ["head/bias", "float16", "[0, 3]", "0", "statistic, no cast"] in lines
    assert "  not saved = mask (derived), x (kind not known)\n" in out
    found = json.loads(run("inspect", "known.safetensors", "--json")[1])
    rows = {
        row["name"]: {key: row[key] for key in row.keys() & {"kind", "persistent", "cast"}} for row in found["entries"]
    }
    assert rows == {"encoder/kernel": {"kind": "parameter"}, "encoder/count": {},
                    "head/bias": {"kind": "statistic", "cast": False}}  # fmt: skip
    assert found["unsaved"] == {"mask": {"kind": "derived", "persistent": False}, "x": {"persistent": False}}
    assert found["metadata"] == {}


def test_convert_between_containers_keeps_it_and_says_elsewhere_what_is_lost(run: Run) -> None:
    save("known.safetensors", STATE, entries={"encoder/kernel": Policy(Kind.PARAMETER)})
    assert run("convert", "known.safetensors", "copy.safetensors")[1].count("\n") == 1
    assert Path("copy.safetensors").read_bytes() == Path("known.safetensors").read_bytes()
    out = run("convert", "known.safetensors", "plain2.safetensors", "--format", "safetensors")[1]
    assert out.splitlines()[1:] == ["  not carried: constate.entries = not known 2, parameter 1"]


def test_inspect_what_fits_a_pattern(run: Run) -> None:
    code, out, _ = run("inspect", "plain.safetensors", "encoder/*", "nothing*")
    assert code == 0
    assert "encoder/kernel" in out
    assert "head" not in out
    assert "2 entries of 3, 7 values" in out
    code, out, err = run("inspect", "plain.safetensors", "encoder/kernle")
    assert (code, out) == (2, "")
    assert err == "constate: no entry has a name such as 'encoder/kernle'; did you mean 'encoder/kernel'?\n"


def test_inspect_shows_so_many(run: Run) -> None:
    save("many.safetensors", {f"e{n:03}": np.zeros(1) for n in range(250)})
    out = run("inspect", "many.safetensors")[1]
    assert (out.count("float64"), "… 150 more: --limit 0 shows all" in out) == (100, True)
    assert run("inspect", "many.safetensors", "--limit", "3")[1].count("float64") == 3
    assert run("inspect", "many.safetensors", "--limit", "0")[1].count("float64") == 250
    assert len(json.loads(run("inspect", "many.safetensors", "--json")[1])["entries"]) == 250
    assert "250 entries, 250 values, 2.0 KiB" in out


def test_a_name_cannot_speak_to_the_terminal(run: Run) -> None:
    save("evil.safetensors", {"\x1b[31mred\n\u202e[bold]x": np.zeros(1)}, {"\x1b]0;t\x07": "\x1b[2J"})
    for arguments in (("inspect", "evil.safetensors"), ("diff", "evil.safetensors", "plain.safetensors")):
        out = run(*arguments)[1]
        assert "\\x1b[31mred\\n\\u202e[bold]x" in out
        assert "\x1b" not in out
    assert "\\x1b[2J" in run("inspect", "evil.safetensors")[1]
    raw = Path("evil.safetensors").read_bytes().replace(b'"F64"', b'"F65"')
    Path("evil.safetensors").write_bytes(raw.replace(b"constate.", b"constant."))
    code, _, err = run("inspect", "evil.safetensors")
    assert (code, err.count("\n"), "\x1b" in err, "\\x1b[31mred\\n\\u202e" in err) == (2, 1, False, True)


@pytest.mark.parametrize("columns", [80, 140])
def test_nothing_of_a_long_name_is_cut(run: Run, columns: int) -> None:
    name = "/".join(f"level{n}" for n in range(40))
    save("long.safetensors", {name: np.zeros(1)})
    out = run("inspect", "long.safetensors", columns=columns)[1]
    assert "".join(line.split("│")[1].strip() for line in out.splitlines() if line.startswith("│")) == name
    assert max(map(len, out.splitlines())) <= columns


def test_verify(run: Run) -> None:
    assert run("verify", "checked.safetensors") == (0, "checked.safetensors: ok: 3 entries, 32 bytes\n", "")
    save("other.safetensors", STATE)
    damage("other.safetensors")
    Path("header.safetensors").write_bytes(Path("checked.safetensors").read_bytes().replace(b'"who"', b'"whp"'))
    Path("short.safetensors").write_bytes(Path("checked.safetensors").read_bytes()[:-4])
    files = ("checked", "other", "header", "short", "plain")
    code, out, err = run("verify", *(f"{name}.safetensors" for name in files), "gone.pt")
    assert (code, err) == (1, "")
    ok, other, header, short, plain, gone = out.splitlines()
    assert ok == "checked.safetensors: ok: 3 entries, 32 bytes"
    assert other.startswith("other.safetensors: damaged: encoder/kernel: the data does not match its checksum")
    assert header.startswith("header.safetensors: damaged: the header does not match its checksum")
    assert short.startswith("short.safetensors: damaged: truncated, found 28 bytes of data, expected 32")
    assert plain == "plain.safetensors: keeps no checksums: plain safetensors files keep no checksums"
    assert gone == "gone.pt: not verified: found nothing there, expected a checkpoint"


@pytest.mark.parametrize("path", ["plain.safetensors", "gone.pt", "notes.txt", "."])
def test_what_cannot_be_verified_is_not_ok(run: Run, path: str) -> None:
    Path("notes.txt").write_text("no checkpoint")
    code, out, _ = run("verify", "checked.safetensors", path)
    assert code == 2
    assert out.count("\n") == 2


def test_diff_of_equal_checkpoints(run: Run) -> None:
    code, out, err = run("diff", "plain.safetensors", "checked.safetensors")
    assert (code, out, err) == (0, "3 equal  A plain.safetensors  B checked.safetensors\n", "")


def test_diff(run: Run) -> None:
    changed = {**STATE, "encoder/kernel": STATE["encoder/kernel"] * np.float32(1.25), "new": np.ones(2)}
    del changed["head/bias"]
    save("changed.safetensors", changed)
    code, out, err = run("diff", "checked.safetensors", "changed.safetensors")
    lines = [[cell.strip() for cell in line.strip("│\n").split("│")] for line in out.splitlines()]
    assert (code, err) == (1, "")
    assert ["encoder/kernel", "bits", "5 of 6, at most 1.25, relative 0.2"] in lines
    assert ["head/bias", "missing in B", "float16[0, 3]"] in lines
    assert ["new", "missing in A", "float64[2]"] in lines
    assert "3 entries differ: " in out
    assert "1 equal" in out
    code, out, _ = run("diff", "checked.safetensors", "changed.safetensors", "--json", "--tolerance", "0.2")
    found = json.loads(out)
    assert (code, found["equal"], found["within"], found["differ"]) == (1, 1, 1, 2)
    assert {row["name"]: (row["what"], row["a"], row["b"]) for row in found["differences"]} == {
        "head/bias": ("missing in B", {"shape": [0, 3], "dtype": "float16"}, None),
        "new": ("missing in A", None, {"shape": [2], "dtype": "float64"}),
    }


def test_diff_within_a_tolerance_is_equal(run: Run) -> None:
    save("near.safetensors", {**STATE, "encoder/kernel": STATE["encoder/kernel"] * np.float32(1.001)})
    arguments = "diff", "checked.safetensors", "near.safetensors"
    assert run(*arguments)[0] == 1
    assert run(*arguments, "--tolerance", "1e-4")[0] == 1
    code, out, _ = run(*arguments, "--tolerance", "0.01")
    assert (code, out.startswith("2 equal, 1 within 0.01")) == (0, True)


def test_diff_of_what_cannot_be_read(run: Run) -> None:
    damage("checked.safetensors")
    code, out, err = run("diff", "plain.safetensors", "checked.safetensors")
    assert (code, out) == (2, "")
    assert err.startswith("constate: checked.safetensors: encoder/kernel: the data does not match its checksum")
    assert run("diff", "plain.safetensors", "gone.pt")[0] == 2


def test_convert_and_back_gives_the_same_names(run: Run) -> None:
    code, out, err = run("convert", "plain.safetensors", "new.safetensors")
    assert (code, out, err) == (0, "new.safetensors  constate, 3 entries, 32 bytes\n", "")
    assert run("verify", "new.safetensors")[0] == 0
    assert run("convert", "new.safetensors", "back.safetensors", "--format", "safetensors")[0] == 0
    back, was = safetensors.numpy.load_file("back.safetensors"), safetensors.numpy.load_file("plain.safetensors")
    assert {name: (a.dtype, a.tobytes()) for name, a in back.items()} == {
        n: (a.dtype, a.tobytes()) for n, a in was.items()
    }
    with safetensors.safe_open("back.safetensors", "np") as opened:
        assert opened.metadata() == {"format": "pt"}


def test_convert_separates_names_as_asked(run: Run) -> None:
    assert run("convert", "checked.safetensors", "d.safetensors", "--format", "safetensors", "--separator", ".")[0] == 0
    assert sorted(safetensors.numpy.load_file("d.safetensors")) == ["encoder.count", "encoder.kernel", "head.bias"]
    assert run("convert", "d.safetensors", "s.safetensors", "--format", "safetensors", "--separator", "/")[0] == 0
    assert sorted(safetensors.numpy.load_file("s.safetensors")) == sorted(STATE)


def test_convert_says_what_was_not_carried(run: Run) -> None:
    save("kinds.safetensors", STATE, {"who": "me", "constate.kinds": "x"})
    code, out, _ = run("convert", "kinds.safetensors", "o.safetensors", "--format", "safetensors")
    assert (code, out.splitlines()[1:]) == (0, ["  not carried: constate.kinds = x"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("plain.safetensors", "checked.safetensors"),
            "is there already; choose another name, or replace it with --force",
        ),
        (("plain.safetensors", "."), "its name says no format"),
        (("plain.safetensors", "model.npz"), "expected an end such as .safetensors, .pt"),
        (
            ("plain.safetensors", "o", "--format", "safetensor"),
            "unknown format 'safetensor'; did you mean 'safetensors'?",
        ),
        (
            ("plain.safetensors", "o.safetensors", "--separator", "."),
            "found --separator '.', expected none for constate",
        ),
        (
            ("plain.safetensors", "o", "--format", "safetensors", "--separator", ":"),
            "expected one of: / . for safetensors",
        ),
        (("gone.pt", "o.safetensors"), "gone.pt: found nothing there, expected a checkpoint"),
        (("plain.safetensors", "no/o.safetensors"), "choose a folder that exists"),
        (("damaged.safetensors", "o.safetensors"), "encoder/kernel: the data does not match its checksum"),
    ],
)
def test_what_is_not_converted(run: Run, arguments: tuple[str, ...], said: str) -> None:
    save("damaged.safetensors", STATE)
    damage("damaged.safetensors")
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    code, out, err = run("convert", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_convert_replaces_when_forced_even_itself(run: Run) -> None:
    Path("plain.safetensors").chmod(0o640)
    assert run("convert", "plain.safetensors", "plain.safetensors", "--force")[0] == 0
    assert run("verify", "plain.safetensors")[0] == 0
    assert Path("plain.safetensors").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in Path().iterdir()) == ["checked.safetensors", "plain.safetensors"]
