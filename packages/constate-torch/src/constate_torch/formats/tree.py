"""What a file of ``torch.save`` holds, level by level: tensors by their paths, and all else as text."""

from __future__ import annotations

import reprlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from constate.checkpoint import CheckpointError

DEEPEST = 64
LONGEST = 200
PLAIN = (str, bytes, bytearray, int, float, complex, bool, type(None))

_short = reprlib.Repr()
_short.maxlevel, _short.maxother = 3, LONGEST
_short.maxdict = _short.maxlist = _short.maxtuple = _short.maxset = _short.maxfrozenset = 30
_short.maxstring = LONGEST


def text(value: Any) -> str:
    """A value in at most 200 characters."""
    if isinstance(value, str):
        return value[:LONGEST]
    with warnings.catch_warnings():  # of a storage PyTorch says that it is going to be removed
        warnings.simplefilter("ignore")
        return _short.repr(value)[:LONGEST]


def canonical(*keys: Any) -> str:
    """Keys of nested containers as one path; the dots of PyTorch's names are levels too."""
    return "/".join((key if isinstance(key, str) else text(key)).replace(".", "/") for key in keys)


def leaves(where: str, root: Any, limit: int) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the rest.

    Args:
        where: what to call the file.
        root: what was loaded, made of containers, tensors and plain values.
        limit: characters that all paths together may have: containers that hold each other many times over would
            have more of them than the file has bytes.

    Raises:
        CheckpointError: it is no container, is nested too deep, or two names become one.
    """
    tensors: dict[str, Tensor] = {}
    texts: dict[str, str] = {}
    if not isinstance(root, Mapping | list | tuple):
        raise CheckpointError(
            f"{where}: found a single {type(root).__name__}, expected names and tensors, as in torch.save({{'name': "
            "tensor}, path)"
        )
    for path, value in _walk(where, root, (), [limit]):
        if not path:
            raise CheckpointError(f"{where}: an entry has an empty name")
        if isinstance(value, Tensor):
            if path in tensors:
                raise CheckpointError(f"{where}: {path}: two entries have this name")
            tensors[path] = Tensor.detach(value)
            # Those of a parameter; one may have the name of a method, which the detached tensor has unharmed.
            texts.update({f"{path}@{text(name)}": text(note) for name, note in vars(value).items()})
        else:
            if path in texts:
                raise CheckpointError(f"{where}: {path}: two values have this name")
            texts[path] = text(value)
    return tensors, texts


def _walk(where: str, value: Any, keys: tuple[Any, ...], left: list[int]) -> Iterator[tuple[str, Any]]:
    if len(keys) > DEEPEST:
        raise CheckpointError(f"{where}: {canonical(*keys[:3])}…: is nested more than {DEEPEST} levels deep")
    if isinstance(value, Mapping) and value:
        inner: Iterator[tuple[Any, Any]] = iter(value.items())
    elif isinstance(value, list | tuple) and not all(isinstance(item, PLAIN) for item in value):
        inner = iter(enumerate(value))
    else:
        path = canonical(*keys)
        left[0] -= len(path)
        if left[0] < 0:
            raise CheckpointError(f"{where}: has more names than its size can hold")
        yield path, value
        return
    for key, item in inner:
        yield from _walk(where, item, (*keys, key), left)
    if (note := getattr(value, "_metadata", None)) is not None:
        yield from _walk(where, text(note), (*keys, "_metadata"), left)
