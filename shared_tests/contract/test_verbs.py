"""The public verbs of each package: that they are all there, say what they serve, and work on a module of one's own."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from constate.backend import Backend, get_backend
from constate.catalog import get_reference
from constate.checkpoint import CheckpointError, load, read, save
from constate.laws import LAWS
from constate.state import poisoned, same_bits
from constate.subject import Subject


def verbs_of(name: str) -> ModuleType:
    """The module of verbs of a backend."""
    return importlib.import_module(f"{get_backend(name).package}.verbs")


def test_every_verb_is_public_and_exported(backend_name: str) -> None:
    verbs = verbs_of(backend_name)
    defined = {
        name
        for name, value in vars(verbs).items()
        if getattr(value, "__module__", "") == verbs.__name__ and not name.startswith("_")
    }
    assert set(verbs.__all__) == defined
    package = importlib.import_module(verbs.__package__ or "")
    assert set(package.__all__) == defined
    assert all(getattr(package, name) is getattr(verbs, name) for name in defined)


def test_every_verb_names_the_laws_that_it_serves(backend_name: str) -> None:
    verbs = verbs_of(backend_name)
    for name in verbs.__all__:
        text = inspect.getdoc(getattr(verbs, name)) or ""
        codes = re.findall(r"\b[A-Z]\d\d\b", text)
        assert codes, f"{name} names no law"
        assert set(codes) <= LAWS.keys(), name


@pytest.mark.parametrize("chosen", ["causal_attention", "rotary_embedding", "batch_norm"])
def test_materialise(backend_name: str, chosen: str, tmp_path: Path) -> None:
    """Abstract to real, entries that are not saved included: in one call, or by load where that is enough."""
    backend = get_backend(backend_name)
    subject = Subject(backend, get_reference(chosen), tmp_path)
    path = subject.save(subject.golden())
    verbs, spec = verbs_of(backend_name), subject.spec(1)
    if hasattr(verbs, "materialise"):
        made = verbs.materialise(lambda: backend.build(spec), path)
    else:
        made = backend.load(backend.abstract(spec), path, subject.chosen_format, spec)
    expected = subject.read(subject.golden())
    assert {name: same_bits(backend.read(made, name), value) for name, value in expected.items()} == dict.fromkeys(
        expected, True
    )


def test_what_save_writes_any_reader_of_safetensors_reads(backend_name: str, tmp_path: Path) -> None:
    import safetensors.numpy

    backend = get_backend(backend_name)
    subject = Subject(backend, get_reference("causal_attention"), tmp_path)
    path = subject.save(subject.golden())
    found = safetensors.numpy.load_file(path)
    assert found.keys() == set(subject.persistent)
    assert all(same_bits(value, subject.state[name]) for name, value in found.items())
    assert read(path)[0].keys() == found.keys()


def test_what_was_loaded_does_not_hang_on_its_file(backend_name: str, tmp_path: Path) -> None:
    """Also where the file is overwritten in place, and not replaced."""
    backend = get_backend(backend_name)
    subject = Subject(backend, get_reference("causal_attention"), tmp_path)
    path = subject.save(subject.golden())
    handle = subject.load(subject.fresh(1), path)
    with path.open("r+b") as file:
        file.write(bytes([7]) * path.stat().st_size)
    found = subject.read(handle)
    assert all(same_bits(found[name], subject.state[name]) for name in subject.persistent)


def test_renamed_entries_are_read_by_their_new_names(
    backend_name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that was written when a level had another name; what is not renamed is missing all the same."""
    backend, verbs = get_backend(backend_name), verbs_of(backend_name)
    subject = Subject(backend, get_reference("causal_attention"), tmp_path)
    now = dict(load(subject.save(subject.golden())))
    old = {f"old/{name}": value for name, value in now.items()}
    save(tmp_path / "old.safetensors", old)
    handle = subject.fresh(1)
    target = handle.variables if "variables" in inspect.signature(verbs.load).parameters else handle
    with pytest.raises(CheckpointError, match="missing from the file"):
        verbs.load(target, tmp_path / "old.safetensors")
    with caplog.at_level("INFO", "constate"):
        loaded = verbs.load(target, tmp_path / "old.safetensors", renamed={"old/": ""})
    assert {record.getMessage().partition(": ")[2] for record in caplog.records} == {
        f"old/{name} is read as {name}" for name in now
    }
    verbs.save(loaded if loaded is not None else target, tmp_path / "new.safetensors")
    found = load(tmp_path / "new.safetensors")
    assert found.keys() == now.keys() and all(same_bits(found[name], value) for name, value in now.items())


@pytest.mark.parametrize("damage", ["truncated", "foreign", "missing"])
def test_a_load_that_fails_says_why_and_changes_nothing(backend_name: str, damage: str, tmp_path: Path) -> None:
    backend: Backend = get_backend(backend_name)
    subject = Subject(backend, get_reference("batch_norm"), tmp_path)
    path = subject.save(subject.golden())
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "foreign":
        path.write_bytes(b"\x80\x02}q\x00." * 20)
    else:
        path.unlink()
    target = subject.put(subject.fresh(1), {name: poisoned(subject.state[name]) for name in subject.persistent})
    before = subject.read(target)
    with pytest.raises(CheckpointError, match=re.escape(str(path))):
        subject.load(target, path)
    assert all(same_bits(subject.read(target)[name], value) for name, value in before.items())


def test_a_checkpoint_of_another_size_names_both(backend_name: str, tmp_path: Path) -> None:
    backend = get_backend(backend_name)
    small = Subject(backend, get_reference("frozen_linear"), tmp_path)
    path = small.save(small.golden())
    large = small.large()
    with pytest.raises(CheckpointError) as refused:
        backend.load(backend.build(large.spec()), path, large.chosen_format, large.spec())
    assert "kernel: found shape [16, 32], expected shape [64, 512]" in str(refused.value)
    assert "bias: found shape [32], expected shape [512]" in str(refused.value)


def test_bits_that_are_no_number_survive(backend_name: str, tmp_path: Path) -> None:
    """NaNs with payloads in real entries, and not only in probes."""
    backend = get_backend(backend_name)
    subject = Subject(backend, get_reference("batch_norm"), tmp_path)
    odd = np.frombuffer(np.full(8, 0x7FC0BEEF, np.uint32).tobytes(), np.float32)
    path = subject.save(backend.write(subject.golden(), "mean", odd.copy()))
    assert same_bits(backend.read(subject.load(subject.fresh(1), path), "mean"), odd)
