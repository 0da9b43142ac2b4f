"""Files that are made to harm whoever reads them as those of Keras: each is refused in one line."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from constate.checkpoint import CheckpointError
from constate_keras.formats.archive import Keras
from constate_keras.formats.weights import KerasWeights
from formats.keras import flipping

Change = Callable[[h5py.File, Path], object]
PLACE = "layers/a/vars/1"


def made(path: Path, change: Change) -> Path:
    """A file as Keras lays it out, and what is added to it."""
    with h5py.File(path, "w") as file:
        file["layers/a/vars/0"] = np.arange(6.0)
        file["layers/a/vars"].attrs["name"] = "a"
        change(file, path.parent)
    return path


def refusal(path: Path) -> str:
    """What is said of a file that is opened and read."""
    format = Keras() if path.suffix == ".keras" else KerasWeights()
    with pytest.raises(CheckpointError) as error, format.open(path) as reader:
        for name in reader.entries():
            reader.read(name)
    assert "\n" not in str(error.value)
    return str(error.value)


def secret(file: h5py.File, folder: Path) -> Path:
    """Another file, of which nothing may be read."""
    with h5py.File(folder / "secret.h5", "w") as other:
        other["data"] = np.full(6, 42.0)
    (folder / "secret.raw").write_bytes(bytes(48))
    return folder / "secret.h5"


def external_link(file: h5py.File, folder: Path) -> None:
    file[PLACE] = h5py.ExternalLink(str(secret(file, folder)), "/data")


def soft_link(file: h5py.File, folder: Path) -> None:
    file[PLACE] = h5py.SoftLink("/layers/a/vars/0")


def dangling_link(file: h5py.File, folder: Path) -> None:
    file[PLACE] = h5py.SoftLink("/nowhere")


def external_storage(file: h5py.File, folder: Path) -> None:
    secret(file, folder)
    file.create_dataset(PLACE, (6,), "f8", external=[(str(folder / "secret.raw"), 0, 48)])


def virtual(file: h5py.File, folder: Path) -> None:
    layout = h5py.VirtualLayout((6,), "f8")
    layout[:] = h5py.VirtualSource(str(secret(file, folder)), "data", (6,))
    file.create_virtual_dataset(PLACE, layout)


def cycle(file: h5py.File, folder: Path) -> None:
    file["layers/a/again"] = file["layers"]


def two_names(file: h5py.File, folder: Path) -> None:
    file["layers/b"] = file["layers/a"]


def deep(file: h5py.File, folder: Path) -> None:
    file.create_group("/".join(["g"] * 70))


def compressed(file: h5py.File, folder: Path) -> None:
    file.create_dataset(PLACE, data=np.zeros(1 << 20), compression="gzip")


def chunked(file: h5py.File, folder: Path) -> None:
    file.create_dataset(PLACE, data=np.zeros(4), chunks=(2,))


def compact(file: h5py.File, folder: Path) -> None:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.COMPACT)
    h5py.h5d.create(file.id, b"compact", h5py.h5t.NATIVE_INT8, h5py.h5s.create_simple((4,)), plan)


def never_written(file: h5py.File, folder: Path) -> None:
    file.create_dataset(PLACE, (1 << 40,), "f8")


def impossible(file: h5py.File, folder: Path) -> None:
    file.create_dataset(PLACE, (0, 1 << 62), "f8")


def opaque(file: h5py.File, folder: Path) -> None:
    file[PLACE] = np.zeros(3, "V1")


CASES: list[tuple[Change, str]] = [
    (external_link, "layers/a/vars/1: is a ExternalLink to '/data', expected it here"),
    (soft_link, "layers/a/vars/1: is a SoftLink to '/layers/a/vars/0', expected it here"),
    (dangling_link, "layers/a/vars/1: is a SoftLink to '/nowhere', expected it here"),
    (external_storage, "layers/a/vars/1: its data is in another file, expected it here"),
    (virtual, "layers/a/vars/1: its data is in another file, expected it here"),
    (cycle, "layers/a/again: is a group that has another name too, or holds itself"),
    (two_names, "layers/b: is a group that has another name too"),
    (deep, "is nested more than 64 levels deep"),
    (compressed, "layers/a/vars/1: is chunked, compact or compressed; expected one stretch"),
    (chunked, "layers/a/vars/1: is chunked, compact or compressed; expected one stretch"),
    (compact, "compact: is chunked, compact or compressed; expected one stretch"),
    (never_written, "layers/a/vars/1: is 8796093022208 bytes, of which the file of"),
    (impossible, "layers/a/vars/1: there can be no array float64[0, 4611686018427387904]"),
    (opaque, "layers/a/vars/1: found 1 bytes of no known dtype"),
]


@pytest.mark.parametrize(("change", "said"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_what_leads_elsewhere_or_asks_for_too_much(tmp_path: Path, change: Change, said: str) -> None:
    path = made(tmp_path / "m.weights.h5", change)
    assert said in refusal(path)
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.write(path, "model.weights.h5")
    assert said in refusal(tmp_path / "m.keras")


def relocated(path: Path, where: Callable[[int, int], int]) -> Path:
    """A file in which the second of two arrays is said to be elsewhere: given where both are."""

    def second(file: h5py.File, folder: Path) -> None:
        file[PLACE] = np.arange(6.0)

    with h5py.File(made(path, second)) as file:
        first, other = (file[f"layers/a/vars/{number}"].id.get_offset() for number in range(2))
    content = path.read_bytes()
    address = other.to_bytes(8, "little")
    assert content.count(address) == 1
    path.write_bytes(content.replace(address, where(first, other).to_bytes(8, "little")))
    return path


def test_arrays_that_lie_on_each_other(tmp_path: Path) -> None:
    path = relocated(tmp_path / "m.weights.h5", lambda first, second: first + 8)
    assert "layers/a/vars/1: begins at" in (said := refusal(path))
    assert "within layers/a/vars/0, which ends at" in said


def test_an_array_beyond_the_file(tmp_path: Path) -> None:
    path = relocated(tmp_path / "m.weights.h5", lambda first, second: 1 << 40)
    assert "HDF5 refuses it: 'Unable to synchronously open object (invalid dataset size" in refusal(path)


def test_text_and_tables_are_said_to_be_there(tmp_path: Path) -> None:
    def change(file: h5py.File, folder: Path) -> None:
        file["layers/a/vars/words"] = ["one", "two"]
        file["layers/a/vars/table"] = np.zeros(2, [("x", "f4")])
        file["layers/a"].attrs["count"] = 5
        file["layers/a"].attrs["fixed"] = np.bytes_("short")
        file.attrs["large"] = np.zeros(5000)

    with KerasWeights().open(made(tmp_path / "m.weights.h5", change)) as reader:
        assert list(reader.entries()) == ["layers/a/vars/0"]
        assert reader.metadata() == {
            "@large": "[0. 0. 0. ... 0. 0. 0.]",
            "layers/a@count": "5",
            "layers/a@fixed": "b'short'",
            "layers/a/vars@name": "text of variable length, or large; not read",
            "layers/a/vars/table": "[('x', '<f4')][2]",
            "layers/a/vars/words": "object[2]",
        }


def test_numbers_of_another_byte_order(tmp_path: Path) -> None:
    def change(file: h5py.File, folder: Path) -> None:
        file[PLACE] = np.array([1, -2], ">i4")

    with KerasWeights().open(made(tmp_path / "m.weights.h5", change)) as reader:
        found = reader.read(PLACE)
        assert reader.entries()[PLACE].dtype == str(found.dtype) == "int32"
        assert found.tolist() == [1, -2]


def test_no_changed_byte_crashes_the_library(tmp_path: Path) -> None:
    def change(file: h5py.File, folder: Path) -> None:
        half = file.create_dataset(PLACE, data=np.zeros(3, "V2"))
        half.attrs["dtype"] = "bfloat16"

    path = made(tmp_path / "m.weights.h5", change)
    done = subprocess.run([sys.executable, flipping.__file__, path], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-500:]
    read, refused = map(int, done.stdout.split())
    assert read > 100
    assert refused > 100


def test_a_cut_file(tmp_path: Path) -> None:
    path = made(tmp_path / "m.weights.h5", lambda file, folder: None)
    content = path.read_bytes()
    for size in (0, 1, 8, 100, 1000, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        assert "HDF5 refuses it: " in refusal(path)


# -- the archive ---------------------------------------------------------------------------------------------------


def test_a_zip_bomb(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(1 << 24))
    assert path.stat().st_size < 1 << 16
    assert "the member 'model.weights.h5' is compressed" in refusal(path)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "assets/../../outside", "C:\\outside"])
def test_names_of_members(tmp_path: Path, name: str) -> None:
    path = tmp_path / "m.keras"
    weights = made(tmp_path / "m.weights.h5", lambda file, folder: None)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(weights, "model.weights.h5")
        archive.writestr(name, "x")
    assert "names a place outside a folder" in refusal(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.keras", "m.weights.h5"]


def test_no_archive_and_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(b"PK\x03\x04 and nothing more")
    assert "the zip archive is refused: " in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", "no HDF5")
    assert "HDF5 refuses it: " in refusal(path)
