"""What a pickle would do, seen before it does it.

``torch.load(weights_only=True)`` runs no foreign code, but lets a pickle of a few bytes ask for any amount of memory
(``bytearray(10**10)``, text encoded again and again) and build objects that are more than their bits. What is accepted
here is narrower: tensors on plain storages, containers, numbers and text.
"""

from __future__ import annotations

import pickle
import pickletools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import PurePath, PureWindowsPath
from typing import Any, ClassVar, cast

import torch
from torch.distributed.checkpoint import filesystem
from torch.distributed.checkpoint import metadata as records

from constate.checkpoint import CheckpointError

STORAGES = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool",
            "ComplexDouble", "ComplexFloat")  # fmt: skip
ENCODE = "_codecs encode"
BYTE_ARRAYS = {"__builtin__ bytearray", "builtins bytearray"}
"""Protocol 2 keeps bytes as text and the name of an encoding, and a bytearray as a call with such bytes."""
UNTYPED = "torch.storage UntypedStorage"
"""Stands in the description of a storage, before its key; called, it takes memory."""
WATCHED = {ENCODE, UNTYPED, *BYTE_ARRAYS}
ALLOWED = {
    "collections OrderedDict",
    "collections Counter",
    "torch Size",
    "torch device",
    "torch.nn.parameter Parameter",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_parameter_with_state",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_tensor_v3",
    UNTYPED,
    *(f"torch {name}Storage" for name in STORAGES),
    *(f"{module} {name}" for module in ("__builtin__", "builtins") for name in ("set", "complex")),
    ENCODE,
    *BYTE_ARRAYS,
}
PUTS, GETS = {"PUT", "BINPUT", "LONG_BINPUT"}, {"GET", "BINGET", "LONG_BINGET"}
LATIN = {"latin1", "latin-1"}


@contextmanager
def _quiet() -> Iterator[None]:
    """Python warns of escapes in the text of old protocols that mean nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@_quiet()
def require_plain(where: str, pickled: bytes) -> None:
    """Accept only what ``torch.save`` writes of tensors, containers, numbers and text.

    Raises:
        CheckpointError: something else is called or built, or the pickle is cut off.
    """
    memo: dict[int, str | None] = {}
    last: str | None = None
    due: tuple[str, ...] = ()
    try:
        for opcode, value, _ in pickletools.genops(pickled):
            name, argument = opcode.name, cast(Any, value)
            if name in PUTS:
                _require_small(argument, pickled)
                memo[argument] = last
                continue
            last = None
            if name in GETS:
                last = memo.get(argument)
            elif name == "GLOBAL":
                if argument not in ALLOWED and not _is_dtype(argument):
                    raise CheckpointError(
                        f"{where}: holds {argument.replace(' ', '.')}, which is refused; expected plain tensors, "
                        "containers, numbers and text, as in torch.save(module.state_dict(), path)"
                    )
                last = argument if argument in WATCHED else None
            elif name == "BINUNICODE" and len(argument) <= 8:
                last = f"text {argument}"
            due = _next(due, name, last)
    except ValueError as error:
        raise CheckpointError(f"{where}: the pickle cannot be read: {error}") from error


def _next(due: tuple[str, ...], name: str, last: str | None) -> tuple[str, ...]:
    """What must follow a storage: its key. And what must follow where bytes are made: a function that encodes, fresh
    text, a harmless encoding, their tuple, and the call. Text that is taken from the memo might be long and taken many
    times; pickle does that with single characters only."""
    text = last.removeprefix("text ") if last and last.startswith("text ") else None
    if not due and last == UNTYPED:
        return ("key",)
    if not due and last in BYTE_ARRAYS:
        return ("bytes", "TUPLE1", "REDUCE")
    if not due or due[0] == "bytes":
        if last == ENCODE:
            return ("text", "encoding", "TUPLE2", "REDUCE", *due[1:])
        if not due:
            return ()
        if name == "EMPTY_TUPLE":
            return due[2:]
    wanted = due[0]
    fits = (
        name == wanted
        or (wanted == "text" and (name == "BINUNICODE" or (text is not None and len(text) <= 1)))
        or (wanted == "encoding" and text in LATIN)
        or (wanted == "key" and text is not None)
    )
    if not fits:
        raise ValueError("bytes or storages are made in another way than torch.save does")
    return due[1:]


def _require_small(place: int, pickled: bytes) -> None:
    if place > len(pickled):
        raise ValueError(f"place {place} of the memo is used by {len(pickled)} bytes")


def _is_dtype(argument: str) -> bool:
    module, _, name = argument.partition(" ")
    return module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)


class _Metadata(pickle.Unpickler):
    """Builds the records of ``torch.distributed.checkpoint``, and finds nothing else."""

    KNOWN: ClassVar[dict[tuple[str, str], Any]] = {
        **{("torch.distributed.checkpoint.metadata", kind.__qualname__): kind for kind in (
            records.Metadata, records.MetadataIndex, records.TensorStorageMetadata, records.BytesStorageMetadata,
            records.ChunkStorageMetadata, records.TensorProperties, records.StorageMeta, records._MEM_FORMAT_ENCODING,
        )},
        ("torch.distributed.checkpoint.filesystem", "_StorageInfo"): filesystem._StorageInfo,
        ("torch", "Size"): torch.Size,
        ("torch.serialization", "_get_layout"): torch.serialization._get_layout,
        **{(module, name): PureWindowsPath if "Windows" in name else PurePath
           for module in ("pathlib", "pathlib._local") for name in ("PosixPath", "WindowsPath", "PurePosixPath")},
    }  # fmt: skip

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self.KNOWN:
            return self.KNOWN[module, name]
        if _is_dtype(f"{module} {name}"):
            return getattr(torch, name)
        raise pickle.UnpicklingError(f"it holds {module}.{name}, which is no part of such metadata")


@_quiet()
def load_metadata(where: str, pickled: bytes) -> records.Metadata:
    """The metadata of a distributed checkpoint, for which PyTorch itself calls ``pickle.load``.

    Raises:
        CheckpointError: anything else is in it.
    """
    try:
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name in PUTS:
                _require_small(cast(int, argument), pickled)
        found = _Metadata(BytesIO(pickled)).load()
    except Exception as error:  # a hostile pickle makes the classes raise whatever they like
        raise CheckpointError(f"{where}: the metadata is refused: {' '.join(str(error).split())[:200]}") from error
    if type(found) is not records.Metadata:
        raise CheckpointError(f"{where}: found {type(found).__name__} as metadata, expected that of torch.distributed")
    return found
