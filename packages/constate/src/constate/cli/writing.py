"""Files that a command writes: whole or not at all, and found to be writable before anything is run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from constate.errors import UsageError


def require_folder(folder: Path, names: Iterable[str], option: str = "-o") -> None:
    """Make a folder for files of these names. Raises ``UsageError`` where they could not be written."""
    for name in names:
        if (folder / name).is_dir():
            raise UsageError(f"cannot write to {folder / name}: it is a folder; choose another folder with {option}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}; choose another folder with {option}") from error


def write(path: Path, text: str) -> None:
    """Put a file in its place when it is complete."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def complain(text: str) -> None:
    """One line on standard error."""
    console = Console(stderr=True, soft_wrap=True)
    console.print(f"constate: {text}", style="red", markup=False, highlight=False)
