"""Every module is the one that the catalogue describes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from constate.backend import Backend
from constate.catalog import get_reference
from constate.laws.interchange import publish
from constate.laws.law import distance
from constate.state import Kind, is_float
from constate.subject import Subject
from contract.conftest import EXCHANGE


def test_outputs_and_state_agree_with_the_reference(backend: Backend, module: str, tmp_path: Path) -> None:
    """In both modes, step by step, within the bounds that the catalogue states."""
    subject = Subject(backend, get_reference(module), tmp_path)
    reference = subject.reference
    handle, state = subject.golden(), dict(subject.state)
    for training in (False, True, True, False):
        outputs, handle = backend.forward(handle, *subject.inputs, training=training)
        expected, state = reference.apply(state, subject.inputs, training)
        assert distance(outputs, expected) <= reference.bound
        for path, value in state.items():
            bound = max(reference.bound, reference.statistics_bound) if is_float(value.dtype) else 0
            assert distance(backend.read(handle, path), value) <= bound, path


def test_a_fresh_instance_is_neutral(backend: Backend, module: str, tmp_path: Path) -> None:
    """Derived and computed tables are those of the reference without anything being written."""
    subject = Subject(backend, get_reference(module), tmp_path)
    handle = subject.fresh()
    drawn = subject.reference.initial_state(np.random.default_rng(1))
    for path in subject.paths(Kind.CONSTANT, Kind.DERIVED):
        if np.array_equal(subject.state[path], drawn[path]):  # the same for every seed: computed, not drawn
            assert distance(backend.read(handle, path), subject.state[path]) <= 1e-6, path


def test_what_is_committed_for_the_others_is_what_this_backend_writes(
    backend: Backend, module: str, tmp_path: Path
) -> None:
    """The files in ``exchange`` are current: the same state, and the same outputs within the bound."""
    subject = Subject(backend, get_reference(module), tmp_path)
    publish(subject, tmp_path / "out")
    committed = EXCHANGE / backend.flavour / backend.name
    outputs = np.load(tmp_path / "out" / f"{module}.npy")
    assert distance(outputs, np.load(committed / f"{module}.npy")) <= subject.reference.bound
    format = backend.exchange_format
    written = (tmp_path / "out" / f"{module}.safetensors").exists()
    assert (committed / f"{module}.safetensors").exists() == written
    assert written or backend.flavour == "native"
    if written and format is not None:
        files = [folder / f"{module}.safetensors" for folder in (tmp_path / "out", committed)]
        # A file of ours has the same bytes for the same state; the order in other files is anybody's guess.
        arrays = [sorted((str(a.dtype), a.shape, a.tobytes()) for a in backend.stored(file, format)) for file in files]
        assert arrays[0] == arrays[1]
        assert backend.flavour == "native" or files[0].read_bytes() == files[1].read_bytes()
