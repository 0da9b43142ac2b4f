"""Which format a checkpoint has, by what lies on disk and by the first bytes of a file."""

from __future__ import annotations

import glob
import re
import zipfile
from pathlib import Path

from constate.checkpoint.index import INDEX
from constate.checkpoint.layout import HEADER_LIMIT, CheckpointError

PACKAGES = {
    "constate": "constate",
    "safetensors": "constate",
    "torch": "constate-torch",
    "torch-distributed": "constate-torch",
    "msgpack": "constate-flax",
    "orbax": "constate-flax",
    "tensorflow": "constate-tensorflow",
    "saved-model": "constate-tensorflow",
    "keras": "constate-keras",
    "keras-weights": "constate-keras",
}
"""By format: the package that reads it."""

SUFFIXES = {
    ".safetensors": "constate",
    ".pt": "torch",
    ".pth": "torch",
    ".msgpack": "msgpack",
    ".weights.h5": "keras-weights",
    ".keras": "keras",
}
"""By the end of a name: the format that such a file is written in. Any reader of safetensors opens a container."""

ZIP, HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"
LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The pickled number that files of PyTorch before 1.6 begin with."""


def recognise(path: Path) -> str | None:
    """The name of the format; ``None`` where it is none that is known. Raises ``CheckpointError`` where there is
    nothing or it cannot be read."""
    try:
        if path.is_dir():
            return _of_folder(path)
        if path.is_file():
            return _of_file(path)
        if Path(f"{path}.index").is_file():
            return "tensorflow"
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    raise CheckpointError(f"{path}: found nothing there, expected a checkpoint")


def by_suffix(path: Path) -> str | None:
    """The name of the format that a file of this name is written in; ``None`` where the name does not tell."""
    return next((name for suffix, name in SUFFIXES.items() if path.name.endswith(suffix)), None)


def _of_folder(path: Path) -> str | None:
    if (path / ".metadata").is_file():
        return "torch-distributed"
    if any(
        (path / name).exists() for name in ("_METADATA", "_CHECKPOINT_METADATA", "manifest.ocdbt", "ocdbt.process_0")
    ):
        return "orbax"
    if (path / "saved_model.pb").is_file() or (path / "saved_model.pbtxt").is_file():
        return "saved-model"
    if (path / "checkpoint").is_file():
        return "tensorflow"
    if indices := sorted(path.glob(f"*{INDEX}")):
        return _of_index(indices[0])
    files = safetensors_files(path)
    return _of_safetensors(files[0]) if files else None


def safetensors_files(folder: Path) -> list[Path]:
    """The files of safetensors that lie in a folder, whether or not an index names them."""
    return sorted(file for file in folder.glob("*.safetensors") if file.is_file())


def _of_index(path: Path) -> str:
    """By the first of the files that belong to it by name."""
    shards = sorted(path.parent.glob(f"{glob.escape(path.name.removesuffix(INDEX))}*.safetensors"))
    return _of_safetensors(shards[0]) if shards and shards[0].is_file() else "safetensors"


def _of_safetensors(path: Path) -> str:
    """Whether there is a checksum of the header, in the metadata: nowhere else can a string follow that name."""
    with path.open("rb") as file:
        header = file.read(min(HEADER_LIMIT, int.from_bytes(file.read(8), "little")))
    return "constate" if re.search(rb'"constate\.header"\s*:\s*"', header) else "safetensors"


def _of_file(path: Path) -> str | None:
    if path.name.endswith(INDEX):
        return _of_index(path)
    if path.name.endswith(".index") and path.with_suffix("").with_suffix(".index") == path:
        return "tensorflow"
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(HDF5):
        return "keras-weights"
    if start.startswith(ZIP):
        return _of_zip(path)
    if start.startswith(LEGACY_TORCH):
        return "torch"
    if len(start) >= 9 and start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= path.stat().st_size - 8:
        return _of_safetensors(path)
    # A map of MessagePack: https://github.com/msgpack/msgpack/blob/master/spec.md
    return "msgpack" if start[:1] and (0x80 <= start[0] <= 0x8F or start[0] in (0xDE, 0xDF)) else None


def _of_zip(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise CheckpointError(f"{path}: the zip archive cannot be read: {error}") from error
    if any(name.rpartition("/")[2] == "data.pkl" for name in members):
        return "torch"
    return "keras" if "model.weights.h5" in members or "config.json" in members else None
