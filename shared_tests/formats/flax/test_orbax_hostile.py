"""Folders that lie: each is refused in one line."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
import pytest

from constate.checkpoint import CheckpointError
from constate_flax.formats.orbax import Orbax


def saved(path: Path) -> Path:
    """A folder of two arrays, each in files of its own."""
    saver = ocp.Checkpointer(ocp.PyTreeCheckpointHandler(use_ocdbt=False))
    saver.save(path, {"a": np.arange(4.0), "b": np.ones(2)})
    return path


def packed(path: Path) -> Path:
    """A folder of two arrays in a database."""
    with ocp.StandardCheckpointer() as saver:
        saver.save(path, {"a": np.arange(4.0), "b": np.ones(2)})
    return path


def refused(path: Path) -> str:
    """What opening a folder and reading all of it says."""
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError) as error, Orbax().open(path) as reader:
            for name in reader.entries():
                reader.read(name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    said = str(error.value)
    assert "\n" not in said
    assert len(said) < 1500
    assert peak < 64 << 20
    return said


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    """Change a file of JSON."""
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content) or content))


def array(**changes: Any) -> Callable[[Path], None]:
    """Change how an array is described."""
    return lambda path: edit(path / "a" / ".zarray", lambda found: found.update(changes))


def keys(*names: str) -> Callable[[Path], None]:
    """Change the name of an entry."""

    def change(found: Any) -> None:
        found["tree_metadata"]["('a',)"]["key_metadata"] = [{"key": name, "key_type": 2} for name in names]

    return lambda path: edit(path / "_METADATA", change)


def index(text: str) -> Callable[[Path], object]:
    """Replace the index."""
    return lambda path: (path / "_METADATA").write_text(text)


def link(name: str, target: str) -> Callable[[Path], None]:
    """Put a link in the place of a file."""

    def change(path: Path) -> None:
        (path.parent / "secret").write_bytes(b"\0" * 100)
        (path / name).unlink(missing_ok=True)
        (path / name).symlink_to(target)

    return change


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a shape of 2**50": (array(shape=[2**50]), "would take"),
    "a chunk of 2**50": (array(chunks=[2**50]), "would take"),
    "a shape that is larger": (array(shape=[8]), "a: cannot be read"),
    "another dtype": (array(dtype="<f4"), "a: cannot be read"),
    "objects": (array(dtype="|O"), "a: cannot be read"),
    "fields": (array(dtype=[["x", "<f4"], ["y", "<f4"]]), "a: cannot be read"),
    "another compressor": (array(compressor=None), "a: cannot be read"),
    "no array": (lambda path: (path / "a" / ".zarray").write_text("[]"), "a: cannot be read"),
    "no such array": (lambda path: (path / "a" / ".zarray").unlink(), "a: cannot be read"),
    "a chunk that is missing": (lambda path: (path / "a" / "0").unlink(), "a: cannot be read"),
    "a chunk that is cut": (lambda path: (path / "a" / "0").write_bytes(b"\x28"), "a: cannot be read"),
    "a path out of it": (keys("..", "..", "etc"), "../../etc: cannot be read"),
    "a path upwards": (keys("../../secret"), "leads out of the folder"),
    "a path from the root": (keys("/etc"), "leads out of the folder"),
    "dots of two keys": (keys("/", "/secret"), "leads out of the folder"),
    "no keys": (keys(), "expected 1 to 64 keys"),
    "a thousand keys": (keys(*"k" * 1000), "expected 1 to 64 keys"),
    "a name twice": (keys("b"), "b: two entries have this name"),
    "an empty name": (keys(""), "an empty name"),
    "deep JSON": (index("[" * 200_000), "cannot be read as JSON"),
    "deep JSON in a tree": (index('{"tree_metadata":' * 100_000), "cannot be read as JSON"),
    "no JSON": (index("\x80\x04"), "cannot be read as JSON"),
    "a list": (index("[]"), "expected names and values"),
    "a row twice": (index('{"tree_metadata": {}, "tree_metadata": {}}'), "a name stands in it twice"),
    "no tree": (index("{}"), "found no tree"),
    "a row of nothing": (index('{"tree_metadata": {"x": null}}'), "which cannot be"),
    "a row of numbers": (index('{"tree_metadata": {"x": {"key_metadata": 3}}}'), "which cannot be"),
    "a link to a file": (link("a/0", "../../secret"), "a/0 is a link"),
    "a link to a folder": (link("c", "/etc"), "c is a link"),
    "a link to itself": (link("c", "."), "c is a link"),
    "no index": (lambda path: (path / "_METADATA").unlink(), "found no _METADATA"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_it_is_refused(tmp_path: Path, what: str) -> None:
    change, said = CHANGES[what]
    path = saved(tmp_path / "c")
    change(path)
    assert said in refused(path)


def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "c")
    manifest = path / "manifest.ocdbt"
    raw = manifest.read_bytes()
    for place in range(0, len(raw), 7):
        manifest.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        assert "a: cannot be read" in refused(path)
    manifest.write_bytes(raw[: len(raw) // 2])
    assert "a: cannot be read" in refused(path)
    manifest.write_bytes(raw)
    with Orbax().open(path) as reader:
        assert reader.read("a").tolist() == [0, 1, 2, 3]


def test_what_is_missing_is_found(tmp_path: Path) -> None:
    path = saved(tmp_path / "c")
    (path / "b" / "0").unlink()
    with Orbax().open(path) as reader:
        ((name, said),) = reader.verify()
    assert name == "b"
    assert said.startswith("cannot be read")


def test_there_is_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="expected a folder"):
        Orbax().open(tmp_path / "none")
