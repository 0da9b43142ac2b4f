"""A coverage-guided fuzzer over one reader of checkpoints: ``python fuzz.py FORMAT [SECONDS]``.

It begins with small checkpoints that the format's own writer makes (``load`` in the place of a format stands for
``constate.checkpoint.load``, ``shards`` for a container in several files), changes the file that says what is where,
opens, lists, reads and verifies what comes out. The first byte of an input says which of the checkpoints is changed,
and whether lengths and checksums are put right again, without which a reader would look no further. Anything but a
refusal in one line is a finding: another exception, a warning, something that is written, more than 2 GiB of memory,
more than 20 seconds. libFuzzer writes the bytes of a finding to ``crash-*`` in the working folder.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris
import mending
import ml_dtypes
import numpy as np

OURS = ["constate", "constate_torch", "constate_flax", "constate_tensorflow", "constate_keras"]

with atheris.instrument_imports(include=OURS):
    import seeds

    from constate.checkpoint import CheckpointError, formats, load
    from constate.checkpoint.formats import Form, Format, Reader
    from constate.errors import Unsupported
    from constate.state import Array

STATES = (
    {"a": np.arange(6, dtype=np.float32).reshape(2, 3)},
    {"layer/weight": np.ones((3, 2), np.float16), "layer/bias": np.zeros(2, ml_dtypes.bfloat16), "n": np.array(7)},
    {f"block{n}/w": np.full(n + 1, n, np.int8) for n in range(9)},
)
MEND = 0x80
"""In the first byte of an input: whether lengths and checksums are put right."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
FORBIDDEN = {
    "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "os.utime", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.putenv", "subprocess.Popen",
    "socket.connect", "shutil.rmtree",
}  # fmt: skip
"""What no reader does, as Python's audit events call it."""


class Watch:
    """Notes what Python does between ``with`` and its end that reading does not need."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._on = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._on and (
            event in FORBIDDEN or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES)
        ):
            self.seen.append(f"{event}{arguments}")

    def __enter__(self) -> None:
        self._on = True

    def __exit__(self, *_: object) -> None:
        self._on = False


class Loading(Reader):
    """``constate.checkpoint.load``, as if it were the reader of a format."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._arrays = load(path, verify=False)

    def entries(self) -> dict[str, Form]:
        return dict.fromkeys(self._arrays, Form((), "bool"))

    def read(self, name: str) -> Array:
        return self._arrays[name].copy()

    def verify(self) -> Iterator[tuple[str, str]]:
        return iter([("", "") for _ in load(self.path)])


def reader_of(format: str) -> Callable[[Path], Reader]:
    """What opens a checkpoint."""
    if format == "load":
        return Loading
    found: Format = formats.get_format("constate" if format == "shards" else format)
    return found.open


def look(read: Callable[[Path], Reader], opened: Path) -> None:
    """Read all of it, or be refused in one line."""
    try:
        with read(opened) as checkpoint:
            for name in checkpoint.entries():
                checkpoint.read(name)
            dict(checkpoint.metadata())
            checkpoint.policies()
            list(checkpoint.verify())
    except Unsupported:
        pass
    except CheckpointError as refused:
        text = str(refused)
        assert "\n" not in text and len(text) < 2000, text


def listed(folder: Path) -> list[str]:
    """Everything in a folder, at all levels."""
    return sorted(str(Path(at, name)) for at, inner, files in os.walk(folder) for name in (*inner, *files))


def starts(places: list[seeds.Place]) -> Iterator[bytes]:
    """Each place as it is, with and without mending."""
    for number, place in enumerate(places):
        content = place.changed.read_bytes()
        yield bytes([number]) + content
        yield bytes([number | MEND]) + content


def main(format: str, seconds: str = "600") -> None:
    """Fuzz one reader for so long."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    with atheris.instrument_imports(include=OURS):
        read = reader_of(format)
        places = list(seeds.places(format, folder / "places", STATES))
        mend = mending.MENDING.get(format, bytes)
    first, kept = folder / "first", folder / "kept"
    first.mkdir()
    kept.mkdir()
    for number, content in enumerate(found := list(starts(places))):
        (first / str(number)).write_bytes(content)
    content = [place.changed.read_bytes() for place in places]
    expected, watch = listed(folder / "places"), Watch()

    def one(data: bytes) -> None:
        number = (data[0] & ~MEND) % len(places) if data else 0
        opened, changed = places[number]
        changed.write_bytes(mend(data[1:]) if data and data[0] & MEND else data[1:])
        try:
            with watch, warnings.catch_warnings(record=True) as noise:
                warnings.simplefilter("always")
                look(read, opened)
        finally:
            changed.write_bytes(content[number])
        assert not noise, noise[0]
        assert not watch.seen, watch.seen
        assert listed(folder / "places") == expected

    longest = max(8192, 2 * max(map(len, found)))
    arguments = [sys.argv[0], str(kept), str(first), f"-max_total_time={seconds}", "-rss_limit_mb=2048", "-timeout=20",
                 f"-max_len={longest}", "-print_final_stats=1"]  # fmt: skip
    atheris.Setup(arguments, one)
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
