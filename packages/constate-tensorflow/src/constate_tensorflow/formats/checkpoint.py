"""Checkpoints of ``tf.train.Checkpoint``, and the variables of a SavedModel."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from google.protobuf import text_format
from tensorflow.python.training.checkpoint_state_pb2 import CheckpointState

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form, Format
from constate.state import Array
from constate_tensorflow.formats.bundle import BundleReader
from constate_tensorflow.formats.writing import write

STATE = "checkpoint"
"""The file in which ``tf.train.Checkpoint.save`` notes the newest of a folder."""
STATE_LIMIT = 1 << 24


class TensorFlow(Format):
    """``tf.train.Checkpoint(model=model).save(prefix)``."""

    name: ClassVar[str] = "tensorflow"
    suffix: ClassVar[str] = ""

    def open(self, path: Path) -> BundleReader:
        """Open the files of a prefix.

        Args:
            path: the prefix; the name of its index; or a folder, of which the newest is taken that its file
                ``checkpoint`` names, if it lies in that folder.
        """
        if path.is_dir():
            return BundleReader(path, _newest(path))
        if path.name.endswith(".index") and path.is_file():
            return BundleReader(path, path.with_suffix(""))
        return BundleReader(path, path)

    def write(self, path: Path, forms: Mapping[str, Form], arrays: Iterable[tuple[str, Array]]) -> None:
        """What ``tf.train.Checkpoint`` restores into nested modules or dictionaries of these names."""
        write(path, forms, arrays)


class SavedModel(Format):
    """``tf.saved_model.save(module, folder)``: its variables. No graph is loaded."""

    name: ClassVar[str] = "saved-model"
    suffix: ClassVar[str] = ""

    def open(self, path: Path) -> BundleReader:
        prefix = path / "variables" / "variables"
        if not Path(f"{prefix}.index").is_file():
            raise CheckpointError(f"{path}: found no variables/variables.index, expected the folder of a SavedModel")
        return BundleReader(path, prefix)


def _newest(folder: Path) -> Path:
    """The prefix that a folder names. Raises ``CheckpointError`` where it lies elsewhere."""
    where = folder / STATE
    try:
        if where.stat().st_size > STATE_LIMIT:
            raise CheckpointError(f"{where}: found more than {STATE_LIMIT} bytes, expected names of checkpoints")
        named = text_format.Parse(where.read_text(), CheckpointState()).model_checkpoint_path
    except OSError as error:
        raise CheckpointError(f"cannot read {where}: {error.strerror}") from error
    except (text_format.ParseError, ValueError) as error:
        raise CheckpointError(f"{where}: cannot be read: {' '.join(str(error).split())[:200]}") from error
    if not named:
        raise CheckpointError(f"{where}: names no checkpoint; open one by its prefix")
    prefix = Path(os.path.realpath(folder), named)
    if Path(os.path.realpath(prefix.parent)) != Path(os.path.realpath(folder)):
        raise CheckpointError(f"{where}: names {named[:200]!r}, expected a checkpoint in its own folder; open one by "
                              "its prefix")  # fmt: skip
    return prefix
