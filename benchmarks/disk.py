"""At what share of the disk's speed does a state go into a container and come out of it, checksums included?

``python disk.py torch`` prints one JSON object: raw samples in seconds, by shape of the state. The floor of a save is
one ``write`` of the same bytes with fsync and rename; that of a load one ``readinto`` of them into memory that begins
on a page and has been used before. Each stands twice: the second against the first is the noise of the machine. Every
case is run once beforehand, and what it loads has to have the bits that were saved.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from measure import interleave

from constate import checkpoint
from constate.state import Array, same_bits

SHAPES = {"8 of 64 MiB": (8, 64 << 20), "5,000 of 102 KiB": (5_000, 102 << 10), "20,000 of 1 KiB": (20_000, 1 << 10)}
ROUNDS = 9

Case = Callable[[], object]
Cases = Mapping[str, Case]


def state_of(count: int, nbytes: int) -> dict[str, Array]:
    """Random float32 arrays."""
    draw = np.random.default_rng(0)
    return {f"layer{number}": draw.random(nbytes // 4, np.float32) for number in range(count)}


def floors(folder: Path, state: Mapping[str, Array]) -> Cases:
    """A plain write and a plain read of as many bytes, twice each."""
    data = b"".join(array.tobytes() for array in state.values())
    (folder / "source").write_bytes(data)
    memory = memoryview(mmap.mmap(-1, len(data)))

    def write() -> None:
        with (folder / "temporary").open("wb", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        (folder / "temporary").replace(folder / "written")

    def read() -> None:
        with (folder / "source").open("rb", buffering=0) as file:
            rest = memory
            while rest:
                rest = rest[file.readinto(rest) :]

    return {"save plain": write, "save plain again": write, "load plain": read, "load plain again": read}


def require_bits(found: Mapping[str, Array], state: Mapping[str, Array]) -> None:
    """Raise unless every array came back."""
    if found.keys() != state.keys() or not all(same_bits(found[name], state[name]) for name in state):
        raise SystemExit("what was loaded is not what was saved")


def numpy(folder: Path, state: dict[str, Array]) -> Cases:
    """Plain mappings of NumPy arrays; HDF5 is what ``.weights.h5`` of Keras is."""
    import h5py
    import safetensors.numpy as safetensors

    ours, theirs, file = (folder / name for name in ("ours.safetensors", "theirs.safetensors", "theirs.h5"))

    def save() -> None:
        with h5py.File(file, "w") as opened:
            for name, array in state.items():
                opened.create_dataset(name, data=array)

    def load() -> dict[str, Array]:
        with h5py.File(file) as opened:
            return {name: dataset[()] for name, dataset in opened.items()}

    checkpoint.save(ours, state)
    safetensors.save_file(state, theirs)
    save()
    require_bits(checkpoint.load(ours), state)
    return {
        "save constate": lambda: checkpoint.save(ours, state),
        "load constate": lambda: checkpoint.load(ours),
        "load constate, verify=False": lambda: checkpoint.load(ours, verify=False),
        "save safetensors": lambda: safetensors.save_file(state, theirs),
        "load safetensors": lambda: safetensors.load_file(theirs),
        "save HDF5": save,
        "load HDF5": load,
    }


def torch(folder: Path, state: dict[str, Array]) -> Cases:
    """A module of buffers."""
    import safetensors.torch as safetensors
    import torch
    from torch.distributed import checkpoint as distributed

    import constate_torch

    def module(fill: bool) -> torch.nn.Module:
        made = torch.nn.Module()
        for name, array in state.items():
            made.register_buffer(name, torch.from_numpy(array.copy() if fill else np.zeros_like(array)))
        return made

    source, target = module(True), module(False)
    ours, theirs, pickled = (folder / name for name in ("ours.safetensors", "theirs.safetensors", "theirs.pt"))
    alone: Any = {"checkpoint_id": folder / "parts", "no_dist": True}
    constate_torch.save(source, ours)
    safetensors.save_model(source, str(theirs))
    torch.save(source.state_dict(), pickled)
    distributed.save(source.state_dict(), **alone)
    constate_torch.load(target, ours)
    require_bits({name: tensor.numpy() for name, tensor in target.state_dict().items()}, state)
    return {
        "save constate": lambda: constate_torch.save(source, ours),
        "load constate": lambda: constate_torch.load(target, ours),
        "save safetensors": lambda: safetensors.save_model(source, str(theirs)),
        "load safetensors": lambda: safetensors.load_model(target, theirs),
        "save torch.save": lambda: torch.save(source.state_dict(), pickled),
        "load torch.load": lambda: target.load_state_dict(torch.load(pickled, weights_only=True)),
        "save torch.distributed": lambda: distributed.save(source.state_dict(), **alone),
        "load torch.distributed": lambda: distributed.load(target.state_dict(), **alone),  # into the tensors themselves
    }


def jax(folder: Path, state: dict[str, Array]) -> Cases:
    """Variables of Linen."""
    import jax
    import orbax.checkpoint as orbax
    import safetensors.flax as safetensors
    from flax import serialization

    import constate_flax.linen as constate_linen

    def variables(fill: bool) -> dict[str, Any]:
        return {"params": {n: jax.numpy.array(a if fill else np.zeros_like(a)) for n, a in state.items()}}

    source, target = jax.block_until_ready((variables(True), variables(False)))
    ours, theirs, packed = (folder / name for name in ("ours.safetensors", "theirs.safetensors", "theirs.msgpack"))
    saver = orbax.StandardCheckpointer()

    def save() -> None:
        saver.save(folder / "orbax", source, force=True)
        saver.wait_until_finished()

    save()
    constate_linen.save(source, ours)
    safetensors.save_file(dict(source["params"]), str(theirs))  # it puts arrays of NumPy into what it is given
    packed.write_bytes(serialization.to_bytes(source))
    require_bits({n: np.asarray(a) for n, a in constate_linen.load(target, ours)["params"].items()}, state)
    return {
        "save constate": lambda: constate_linen.save(source, ours),
        "load constate": lambda: jax.block_until_ready(constate_linen.load(target, ours)),
        "save safetensors": lambda: safetensors.save_file(dict(source["params"]), str(theirs)),
        "load safetensors": lambda: jax.block_until_ready(safetensors.load_file(str(theirs))),
        "save msgpack": lambda: packed.write_bytes(serialization.to_bytes(source)),
        "load msgpack": lambda: jax.block_until_ready(serialization.from_bytes(target, packed.read_bytes())),
        "save Orbax": save,
        "load Orbax": lambda: jax.block_until_ready(saver.restore(folder / "orbax", target)),
    }


def tensorflow(folder: Path, state: dict[str, Array]) -> Cases:
    """A module of variables."""
    import safetensors.tensorflow as safetensors
    import tensorflow as tf

    import constate_tensorflow

    def module(fill: bool) -> tf.Module:
        made = tf.Module()
        for name, array in state.items():
            setattr(made, name, tf.Variable(array if fill else np.zeros_like(array)))
        return made

    source, target = module(True), module(False)
    ours, theirs, native = folder / "ours.safetensors", folder / "theirs.safetensors", folder / "native"
    constate_tensorflow.save(source, ours)
    tensors = {name: getattr(source, name).value() for name in state}
    safetensors.save_file(dict(tensors), str(theirs))
    tf.train.Checkpoint(source).write(str(native))
    constate_tensorflow.load(target, ours)
    require_bits({name: getattr(target, name).numpy() for name in state}, state)
    return {
        "save constate": lambda: constate_tensorflow.save(source, ours),
        "load constate": lambda: constate_tensorflow.load(target, ours),
        "save safetensors": lambda: safetensors.save_file(dict(tensors), str(theirs)),
        "load safetensors": lambda: safetensors.load_file(str(theirs)),
        "save tf.train.Checkpoint": lambda: tf.train.Checkpoint(source).write(str(native)),
        "load tf.train.Checkpoint": lambda: tf.train.Checkpoint(target).read(str(native)).assert_consumed(),
    }


FRAMEWORKS: dict[str, Callable[[Path, dict[str, Array]], Cases]] = {
    "numpy": numpy,
    "torch": torch,
    "jax": jax,
    "tensorflow": tensorflow,
}


def main(name: str, rounds: str = str(ROUNDS)) -> None:
    """Measure one framework on every shape. The slowest peers take minutes a round."""
    samples = {}
    for shape, (count, nbytes) in SHAPES.items():
        with tempfile.TemporaryDirectory() as scratch:
            state = state_of(count, nbytes)
            samples[shape] = interleave(
                {**floors(Path(scratch), state), **FRAMEWORKS[name](Path(scratch), state)}, int(rounds)
            )
    print(json.dumps(samples))


if __name__ == "__main__":
    main(*sys.argv[1:])
