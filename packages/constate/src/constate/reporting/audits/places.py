"""Where in a file something is."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote


def file_and_line(source: str) -> tuple[str, int]:
    """``file:line`` as its two parts; no file, or line 0, where that is not known."""
    found = re.fullmatch(r"(.+):(\d+)", source)
    return (found[1], int(found[2])) if found else (source, 0)


def uri(path: str) -> str:
    """The reference of a path: relative to the working directory as it is, absolute as ``file://``."""
    return Path(path).as_uri() if Path(path).is_absolute() else quote(Path(path).as_posix())
