"""The checkpoints that the fuzzer begins with: small, and made by the format's own writer or its framework."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from constate.checkpoint import formats, save_shards
from constate.checkpoint.formats import Form
from constate.state import Array


class Place(NamedTuple):
    """What is opened, and the file in it that is changed."""

    opened: Path
    changed: Path


def places(format: str, folder: Path, states: Sequence[Mapping[str, Array]]) -> Iterator[Place]:
    """The checkpoints of a format, each in a folder of its own, for each of the files in it that can be changed."""
    for number, state in enumerate(states):
        place = folder / str(number)
        place.mkdir(parents=True)
        for opened, *changed in MAKERS[format](place, state):
            yield from (Place(opened, file) for file in changed)


Maker = Callable[[Path, Mapping[str, Array]], Iterator[Sequence[Path]]]
"""Yields for each checkpoint what is opened, and then the files in it that are changed."""


def _write(format: str, path: Path, state: Mapping[str, Array]) -> None:
    forms = {name: Form(array.shape, str(array.dtype)) for name, array in state.items()}
    formats.get_format(format).write(path, forms, iter(state.items()))


def _file(format: str, name: str) -> Maker:
    def make(place: Path, state: Mapping[str, Array]) -> Iterator[Sequence[Path]]:
        _write(format, place / name, state)
        yield place / name, place / name

    return make


def _shards(place: Path, state: Mapping[str, Array]) -> Iterator[Sequence[Path]]:
    path = place / "m.safetensors.index.json"
    save_shards(path, state, 16)
    yield path, path


def _distributed(place: Path, state: Mapping[str, Array]) -> Iterator[Sequence[Path]]:
    _write("torch-distributed", place / "m", state)
    yield place / "m", place / "m" / ".metadata"


def _tensorflow(place: Path, state: Mapping[str, Array]) -> Iterator[Sequence[Path]]:
    _write("tensorflow", place / "m", state)
    yield place / "m", place / "m.index"


def _saved_model(place: Path, state: Mapping[str, Array]) -> Iterator[Sequence[Path]]:
    import tensorflow as tf

    module = tf.Module()
    module.state = {name.replace("/", "_"): tf.Variable(array) for name, array in state.items()}
    tf.saved_model.save(module, str(place / "m"))
    yield place / "m", place / "m" / "variables" / "variables.index"


def _as_keras(state: Mapping[str, Array]) -> dict[str, Array]:
    """By such names only does Keras find a variable."""
    return {f"layers/{name.replace('/', '_')}/vars/0": array for name, array in state.items()}


def _keras_weights(place: Path, state: Mapping[str, Array]) -> Iterator[Sequence[Path]]:
    yield from _file("keras-weights", "m.weights.h5")(place, _as_keras(state))


def _keras(place: Path, state: Mapping[str, Array]) -> Iterator[Sequence[Path]]:
    _write("keras-weights", weights := place / "model.weights.h5", _as_keras(state))
    path = place / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        archive.writestr("config.json", '{"module": "keras", "class_name": "Sequential", "config": {}}')
        archive.write(weights, weights.name)
    weights.unlink()
    yield path, path


def _orbax(place: Path, state: Mapping[str, Array]) -> Iterator[Sequence[Path]]:
    """In a database, and with a folder for each array."""
    import orbax.checkpoint as ocp

    packed, loose = place / "packed", place / "loose"
    _write("orbax", packed, state)
    yield packed, packed / "_METADATA", packed / "manifest.ocdbt"
    ocp.Checkpointer(ocp.PyTreeCheckpointHandler(use_ocdbt=False)).save(loose, dict(state))
    yield loose, loose / "_METADATA", next(iter(sorted(loose.rglob(".zarray"))))


MAKERS: dict[str, Maker] = {
    "safetensors": _file("safetensors", "m.safetensors"),
    "constate": _file("constate", "m.safetensors"),
    "load": _file("constate", "m.safetensors"),
    "shards": _shards,
    "torch": _file("torch", "m.pt"),
    "torch-distributed": _distributed,
    "msgpack": _file("msgpack", "m.msgpack"),
    "orbax": _orbax,
    "tensorflow": _tensorflow,
    "saved-model": _saved_model,
    "keras": _keras,
    "keras-weights": _keras_weights,
}
