"""P. Persistence: what a file holds, and what a bad file may do."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from constate.backend import Handle
from constate.errors import Broken, first_line
from constate.laws.law import NotApplicable, attempt, differing, distance, law, require
from constate.state import Array, Kind, dtype_named, flip_bits, poisoned, same_bits
from constate.subject import Subject

DTYPES = (
    "float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2",
    "int64", "int32", "int16", "int8", "uint8", "bool", "complex64",
)  # fmt: skip
FLIPS = 40
TRUNCATIONS = 5
EXTRA = "extra_entry"


def probes() -> dict[str, Array]:
    """One array for every dtype, with bits that a careless conversion changes, and some of unusual layouts."""
    rng = np.random.default_rng(754)
    values: dict[str, Array] = {}
    for name in DTYPES:
        dtype = dtype_named(name)
        raw = rng.integers(0, 256, (12, dtype.itemsize), dtype=np.uint8)
        raw[0], raw[1], raw[2] = 0xFF, 0x7F, 0  # NaNs with every payload bit set, then zero
        raw[3, -1] = 0x80  # a negative value, or a negative subnormal
        values[f"probe_{name}"] = (
            raw.view(np.uint8).reshape(-1) % 2 == 1 if name == "bool" else raw.reshape(-1).view(dtype)
        )
    base = rng.standard_normal((6, 10)).astype(np.float32)
    scalar = np.array(3.1415, np.float32)
    return values | {
        "probe_strided": base[:, ::2].T,
        "probe_strided_bfloat16": base.astype(dtype_named("bfloat16"))[::2, 1::3],
        "probe_zero_size": np.zeros((0, 3), np.float32),
        "probe_scalar": scalar,
        "probe_scalar_int64": np.array(2**40 + 1),
    }


def _round_trip(subject: Subject, values: dict[str, Array]) -> list[str]:
    source, target = subject.golden(), subject.fresh(1)
    for name, value in values.items():
        source = subject.backend.register(source, name, value)
        target = subject.backend.register(target, name, np.zeros(value.shape, value.dtype))
    expected = {path: subject.state[path] for path in subject.persistent} | values
    return differing(subject.read(subject.load(target, subject.save(source))), expected)


@law("P02", "exact", per_format=True, reports=["https://github.com/keras-team/keras/pull/19091"])
def exact(subject: Subject) -> str:
    """Save then load is bit for bit: float64, 32, 16, bfloat16, both float8, int8 to int64, uint8, bool, complex64,
    zero-size, 0-d, NaN payloads, strided sources.

    Each of these is registered beside the module's own entries, and all are compared by bits. Where the whole set
    cannot be saved or loaded, each is tried alone, so that the report names the ones at fault.
    """
    values = probes()
    faults, error = attempt(_round_trip, subject, values)
    if error is not None:
        faults = []
        for name, value in values.items():
            alone, refused = attempt(_round_trip, subject, {name: value})
            faults += [f"{name}: {first_line(refused)}"] if refused else alone
        faults = faults or [first_line(error)]
    return require(faults, "the same bits for every dtype and layout")


@law("P03", "derived stays out", per_format=True, reports=["https://github.com/huggingface/transformers/issues/6882"])
def derived_stays_out(subject: Subject) -> str:
    """A derived entry is in no checkpoint and is there, correct, after load.

    A table that is saved goes stale when the configuration changes, and makes checkpoints of different lengths
    incompatible; a table that is not there after load is worse.
    """
    derived = subject.paths(Kind.DERIVED)
    if not derived:
        raise NotApplicable("the module carries no derived entry")
    source, target = subject.golden(), subject.fresh(1)
    before = subject.read(target)
    path = subject.save(source)
    stored = subject.backend.stored(path, subject.chosen_format)
    faults = [f"{name} is in the file" for name in derived if any(_same_values(a, before[name]) for a in stored)]
    after = subject.read(subject.load(target, path))
    faults += differing(after, {name: before[name] for name in derived})
    for name in derived & after.keys():
        if distance(after[name], subject.state[name]) > 1e-6:
            faults.append(f"{name} is not what the configuration gives")
    return require(
        faults, f"no {', '.join(sorted(derived))} in the file, and the computed value in the module after load"
    )


def _same_values(a: Array, b: Array) -> bool:
    """Whether one array is the other, be it in another shape or dtype."""
    return a.size == b.size and np.array_equal(a.reshape(-1).astype(np.float64), b.reshape(-1).astype(np.float64))


def _refuses_what_fits(subject: Subject, path: Path) -> list[str]:
    """A load that refuses every file refuses nothing for a reason."""
    _, error = attempt(subject.load, subject.fresh(1), path)
    return [f"a sound file that fits: {first_line(error)}"] if error else []


def _mismatches(subject: Subject) -> Iterator[tuple[str, Path, Callable[[], Handle], tuple[str, ...]]]:
    """A file and a target that do not fit, in four ways: what is wrong, the file, how to make the target, and the
    words of which an error has to name one of each group."""
    narrow, wide = np.ones(37, np.float32), np.ones(41, np.float32)
    half = np.ones(37, np.float16)
    cases: dict[str, tuple[Array | None, Array | None, tuple[str, ...]]] = {
        "missing": (None, narrow, ()),
        "unexpected": (narrow, None, ()),
        "wrong shape": (narrow, wide, ("37", "41")),
        "wrong dtype": (narrow, half, ("float32|F32|f32|float", "float16|F16|f16|half")),
    }
    for what, (saved, wanted, words) in cases.items():
        source = subject.golden()
        if saved is not None:
            source = subject.backend.register(source, EXTRA, saved)

        def target(wanted: Array | None = wanted) -> Handle:
            made = subject.fresh(1)
            made = subject.put(made, {path: flip_bits(subject.state[path]) for path in subject.persistent})
            return made if wanted is None else subject.backend.register(made, EXTRA, wanted)

        yield what, subject.save(source), target, (EXTRA, *words)


@law(
    "P04",
    "strict",
    per_format=True,
    reports=["https://github.com/google/flax/issues/2436", "https://github.com/pytorch/pytorch/issues/187138"],
)
def strict(subject: Subject) -> str:
    """A missing, an unexpected, a wrong-shape and a wrong-dtype entry is each refused, and the error names the entry,
    what was expected and what was found.

    Whatever is let through in silence is a module with half of its state from somewhere else. A file that fits has to
    be accepted.
    """
    faults = _refuses_what_fits(subject, subject.save(subject.golden()))
    for what, path, target, words in _mismatches(subject):
        handle = target()
        _, error = attempt(subject.load, handle, path)
        if error is None:
            faults.append(f"{what}: accepted")
            continue
        text = str(error).replace(str(subject.folder), "")  # a folder may have any number in its name
        if unnamed := [word for word in words if not re.search(rf"(?<![A-Za-z0-9])({word})(?![0-9])", text)]:
            faults.append(f"{what}: refused without naming {', '.join(unnamed)} ({first_line(error)})")
    return require(faults, "each refused with an error that names the entry, what was expected and what was found")


@law(
    "P05",
    "atomic",
    per_format=True,
    reports=["https://github.com/stanfordnlp/dspy/pull/9741", "https://github.com/safetensors/safetensors/issues/645"],
)
def atomic(subject: Subject) -> str:
    """After a refused load every entry has the bits it had before.

    Else a program that catches the error and goes on runs with a module that is neither the old one nor the new.
    Tried with the four mismatches of P04 and with a file cut in half.
    """
    faults, refused = [], 0
    cases = [(what, path, target) for what, path, target, _ in _mismatches(subject)]
    cut = subject.save(subject.golden())
    largest = max(_files(cut), key=lambda file: file.stat().st_size)
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    for what, path, target in [*cases, ("cut in half", cut, cases[1][2])]:
        handle = target()
        before = subject.read(handle)
        _, error = attempt(subject.load, handle, path)
        if error is None:
            continue
        refused += 1
        after = subject.read(handle)
        faults += [f"{what}: {line}" for line in differing(after, before)]
        faults += [f"{what}: {path} is new" for path in after if path not in before]
    if not refused:
        raise Broken("no bad file was refused, so that nothing was left as it was", "refusals that change nothing")
    return require(faults, f"the same bits in every entry after each of {refused} refusals")


def _files(path: Path) -> list[Path]:
    """The files of a checkpoint that is a file, a folder or a prefix; none of them empty."""
    return sorted(file for file in path.parent.rglob("*") if file.is_file() and file.stat().st_size)


def _damaged(subject: Subject, path: Path) -> Iterator[tuple[str, Path]]:
    """Copies of a checkpoint, each with one defect."""
    rng = np.random.default_rng(2305)
    files = _files(path)
    sizes = np.array([file.stat().st_size for file in files])
    for index in range(FLIPS + TRUNCATIONS):
        folder = subject.folder / f"damaged_{index}"
        shutil.copytree(path.parent, folder)
        which = int(rng.choice(len(files), p=sizes / sizes.sum()))
        damaged = folder / files[which].relative_to(path.parent)
        data = bytearray(damaged.read_bytes())
        if index < FLIPS:
            position = int(rng.integers(len(data)))
            data[position] ^= 1 << int(rng.integers(8))
            what = "flipped bit"
        else:
            del data[int(rng.integers(len(data))) :]
            what = "truncation"
        damaged.write_bytes(data)
        yield what, folder / path.name
        shutil.rmtree(folder)


@law(
    "P06",
    "intact",
    per_format=True,
    reports=[
        "https://github.com/safetensors/safetensors/issues/220",
        "https://github.com/pytorch/pytorch/issues/126952",
    ],
)
def intact(subject: Subject) -> str:
    """A truncated file and a file with any one bit flipped is refused.

    40 random bits are flipped, one at a time, and 5 truncations made; the report says how many were let through and
    how many of those changed a value that was then used. The sound file has to be accepted.
    """
    path = subject.save(subject.golden())
    faults = _refuses_what_fits(subject, path)
    expected = {path: subject.state[path] for path in subject.persistent}
    garbage = {path: poisoned(value) for path, value in expected.items()}
    accepted: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for what, damaged in _damaged(subject, path):
        target = subject.put(subject.fresh(1), garbage)
        loaded, error = attempt(subject.load, target, damaged)
        if error is None:
            accepted[what] += 1
            wrong[what] += bool(differing(subject.read(loaded), expected))
    totals = {"flipped bit": FLIPS, "truncation": TRUNCATIONS}
    faults += [
        f"{n} of {totals[what]} {what}s accepted, {wrong[what]} of them with wrong values"
        for what, n in accepted.items()
    ]
    return require(faults, f"all of {FLIPS} flipped bits and {TRUNCATIONS} truncations refused")


@law(
    "P13",
    "optional",
    per_format=True,
    reports=[
        "https://github.com/pytorch/pytorch/issues/8104",
        "https://github.com/pytorch/pytorch/issues/28340",
        "https://github.com/google/flax/issues/2474",
    ],
)
def optional(subject: Subject) -> str:
    """An entry that is None in the target and present in the file, and the reverse, is loaded or refused by name, never
    lost.

    A bias that is switched off, statistics that are not there yet: the names agree and the module is another one.
    None on both sides has to be accepted.
    """
    backend = subject.backend
    value = np.linspace(1, 2, 37, dtype=np.float32)

    def present(handle: Handle) -> Handle:
        return backend.register(handle, EXTRA, value)

    def absent(handle: Handle) -> Handle:
        return backend.register_none(handle, EXTRA)

    cases = {
        "None in both": (absent, absent),
        "in the file and None in the module": (present, absent),
        "None in the file and there in the module": (absent, present),
    }
    expected = {path: subject.state[path] for path in subject.persistent}
    faults, answers = [], []
    for what, (source, target) in cases.items():
        saved = source(subject.golden())
        handle = subject.put(target(subject.fresh(1)), {EXTRA: flip_bits(value)} if target is present else {})
        loaded, error = attempt(lambda saved=saved, handle=handle: subject.load(handle, subject.save(saved)))
        if error is not None:
            answers.append(f"{what}: refused")
            if source is target or EXTRA not in str(error).replace(str(subject.folder), ""):
                by_name = "" if source is target else " without its name"
                faults.append(f"{what}: refused{by_name} ({first_line(error)})")
            continue
        answers.append(f"{what}: loaded")
        after = subject.read(loaded)
        faults += [f"{what}: {line}" for line in differing(after, expected)]
        if source is present and not (EXTRA in after and same_bits(after[EXTRA], value)):
            faults.append(f"{what}: lost in silence")
        elif source is absent and EXTRA in after:
            faults.append(f"{what}: the module goes on with what it had")
    require(faults, "loaded or refused by name, either way")
    return "; ".join(answers)
