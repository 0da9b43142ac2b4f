"""One archive as ``torch.save`` writes it: its objects without the data, and the data a tensor at a time.

``torch.load`` puts the tensors on the device ``meta``, where they have no memory, and notes where in the file each
storage lies; that must be the very place of a member of the archive, and the member as long as the storage.
"""

from __future__ import annotations

import pickle
import sys
import warnings
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats.zipped import Member, intact, members
from constate.errors import Unsupported, UsageError, first_line
from constate.state import Array
from constate_torch.formats import tensors
from constate_torch.formats.pickles import require_plain

NEEDED = "2.11"
"""The first PyTorch that notes where the storages lie: https://github.com/pytorch/pytorch/pull/170619"""

WIDEST = 1 << 30
"""Bytes to a multiple of which storages are aligned at the most."""
LONGEST = 32
"""Bytes of a member with a number that are looked at."""


class Archive:
    """An archive of which all has been checked but the data.

    Args:
        file: it, from its first byte to its last.
        where: what to call it in messages.

    Raises:
        CheckpointError: it is damaged or hostile, or holds more than tensors, containers, numbers and text.
        UsageError: the installed PyTorch is too old.
    """

    def __init__(self, file: BinaryIO, where: str) -> None:
        if torch.__version__ < NEEDED:  # compared as versions, not as texts
            raise UsageError(f"{where}: is read with torch {NEEDED} or later, found {torch.__version__}; an older one "
                             "does not say where in a file its tensors lie")  # fmt: skip
        self._file, self._where = file, where
        self.members = members(file, where)
        self.size = file.seek(0, 2)
        top = next(iter(self.members), "").partition("/")[0]
        if f"{top}/constants.pkl" in self.members:
            raise CheckpointError(f"{where}: found a TorchScript program, expected the file of a module's state_dict")
        self.pickle_size = len(pickled := self._bytes(f"{top}/data.pkl"))
        if (order := self._bytes(f"{top}/byteorder", b"little")) != sys.byteorder.encode():
            raise CheckpointError(f"{where}: the byte order is {order!r}, expected {sys.byteorder}; save it again here")
        for name in self.members:
            if name.endswith("/.storage_alignment"):
                self._require_alignment(name)
        require_plain(where, pickled)
        self._at = {member.offset: name for name, member in self.members.items()}
        try:
            file.seek(0)
            with warnings.catch_warnings():  # it warns of protocols that it does not write, and reads or refuses them
                warnings.simplefilter("ignore")
                self.root: Any = torch.load(file, map_location="meta", weights_only=True)
        except Exception as error:  # a pickle that is hostile makes torch raise whatever it likes
            raise CheckpointError(f"{where}: torch.load refuses it: {_reason(error)}") from error

    def _require_alignment(self, name: str) -> None:
        """PyTorch divides by the number in this member, which ends the process where that is 0."""
        found = self._bytes(name)[:LONGEST]
        if not found.isdigit() or not 0 < int(found) <= WIDEST:
            raise CheckpointError(f"{self._where}: {name} is {found!r}, expected a number of bytes from 1 to {WIDEST}")

    def _bytes(self, name: str, default: bytes | None = None) -> bytes:
        member = self.members.get(name)
        if member is None:
            if default is None:
                raise CheckpointError(f"{self._where}: has no {name}, which torch.save writes")
            return default
        self._file.seek(member.offset)
        return self._file.read(member.size)

    def member(self, tensor: Tensor, where: str) -> str:
        """The name of the member that holds a tensor's storage, all of it."""
        storage = tensor.untyped_storage()
        offset = getattr(storage, "_checkpoint_offset", None)
        name = self._at.get(offset) if offset is not None else None
        if name is None:
            raise CheckpointError(f"{where}: its data would be at byte {offset}, where no member of the archive begins")
        first, last = tensors.span(tensor)
        size = self.members[name].size
        if first < 0 or last > size or storage.nbytes() > size:
            raise CheckpointError(
                f"{where}: its data would be bytes {first} to {last} of a storage of {storage.nbytes()}, "
                f"but {name} has {size}; the file is damaged"
            )
        return name

    def read(self, tensor: Tensor, where: str) -> Array:
        """The bits of a tensor of this archive, in memory of their own."""
        member = self.members[self.member(tensor, where)]
        form = tensors.form(where, tensor)
        if form.nbytes > self.size:
            raise CheckpointError(
                f"{where}: is {form.nbytes} bytes made of {self.size} by repeating them; save a contiguous copy of it"
            )
        first, last = tensors.span(tensor)
        memory: Array = np.empty(last - first, np.uint8)
        self._file.seek(member.offset + first)
        if self._file.readinto(memory.data) != len(memory):  # type: ignore[attr-defined]
            raise CheckpointError(f"{where}: the file ends within its data")
        return tensors.array(tensor, memory)

    def damaged(self) -> list[str]:
        """The members whose bytes are not those of their checksum.

        Raises:
            Unsupported: the archive was written without checksums.
        """
        filled = [member for member in self.members.values() if member.size]
        if not any(member.crc for member in filled):
            raise Unsupported(
                "the file was written without checksums, after torch.serialization.set_crc32_options(False), so that a "
                "changed bit cannot be seen"
            )
        return [name for name, member in self.members.items() if not self._intact(member)]

    def _intact(self, member: Member) -> bool:
        return intact(self._file, member)


def _reason(error: Exception) -> str:
    """What torch says, without its advice to trust the file."""
    told = str(error).rpartition("WeightsUnpickler error:")[2].strip().partition("\n")[0]
    return first_line(type(error)(told)) if isinstance(error, pickle.UnpicklingError) else first_line(error)
