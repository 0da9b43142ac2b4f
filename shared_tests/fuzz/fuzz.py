"""A coverage-guided fuzzer over one reader of checkpoints: ``python fuzz.py FORMAT [SECONDS]``.

It begins with small checkpoints that the format's own writer makes, changes the file that says what is where, and
opens, lists, reads and verifies what comes out. Anything but a refusal in one line is a finding: another exception,
more than 2 GiB of memory, more than 20 seconds. libFuzzer writes the bytes of a finding to ``crash-*`` in the working
folder.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import atheris
import ml_dtypes
import numpy as np

OURS = ["constate", "constate_torch", "constate_flax", "constate_tensorflow", "constate_keras"]

with atheris.instrument_imports(include=OURS):
    from constate.checkpoint import CheckpointError, formats, save_shards
    from constate.checkpoint.formats import Form
    from constate.errors import Unsupported

STATES = (
    {"a": np.arange(6, dtype=np.float32).reshape(2, 3)},
    {"layer/weight": np.ones((3, 2), np.float16), "layer/bias": np.zeros(2, ml_dtypes.bfloat16), "n": np.array(7)},
    {f"block{n}/w": np.full(n + 1, n, np.int8) for n in range(9)},
)
PLACES = {
    "safetensors": "m.safetensors",
    "constate": "m.safetensors",
    "shards": "m.safetensors.index.json",
    "torch": "m.pt",
    "torch-distributed": "m/.metadata",
    "msgpack": "m.msgpack",
    "tensorflow": "m.index",
    "keras-weights": "m.weights.h5",
}
"""By format: the file that is changed."""


def made(format: str, folder: Path) -> Iterator[tuple[Path, Path]]:
    """For every state: what to open, and the file in it that is changed."""
    for number, state in enumerate(STATES):
        place = folder / str(number)
        place.mkdir()
        changed = place / PLACES[format]
        opened = {"torch-distributed": changed.parent, "tensorflow": place / "m"}.get(format, changed)
        if format == "shards":
            save_shards(changed, state, 16)
        else:
            if format == "keras-weights":  # Keras finds a variable by such a name only
                state = {f"layers/{name.replace('/', '_')}/vars/0": array for name, array in state.items()}
            forms = {name: Form(array.shape, str(array.dtype)) for name, array in state.items()}
            formats.get_format(format).write(opened, forms, iter(state.items()))
        yield opened, changed


def main(format: str, seconds: str = "600") -> None:
    """Fuzz one reader for so long."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    with atheris.instrument_imports(include=OURS):
        reader = formats.get_format("constate" if format == "shards" else format)
    places = list(made(format, folder))
    seeds, kept = folder / "seeds", folder / "kept"
    seeds.mkdir()
    kept.mkdir()
    for number, (_, changed) in enumerate(places):
        shutil.copy(changed, seeds / str(number))

    def one(data: bytes) -> None:
        opened, changed = places[len(data) % len(places)]
        changed.write_bytes(data)
        try:
            with reader.open(opened) as checkpoint:
                for name in checkpoint.entries():
                    checkpoint.read(name)
                dict(checkpoint.metadata())
                list(checkpoint.verify())
        except Unsupported:
            pass
        except CheckpointError as refused:
            text = str(refused)
            assert "\n" not in text and len(text) < 2000, text

    arguments = [sys.argv[0], str(kept), str(seeds), f"-max_total_time={seconds}", "-rss_limit_mb=2048", "-timeout=20",
                 "-max_len=8192", "-print_final_stats=1"]  # fmt: skip
    atheris.Setup(arguments, one)
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
