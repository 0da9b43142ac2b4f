"""Zip archives of which every member lies in the file as it is: what ``torch.save`` and Keras write.

Nothing is extracted. A member is a stretch of the file, known to lie within it and to overlap no other, so that an
archive cannot ask for more memory than its size.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import PurePosixPath, PureWindowsPath
from typing import BinaryIO, NamedTuple

from constate.checkpoint.layout import CheckpointError

PIECE = 8 << 20
END, END_64, LOCATOR, LOCAL = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x03\x04"
# Sections 4.3.14 to 4.3.16 of PKWARE's APPNOTE.TXT have the lengths and places of what stands in them.
END_SIZE, END_64_SIZE, LOCATOR_SIZE, LOCAL_SIZE = 22, 56, 20, 30


class Member(NamedTuple):
    """Where a member's bytes are."""

    offset: int
    size: int
    crc: int


class Window(io.RawIOBase):
    """A part of a file, as a file of its own. Closing it leaves the file open."""

    def __init__(self, file: io.BufferedReader, offset: int, size: int) -> None:
        self._file, self._offset, self._size, self._at = file, offset, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if at < 0:
            raise ValueError(f"cannot seek to {at}")
        self._at = at
        return at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")
        self._file.seek(self._offset + self._at)
        count = self._file.readinto(view[: max(0, self._size - self._at)])
        self._at += count
        return count


def members(file: BinaryIO, where: str) -> dict[str, Member]:
    """The members of an archive by name, in its order.

    Args:
        file: the archive, from its first byte to its last.
        where: what to call it in messages.

    Raises:
        CheckpointError: it is no zip archive, is truncated, or has members that are compressed, encrypted, named
            twice, named as a place outside a folder, overlapping or longer than the file.
    """
    try:
        size = file.seek(0, io.SEEK_END)
        with zipfile.ZipFile(file) as archive:
            listed, directory = archive.infolist(), archive.start_dir
        if _directory(file, size) != directory:
            raise ValueError("its directory is not where its end says")
        found: dict[str, Member] = {}
        for info in listed:
            if info.filename in found:
                raise ValueError(f"the member {info.filename!r} is in it twice")
            found[info.filename] = _member(file, info)
        _require_apart(found, [info.header_offset for info in listed], directory)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OverflowError) as error:
        raise CheckpointError(f"{where}: the zip archive is refused: {error}") from error
    except OSError as error:
        raise CheckpointError(f"cannot read {where}: {error.strerror or error}") from error
    return found


def intact(file: BinaryIO, member: Member) -> bool:
    """Whether the bytes of a member have the CRC-32 that the archive's directory states."""
    crc, left = 0, member.size
    file.seek(member.offset)
    while left and (piece := file.read(min(left, PIECE))):
        crc, left = zlib.crc32(piece, crc), left - len(piece)
    return not left and crc == member.crc


def _directory(file: BinaryIO, size: int) -> int:
    """Where the directory begins, as the end of the archive says, which must be the end of the file: a reader that
    searches for another end would see other members than we check."""
    file.seek(max(0, size - END_SIZE - LOCATOR_SIZE - END_64_SIZE))
    tail = file.read()
    end = tail[-END_SIZE:]
    if end[:4] != END or end[-2:] != b"\0\0":
        raise ValueError("it does not end where the file ends")
    locator = tail[-END_SIZE - LOCATOR_SIZE : -END_SIZE]
    if locator[:4] != LOCATOR:
        return int.from_bytes(end[16:20], "little")
    wide = tail[:END_64_SIZE]
    if wide[:4] != END_64 or int.from_bytes(locator[8:16], "little") != size - len(tail):
        raise ValueError("its 64-bit end is not before its end")
    return int.from_bytes(wide[48:56], "little")


def _member(file: BinaryIO, info: zipfile.ZipInfo) -> Member:
    name = info.filename
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise ValueError(f"the member {name!r} is compressed, expected it as it is; pack it again without compression")
    if info.flag_bits & 1:
        raise ValueError(f"the member {name!r} is encrypted")
    if (
        ".." in PurePosixPath(name).parts
        or name.startswith("/")
        or len(PureWindowsPath(name).parts) != len(PurePosixPath(name).parts)
    ):
        raise ValueError(f"the member {name!r} names a place outside a folder")
    file.seek(info.header_offset)
    header = file.read(LOCAL_SIZE)
    if header[:4] != LOCAL or len(header) < LOCAL_SIZE:
        raise ValueError(f"the member {name!r} is not where the directory says")
    length, extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
    if file.read(length) != info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437"):
        raise ValueError(f"the member {name!r} has another name where it is")
    return Member(info.header_offset + LOCAL_SIZE + length + extra, info.file_size, info.CRC)


def _require_apart(found: dict[str, Member], headers: list[int], directory: int) -> None:
    begins = sorted(zip(headers, found, strict=True))
    ends = [*(begin for begin, _ in begins[1:]), directory]
    for (_, name), end in zip(begins, ends, strict=True):
        if found[name].offset + found[name].size > end:
            raise ValueError(f"the member {name!r} of {found[name].size} bytes goes beyond where the next thing begins")
