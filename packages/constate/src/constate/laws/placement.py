"""D. Placement: devices and float types."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from constate.backend import Handle
from constate.errors import Broken, Unsupported, first_line
from constate.laws.law import NotApplicable, Untested, attempt, difference, distance, law, require
from constate.state import Array, dtype_named, is_float, same_bits
from constate.subject import Subject


def _devices(subject: Subject) -> tuple[str, ...]:
    devices = subject.backend.devices()
    if subject.device is None:
        if not devices:
            raise NotApplicable("there is one device only")
        return devices
    if subject.device not in devices:
        raise Untested(f"there is no device {subject.device!r} here; there are {', '.join(devices) or 'none'}")
    return (subject.device,)


@law(
    "D01",
    "follows",
    reports=["https://github.com/dotnet/TorchSharp/issues/845", "https://github.com/pytorch/pytorch/issues/8017"],
)
def follows(subject: Subject) -> str:
    """Every entry follows the module to a device.

    With its shape, its dtype and, where the device has memory, its bits.
    """
    faults, before = [], subject.read(subject.golden())
    for device in _devices(subject):
        moved = subject.backend.move(subject.golden(), device, subject.spec())
        seen = subject.backend.entries(moved)
        faults += [f"{path} is on {seen[path].device}" for path in seen if seen[path].device != device]
        faults += [f"{path} is gone" for path in subject.declared if path not in seen]
        for path in seen.keys() & before.keys():
            form, value = (before[path].shape, str(before[path].dtype)), before[path]
            if (seen[path].shape, seen[path].dtype) != form:
                faults.append(f"{path} became {seen[path].dtype}{list(seen[path].shape)} on {device}")
            found, error = attempt(subject.backend.read, moved, path)
            if error is None and not same_bits(found, value):
                faults.append(f"{path}: on {device} {difference(found, value)}")
    return require(faults, f"every entry on {' and then on '.join(_devices(subject))}")


@law(
    "D02",
    "no stray",
    reports=["https://github.com/pytorch/pytorch/issues/43815", "https://github.com/pytorch/audio/pull/457"],
)
def no_stray(subject: Subject) -> str:
    """After a move nothing stayed behind, plain attributes, lists and dicts included.

    An array that the framework does not know of stays where it was, and the first pass on the new device fails, or
    copies it there at every step.
    """
    faults = []
    for device in _devices(subject):
        handle = subject.golden()
        _, handle = subject.backend.forward(handle, *subject.inputs, training=True)
        moved = subject.backend.move(handle, device, subject.spec())
        strays = subject.backend.strays(moved)
        faults += [f"{path} stayed on {where}" for path, where in strays.items() if where != device]
        _, error = attempt(subject.backend.forward, moved, *subject.inputs)
        if error is not None:
            faults.append(f"a pass on {device} fails: {first_line(error)}")
    return require(faults, "every array of the module on the device, and a pass that runs there")


@law("D03", "born there", reports=["https://github.com/pytorch/pytorch/issues/140602"])
def born_there(subject: Subject) -> str:
    """Under a default-device context every entry is made on that device."""
    faults = []
    for device in _devices(subject):
        seen = subject.backend.entries(subject.backend.build(subject.spec(), device=device))
        faults += [f"{path} was made on {seen[path].device}" for path in seen if seen[path].device != device]
        faults += [f"{path} was not made" for path in subject.declared if path not in seen]
    return require(faults, f"every entry made on {' and then on '.join(_devices(subject))}")


WITNESSES = {
    "witness_int32": np.array([1, 2**24 + 1], np.int32),
    "witness_bool": np.array([True, False]),
    "witness_complex64": np.array([1 + 2j, 3 - 4.5j], np.complex64),
}
"""Entries that a cast to another float type has no business with."""


@law(
    "D04",
    "cast",
    reports=["https://github.com/pytorch/pytorch/issues/95337", "https://github.com/pytorch/pytorch/issues/138952"],
)
def cast(subject: Subject) -> str:
    """Float entries follow a cast unless pinned; pinned ones keep their bits; integers, bools and complex stay.

    A float type is about precision. A pinned table rounded to bfloat16 is wrong for good, a complex entry cast to a
    real type loses half of itself, and a counter in bfloat16 stops at 256.
    """
    handle = subject.golden()
    for name, value in WITNESSES.items():
        handle = subject.backend.register(handle, name, value)
    before = subject.read(handle)
    after = subject.read(subject.backend.cast(handle, "bfloat16", subject.spec(), keep=subject.pinned))
    half = dtype_named("bfloat16")
    faults = []
    for path, value in before.items():
        entry = subject.declared.get(path)
        follows_cast = is_float(value.dtype) and (entry is None or entry.cast)
        expected = value.astype(half) if follows_cast else value
        if path not in after:
            faults.append(f"{path} is gone")
        elif not same_bits(after[path], expected):
            verb = (
                "was not cast" if follows_cast else "was pinned and changed" if entry and not entry.cast else "changed"
            )
            faults.append(f"{path} {verb} ({value.dtype} -> {after[path].dtype})")
    return require(faults, "float entries in bfloat16, all others and the pinned ones as they were")


@law(
    "D06",
    "sharing",
    reports=[
        "https://github.com/pytorch/pytorch/pull/36623",
        "https://github.com/pytorch/torchtitan/issues/2252",
        "https://github.com/huggingface/transformers/pull/44471",
    ],
)
def sharing(subject: Subject) -> str:
    """An entry shared by two places of a module is still one after a move and after a cast.

    Where two are made of it, one is trained, loaded or updated and the other is what it was, and both take memory.
    Tried with a module whose author gave every entry a second place at the root. A way that the framework does not
    have is left out.
    """
    backend = subject.backend
    names = {path: f"{path.replace('/', '_')}_twin" for path in subject.declared}
    spec = backend.shared(subject.spec(), names)

    def parted(handle: Handle) -> list[str]:
        return [path for path, name in names.items() if not backend.is_shared(handle, path, name)]

    if never := parted(backend.build(spec)):
        raise Untested(f"{', '.join(never)} cannot be shared to begin with")
    ways: dict[str, Callable[[Handle], Handle]] = {
        f"a move to {device}": lambda handle, device=device: backend.move(handle, device, spec)
        for device in backend.devices()
    } | {"a cast to bfloat16": lambda handle: backend.cast(handle, "bfloat16", spec, keep=subject.pinned)}
    faults, gone = [], []
    for what, change in ways.items():
        try:
            changed = change(backend.build(spec))
        except Unsupported:
            continue
        gone.append(what)
        faults += [f"{path} is no longer shared after {what}" for path in parted(changed)]
    return require(faults, f"every entry in its two places one after {' and after '.join(gone)}")


@law(
    "D07",
    "precision",
    reports=[
        "https://github.com/huggingface/transformers/issues/25681",
        "https://github.com/EleutherAI/gpt-neox/issues/1003",
    ],
)
def precision(subject: Subject) -> str:
    """Outputs after a cast to bfloat16 are within the bound that the catalogue states, at the end of the range in use.

    Rotary tables at position 100,000 included. The reference has the uncast state and the uncast inputs.
    """
    reference = subject.reference
    inputs = reference.extreme_inputs(np.random.default_rng(1))
    half = dtype_named("bfloat16")

    def rounded(array: Array) -> Array:
        return array.astype(half) if is_float(array.dtype) else array

    handle = subject.backend.cast(subject.golden(), "bfloat16", subject.spec(), keep=subject.pinned)
    outputs, _ = subject.backend.forward(handle, *map(rounded, inputs))
    expected, _ = reference.apply(subject.state, inputs, False)
    error = distance(outputs, expected)
    if not error <= reference.bfloat16_bound:
        raise Broken(f"a largest error of {error:.3g}", f"at most {reference.bfloat16_bound:g}")
    return f"a largest error of {error:.3g}, the bound is {reference.bfloat16_bound:g}"
