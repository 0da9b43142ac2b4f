"""Reads a file of Keras once for every byte that may be damaged. Run in a process of its own: what it looks for is a
crash of the library underneath, or that it never ends."""

from __future__ import annotations

import sys
from pathlib import Path

from constate.checkpoint import CheckpointError
from constate_keras.formats.weights import KerasWeights


def main(path: Path) -> None:
    """Every byte that is not in a stretch of zeros, with one bit and with all bits changed."""
    content = path.read_bytes()
    read = refused = 0
    for place, byte in enumerate(content):
        if not byte and not any(content[max(0, place - 2) : place]):
            continue
        for bits in (1 << place % 8, 0xFF):
            path.write_bytes(content[:place] + bytes([byte ^ bits]) + content[place + 1 :])
            try:
                with KerasWeights().open(path) as reader:
                    for name in reader.entries():
                        reader.read(name)
                read += 1
            except CheckpointError as error:
                assert "\n" not in str(error)
                refused += 1
    print(read, refused)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
