"""A weight map as a file that a person can edit."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from constate.checkpoint.replacing import replacing
from constate.errors import UsageError, printable
from constate.porting.rows import Row
from constate.porting.weight_map import WeightMap

VERSION = 1
HEAD = """\
# {title}
#
# A row fills an entry of the target, or a part of it as NumPy writes parts, from one of the source, or from several
# that are added up, or with a value; rearrange is a pattern of einops. Edit what is wrong, and give the file to
# constate port --map: it is proved before anything is written.

version = {version}
"""


def to_text(weights: WeightMap, title: str, heads: Mapping[str, str] | None = None) -> str:
    """The file.

    Args:
        weights: what it says.
        title: its first line.
        heads: by target of a row: a comment to put above it.
    """
    lines = [HEAD.format(title=printable(title), version=VERSION)]
    for key, names in (("left_out", weights.left_out), ("kept", weights.kept)):
        comment = "entries of the source that go nowhere" if key == "left_out" else "entries of the target that stay"
        lines.append(f"# {comment}\n{key} = {_value(list(names))}\n")
    lines.append("rows = [")
    for row in weights.rows:
        if heads and row.target in heads:
            lines.append(f"  # {printable(heads[row.target])}")
        lines.append(f"  {_value(row.to_toml())},")
    return "\n".join([*lines, "]", ""])


def write(path: Path, text: str) -> None:
    """Put the file in its place, whole or not at all. Raises ``CheckpointError`` where it cannot be written."""
    with replacing(path) as file:
        file.write(text.encode())


def read(path: Path) -> WeightMap:
    """The weight map that a file says. Raises ``UsageError`` where it says none."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is no TOML file: {printable(' '.join(str(error).split()))}") from None
    if data.get("version") != VERSION:
        raise UsageError(f"{path}: found version = {data.get('version')!r}, expected {VERSION}")
    if unknown := data.keys() - {"version", "left_out", "kept", "rows"}:
        raise UsageError(f"{path}: found the key {sorted(unknown)[0]!r}, expected version, left_out, kept and rows")
    rows = data.get("rows", [])
    if not isinstance(rows, list) or not rows:
        raise UsageError(f"{path}: expected a list of rows")
    names = {key: data.get(key, []) for key in ("left_out", "kept")}
    for key, found in names.items():
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise UsageError(f"{path}: found {key} = {found!r}, expected a list of names")
    try:
        return WeightMap(tuple(map(Row.from_toml, rows)), tuple(names["left_out"]), tuple(names["kept"]))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _value(value: Any) -> str:
    """A value as TOML writes it on one line."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {_value(item)}' for key, item in value.items())} }}"
    if isinstance(value, str):
        # JSON's strings are TOML's, but for the one control character that JSON leaves as it is, and surrogates.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Sequence):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)


def _key(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else _value(name)
