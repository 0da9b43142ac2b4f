"""What the formats of Flax agree on: which dtypes there are, and how text is cut."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form
from constate.state import dtype_named

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128", "bfloat16",
    "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz",
    "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn", "int2", "int4", "uint2", "uint4",
)  # fmt: skip
"""The dtypes of JAX, by their names in NumPy and ``ml_dtypes``."""
DIMENSIONS = 64
DEEPEST = 64
LONGEST = 200


def shown(value: Any) -> str:
    """A value in at most 200 characters."""
    return (value if isinstance(value, str) else repr(value))[:LONGEST]


def possible(where: str, shape: tuple[int, ...], dtype: str) -> Form:
    """The form. Raises ``CheckpointError`` where NumPy has no array of it, for instance an empty one of 2**62 rows."""
    if dtype not in DTYPES:
        raise CheckpointError(f"{where}: found dtype {shown(dtype)}, expected one of: {', '.join(DTYPES)}")
    if (
        len(shape) > DIMENSIONS
        or min(shape, default=0) < 0
        or math.prod(size for size in shape if size) * dtype_named(dtype).itemsize > sys.maxsize
    ):
        raise CheckpointError(f"{where}: there can be no array of this shape: {dtype}{shown(list(shape))}")
    return Form(shape, dtype)


class Names:
    """The paths of a file: canonical, each once, and no more of them than its size can hold."""

    def __init__(self, where: str, limit: int) -> None:
        self._where, self._left, self._seen = where, limit, set[str]()

    def path(self, keys: tuple[str, ...]) -> str:
        """Keys as one path. Raises ``CheckpointError`` where it is empty or was there."""
        path = "/".join(keys)
        self._left -= len(path)
        if self._left < 0:
            raise CheckpointError(f"{self._where}: has more names than its size can hold")
        if not keys or not path.strip("/"):
            raise CheckpointError(f"{self._where}: an entry has an empty name, expected a mapping of names to arrays")
        if path in self._seen:
            raise CheckpointError(f"{self._where}: {shown(path)}: two entries have this name")
        self._seen.add(path)
        return path


def nested(path: Path, forms: Mapping[str, Form], dtypes: Sequence[str]) -> dict[str, Any]:
    """Dictionaries within dictionaries, with the name and the form of each entry in the place of its array.

    Raises:
        CheckpointError: a name is an entry and a level too, or a dtype is not among those that can be stored.
    """
    root: dict[str, Any] = {}
    for name, form in forms.items():
        if form.dtype not in dtypes:
            raise CheckpointError(f"cannot write {path}: {name}: dtype {form.dtype} cannot be stored; expected one of: "
                                  f"{', '.join(dtypes)}")  # fmt: skip
        *levels, last = name.split("/")
        level = root
        for key in levels:
            level = level.setdefault(key, {})
            if not isinstance(level, dict):
                raise CheckpointError(f"cannot write {path}: {name}: {key} is an entry and holds entries")
        if last in level:
            raise CheckpointError(f"cannot write {path}: {name}: is an entry and holds entries")
        level[last] = (name, form)
    return root
