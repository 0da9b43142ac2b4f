"""Folders that are made to harm whoever reads them as distributed checkpoints: each is refused in one line."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed import checkpoint as dcp
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)

from constate.checkpoint import CheckpointError
from constate_torch.formats.distributed import TorchDistributed

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
FIRST = MetadataIndex("a", (0, 0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What PyTorch writes of one tensor and one number."""
    dcp.save({"a": torch.arange(6.0).reshape(2, 3), "n": 5}, checkpoint_id=tmp_path / "c", no_dist=True)
    return tmp_path / "c"


def refusal(folder: Path) -> str:
    """What is said of a folder that is opened and read."""
    with pytest.raises(CheckpointError) as error, TorchDistributed().open(folder) as reader:
        reader.metadata()
        for name in reader.entries():
            reader.read(name)
    assert "\n" not in str(error.value)
    return str(error.value)


def changed(folder: Path, change: Callable[[Metadata], Any]) -> str:
    """What is said when the index has been changed."""
    path = folder / ".metadata"
    metadata = pickle.loads(path.read_bytes())
    change(metadata)
    path.write_bytes(pickle.dumps(metadata))
    return refusal(folder)


def test_it_is_read_unless_it_is_changed(folder: Path) -> None:
    with TorchDistributed().open(folder) as reader:
        assert reader.read("a").tolist() == [[0, 1, 2], [3, 4, 5]]
        assert reader.metadata()["n"] == "5"


class Harm:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return Path.touch, (self.path,)


def test_code_in_the_index_is_not_run(folder: Path, tmp_path: Path) -> None:
    harm = Harm(tmp_path / "canary")
    assert "which is no part of such metadata" in changed(folder, lambda found: vars(found).update(planner_data=harm))
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("pickled", "said"),
    [
        (b"cbuiltins\neval\nX\x01\x00\x00\x001\x85R.", "it holds builtins.eval, which is no part"),
        (b"ctorch\nload\n.", "it holds torch.load, which is no part"),
        (b"ctorch.serialization\nos\n.", "it holds torch.serialization.os, which is no part"),
        (b"\x80\x04\x8c\x05torch\x8c\x14serialization.os.xyz\x93.", "it holds torch.serialization.os.xyz, which is no"),
        (b"]r\xff\xff\xff\x7f.", "place 2147483647 of the memo is used by"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x0f.", "the metadata is refused: "),
        (b"}.", "found dict as metadata"),
        (b"S'\\h'\n.", "found str as metadata"),
        (b"", "the metadata is refused: "),
        (b"]" * 50_000 + b"a" * 49_999 + b".", "found list as metadata"),
    ],
)
def test_pickles(folder: Path, pickled: bytes, said: str) -> None:
    (folder / ".metadata").write_bytes(pickled)
    assert said in refusal(folder)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "within/file", "..", "", "link", "none", 5])
def test_files_outside_the_folder(folder: Path, name: Any) -> None:
    (folder.parent / "outside").write_bytes((folder / "__0_0.distcp").read_bytes())
    (folder / "link").symlink_to(folder.parent / "outside")
    assert "the index is refused: " in changed(
        folder, lambda found: vars(found.storage_data[FIRST]).update(relative_path=name)
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"offset": 1 << 40}, "bytes, expected"),
        ({"length": 1 << 40}, "bytes, expected 1099511627776 at"),
        ({"offset": -8}, "found (-8, "),
        ({"length": "x"}, ", 'x'), expected sizes"),
        ({"length": 100}, "a: the zip archive is refused"),
        ({"transform_descriptors": ["zstd"]}, "it is transformed by ['zstd'], expected it as it is"),
    ],
)
def test_stretches_that_lie(folder: Path, change: dict[str, Any], said: str) -> None:
    assert said in changed(folder, lambda found: vars(found.storage_data[FIRST]).update(change))


def described(shape: tuple[int, ...], *chunks: tuple[tuple[int, ...], tuple[int, ...]]) -> TensorStorageMetadata:
    """The description of a float32 tensor."""
    pieces = [ChunkStorageMetadata(torch.Size(begin), torch.Size(size)) for begin, size in chunks]
    return TensorStorageMetadata(TensorProperties(torch.float32), torch.Size(shape), pieces)


@pytest.mark.parametrize(
    ("description", "said"),
    [
        (described((4, 3), ((0, 0), (2, 3))), "a: the pieces have 6 elements, expected 12"),
        (described((1, 3), ((0, 0), (2, 3))), "a: a piece [2, 3] at [0, 0] is not within [1, 3]"),
        (described((2, 3), ((0,), (6,))), "the index is refused"),
        (described((1 << 20, 1 << 20), ((0, 0), (1 << 20, 1 << 20))), "a: is 4398046511104 bytes, and its pieces have"),
        (described((3, 2), ((0, 0), (3, 2))), "a: found tensor(..., device='meta', size=(2, 3)) in __0_0.distcp"),
        (described((0, 1 << 62)), "a: there can be no array float32[0, 4611686018427387904]"),
        (described((1,) * 80, ((0,) * 80, (1,) * 80)), "a: there can be no array"),
        (described((4, 3), ((0, 0), (2, 3)), ((0, 0), (2, 3))), "a: two pieces overlap at [0, 0]"),
        ("text", "a: found str, expected the description of a tensor"),
    ],
)
def test_descriptions_that_lie(folder: Path, description: Any, said: str) -> None:
    assert said in changed(folder, lambda found: found.state_dict_metadata.update(a=description))


def test_two_entries_that_become_one(folder: Path) -> None:
    def change(found: Metadata) -> None:
        for name in ("b.c", "b/c"):
            found.state_dict_metadata[name] = found.state_dict_metadata["a"]
            found.storage_data[MetadataIndex(name, (0, 0))] = found.storage_data[FIRST]

    assert "'b/c': two entries have this name" in changed(folder, change)


def test_a_piece_that_is_a_pickle_with_code(folder: Path, tmp_path: Path) -> None:
    harm = tmp_path / "harm.pt"
    torch.save(Harm(tmp_path / "canary"), harm)
    (folder / "__0_0.distcp").write_bytes(harm.read_bytes())
    whole = {"offset": 0, "length": harm.stat().st_size}
    assert "which is refused; expected plain tensors" in changed(
        folder, lambda found: [vars(info).update(whole) for info in found.storage_data.values()]
    )
    assert not (tmp_path / "canary").exists()
