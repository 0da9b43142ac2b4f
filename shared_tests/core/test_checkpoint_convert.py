"""``convert`` of an open checkpoint: one array at a time, whole or not at all, and nothing dropped in silence."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import safetensors.numpy

from constate.checkpoint import CheckpointError, load
from constate.checkpoint.converting import convert
from constate.checkpoint.formats import SEPARATOR_NOTE, Form, Format, Reader, get_format
from constate.checkpoint.formats.recognising import PACKAGES, SUFFIXES, by_suffix
from constate.checkpoint.formats.safetensors import ConstateFormat, SafetensorsFormat
from constate.checkpoint.formats.safetensors_files import FileReader
from constate.cli import main
from constate.errors import Unsupported, UsageError
from constate.state import Array, same_bits


class Made(Reader):
    """Arrays that are made when they are read."""

    def __init__(self, sizes: Mapping[str, int], metadata: Mapping[str, str], fails_at: str = "") -> None:
        super().__init__(Path("made"))
        self.sizes, self.said, self.fails_at = sizes, metadata, fails_at

    def entries(self) -> Mapping[str, Form]:
        return {name: Form((size,), "float64") for name, size in self.sizes.items()}

    def metadata(self) -> Mapping[str, str]:
        return self.said

    def read(self, name: str) -> Array:
        if name == self.fails_at:
            raise CheckpointError(f"made: {name}: damaged")
        return np.full(self.sizes[name], len(name), np.float64)


class Wordless(Format):
    """A format that has no place for text."""

    name, suffix = "wordless", ".wordless"

    def __init__(self) -> None:
        self.written: dict[str, Array] = {}

    def open(self, path: Path) -> NoReturn:
        raise NotImplementedError

    def write(self, path: Path, forms: Mapping[str, Form], arrays: Iterable[tuple[str, Array]]) -> None:
        self.written = dict(arrays)


@pytest.mark.parametrize("format", [ConstateFormat(), SafetensorsFormat()], ids=lambda format: str(format.name))
def test_one_array_is_in_memory_at_a_time(tmp_path: Path, format: Format) -> None:
    source = Made({"a" * n: 2**20 for n in range(1, 9)}, {})
    tracemalloc.start()
    try:
        convert(source, tmp_path / "out.safetensors", format)
        assert tracemalloc.get_traced_memory()[1] < 1.1 * 2**23
    finally:
        tracemalloc.stop()
    found = safetensors.numpy.load_file(tmp_path / "out.safetensors")
    assert found.keys() == source.sizes.keys()
    assert all(same_bits(array, np.full(2**20, len(name), np.float64)) for name, array in found.items())


def test_what_was_done_is_reported_and_what_was_not_carried(tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []
    said = {"epoch": "3", "constate.kinds": "x", SEPARATOR_NOTE: "."}
    source, format = Made({"a/b": 2, "c": 0}, said), Wordless()
    lost = convert(source, tmp_path / "out", format, report=lambda name, size: told.append((name, size)))
    assert lost == {"epoch": "3", "constate.kinds": "x"}
    assert told == [("a/b", 16), ("c", 0)]
    assert format.written.keys() == {"a/b", "c"}
    assert convert(source, tmp_path / "out", SafetensorsFormat()) == {"constate.kinds": "x"}
    assert convert(source, tmp_path / "out", ConstateFormat()) == {}
    assert ConstateFormat().open(tmp_path / "out").metadata() == said


def test_notes_take_the_place_of_what_the_source_says(tmp_path: Path) -> None:
    source = Made({"a/b": 1}, {SEPARATOR_NOTE: ".", "who": "me"})
    convert(source, tmp_path / "out", SafetensorsFormat(), notes={SEPARATOR_NOTE: "/", "who": "you"})
    with safetensors.safe_open(tmp_path / "out", "np") as found:
        assert (list(found.keys()), found.metadata()) == (["a/b"], {"who": "you"})


def test_metadata_cannot_forge_a_checksum(tmp_path: Path) -> None:
    forged = {"constate.header": "0" * 32, "constate.xxh3": "0" * 32, "who": "me"}
    lost = convert(Made({"a": 1}, forged), tmp_path / "out", ConstateFormat())
    assert lost.keys() == {"constate.header", "constate.xxh3"}
    assert load(tmp_path / "out")["a"].tolist() == [1.0]


def test_a_source_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("old")
    for format in (ConstateFormat(), SafetensorsFormat()):
        with pytest.raises(CheckpointError, match="made: b: damaged"):
            convert(Made({"a": 1, "b": 1}, {}, fails_at="b"), tmp_path / "out", format)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out", "old")]


def test_a_format_that_is_only_read(tmp_path: Path) -> None:
    class ReadOnly(Wordless):
        write = Format.write

    with pytest.raises(Unsupported, match="wordless checkpoints are read and not written"):
        convert(Made({"a": 1}, {}), tmp_path / "out", ReadOnly())


def test_an_interrupted_command_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    safetensors.numpy.save_file({"a": np.ones(3), "b": np.ones(3)}, tmp_path / "in.safetensors")
    read = FileReader.read

    def interrupted(self: FileReader, name: str) -> Array:
        if name == "b":
            raise KeyboardInterrupt
        return read(self, name)

    monkeypatch.setattr(FileReader, "read", interrupted)
    monkeypatch.setattr(
        sys, "argv", ["constate", "convert", f"{tmp_path}/in.safetensors", f"{tmp_path}/out.safetensors"]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capsys.readouterr().err) == (2, "constate: interrupted; nothing was written\n")
    assert [path.name for path in tmp_path.iterdir()] == ["in.safetensors"]


def test_a_package_that_cannot_be_imported_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("torch", "constate_nowhere.formats:Torch", "constate.formats")
    monkeypatch.setattr("constate.checkpoint.formats.entry_points", lambda **_: [point])
    with pytest.raises(
        UsageError, match=r"torch checkpoints are read by constate_nowhere\.formats, which cannot be imp"
    ):
        get_format("torch")


def test_names_say_formats() -> None:
    assert {*SUFFIXES.values()} <= PACKAGES.keys()
    for format in (ConstateFormat, SafetensorsFormat):
        assert PACKAGES[format.name] == "constate"
        assert by_suffix(Path(f"x{format.suffix}")) == "constate"
    assert by_suffix(Path("model.weights.h5")) == "keras-weights"
    assert by_suffix(Path("model.h5")) is None
