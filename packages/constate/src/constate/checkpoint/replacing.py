"""A file or a folder that is written whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from constate.checkpoint.layout import CheckpointError


@contextmanager
def replacing(path: Path) -> Iterator[FileIO]:
    """A new file that takes the place of ``path`` when the block ends, and is gone when the block raises.

    As with a plain write, a symbolic link is followed, and the file has the mode of the one that it replaces, or the
    usual one. It is on the disk before it takes its place.

    Raises:
        CheckpointError: the path cannot be written; nothing is left.
    """
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".constate-{secrets.token_hex(8)}")
    try:
        mode = path.stat().st_mode if path.exists() else None
        if mode is not None and not stat.S_ISREG(mode):
            raise CheckpointError(f"cannot write {path}: it is there and is no file; choose another path")
        try:
            with temporary.open("xb", buffering=0) as file:
                if mode is not None:
                    os.fchmod(file.fileno(), stat.S_IMODE(mode))
                yield file
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CheckpointError(
            f"cannot write {path}: {error.strerror}; choose a folder that exists, is writable and has room"
        ) from error


def put_folder(new: Path, path: Path) -> None:
    """Put a folder in the place of another, which is kept until then."""
    if not path.exists():
        new.rename(path)
        return
    old = path.with_name(f".constate-{secrets.token_hex(8)}")
    path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        old.rename(path)
        raise
    shutil.rmtree(old)
