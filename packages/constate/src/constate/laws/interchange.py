"""X. Interchange: what one framework writes, another reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from constate.errors import first_line
from constate.laws.law import NotApplicable, Untested, attempt, differing, distance, law, require
from constate.subject import Subject


def publish(subject: Subject, folder: Path) -> None:
    """Write what the laws of this chapter need of one module: its state in the backend's exchange format, and then its
    outputs on the common inputs, which show that all is there."""
    backend, name = subject.backend, subject.reference.name
    folder.mkdir(parents=True, exist_ok=True)
    handle = subject.golden()
    outputs, _ = backend.forward(handle, *subject.inputs)
    if backend.exchange_format is not None:
        file = folder / f"{name}.safetensors"
        _, error = attempt(backend.save, handle, file, backend.exchange_format)
        if error is not None:  # the others find no file; why there is none is a matter of the laws of persistence
            file.unlink(missing_ok=True)
    np.save(folder / f"{name}.npy", outputs)


def _peers(subject: Subject) -> list[Path]:
    own = subject.backend.name
    folder = subject.exchange and subject.exchange / subject.backend.flavour
    peers = [path for path in sorted(folder.iterdir()) if path.name != own] if folder and folder.is_dir() else []
    if not peers:
        raise Untested("no other backend took part in this run")
    for peer in peers:
        if not (peer / f"{subject.reference.name}.npy").is_file():  # it was lost on the way, which says nothing of us
            raise Untested(f"{peer.name} did not come to write this module for the others")
    return peers


@law(
    "X01",
    "files",
    reports=["https://github.com/google/flax/issues/866", "https://github.com/huggingface/transformers/issues/12626"],
)
def files(subject: Subject) -> str:
    """A file written by any backend is loaded by every other, bit for bit."""
    backend, name = subject.backend, subject.reference.name
    expected = {path: subject.state[path] for path in subject.persistent}
    if not expected:
        raise NotApplicable("every entry is derived from the configuration, so that there is nothing to hand over")
    faults = []
    peers = _peers(subject)
    for peer in peers:
        file, format = peer / f"{name}.safetensors", backend.exchange_format
        if format is None or not file.exists():
            faults.append(f"{peer.name}: no file format in common")
            continue
        loaded, error = attempt(backend.load, subject.fresh(1), file, format, subject.spec())
        faults += (
            [f"{peer.name}: {first_line(error)}"]
            if error
            else [f"{peer.name}: {line}" for line in differing(subject.read(loaded), expected)]
        )
    return require(faults, f"the files of {', '.join(peer.name for peer in peers)} loaded, with the same bits")


@law(
    "X02",
    "outputs",
    reports=[
        "https://github.com/huggingface/transformers/pull/15332",
        "https://github.com/huggingface/transformers/pull/19454",
    ],
)
def outputs(subject: Subject) -> str:
    """From the same state and inputs, outputs agree with the float64 reference within the bound of the catalogue, and
    with every other backend within twice that."""
    bound = subject.reference.bound
    own, _ = subject.backend.forward(subject.golden(), *subject.inputs)
    expected, _ = subject.reference.apply(subject.state, subject.inputs, False)
    distances = {"the reference": (distance(own, expected), bound)}
    for peer in _peers(subject):
        distances[peer.name] = distance(own, np.load(peer / f"{subject.reference.name}.npy")), 2 * bound
    found = {name: f"{error:.3g} from {name}" for name, (error, _) in distances.items()}
    faults = [f"{found[name]} (bound {limit:g})" for name, (error, limit) in distances.items() if not error <= limit]
    require(faults, "outputs within the bounds")
    return ", ".join(found.values())
