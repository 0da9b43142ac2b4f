"""TOML files that a user writes: read with an error of one line that names the file and the row."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from constate.errors import UsageError


def read(path: Path, what: str) -> tuple[str, dict[str, Any]]:
    """The text of a file and what stands in it. Raises ``UsageError`` where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        raise UsageError(f"there is no {what} {path}") from None
    except OSError as error:
        raise UsageError(f"cannot read the {what} {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the {what} {path}: it is no TOML: {error}") from error


def require_keys(where: str, row: Mapping[str, Any], known: tuple[str, ...], needed: tuple[str, ...] = ()) -> None:
    """Raise ``UsageError`` where a row has a key that is not known or lacks one that is needed."""
    unknown = sorted(set(row) - set(known))
    if unknown:
        raise UsageError(f"{where}: found the key {unknown[0]!r}, expected {', '.join(known)}")
    missing = [key for key in needed if not str(row.get(key, "")).strip()]
    if missing:
        raise UsageError(f"{where}: found no {missing[0]}, expected one")
