"""P. Persistence: what is saved, what is restored, and what a bad file may do."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from constate.backend import Handle
from constate.laws.law import Broken, NotApplicable, attempt, differing, distance, first_line, law, require
from constate.state import Array, Kind, dtype_named, flip_bits, poisoned, same_bits
from constate.subject import Subject

DTYPES = (
    "float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2",
    "int64", "int32", "int16", "int8", "uint8", "bool", "complex64",
)  # fmt: skip
FLIPS = 40
TRUNCATIONS = 5
EXTRA = "extra_entry"


@law("P01", "listed")
def listed(subject: Subject) -> None:
    """Every persistent entry stands in the native state listing under one path, and a second instance has the same
    paths.

    Whatever is not listed is not saved, and a path that differs from one instance to the next cannot be found again.
    """
    backend = subject.backend
    first, second = subject.fresh(0), subject.fresh(1)
    seen, faults = backend.entries(first), []
    for path, entry in subject.declared.items():
        if path not in seen:
            faults.append(f"{path} is not listed")
        elif (seen[path].shape, seen[path].dtype) != (entry.shape, entry.dtype):
            faults.append(f"{path} is {seen[path].dtype}{list(seen[path].shape)}")
        elif entry.persistent and not seen[path].persistent:
            faults.append(f"{path} would not be saved")
    faults += [f"{path} is listed and not declared" for path in seen if path not in subject.declared]
    names = backend.listing(first)
    faults += [f"{count} entries are listed as {name!r}" for name, count in Counter(names).items() if count > 1]
    if len(names) < len(subject.persistent):
        faults.append(f"{len(names)} entries are listed")
    again = backend.listing(second)
    if again != names:
        faults.append(f"a second instance lists {again[:3]} where the first lists {names[:3]}")
    require(
        faults, f"the entries {', '.join(subject.declared)}, each under one path that is the same in every instance"
    )


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


@law("P02", "exact", per_format=True)
def exact(subject: Subject) -> None:
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
    require(faults, "the same bits for every dtype and layout")


@law("P03", "derived stays out", per_format=True)
def derived_stays_out(subject: Subject) -> None:
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
    faults = [f"{name} is in the file" for name in derived if any(same_bits(a, before[name]) for a in stored)]
    after = subject.read(subject.load(target, path))
    faults += differing(after, {name: before[name] for name in derived})
    for name in derived & after.keys():
        if distance(after[name], subject.state[name]) > 1e-6:
            faults.append(f"{name} is not what the configuration gives")
    require(faults, f"no {', '.join(sorted(derived))} in the file, and the computed value in the module after load")


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


@law("P04", "strict", per_format=True)
def strict(subject: Subject) -> None:
    """A missing, an unexpected, a wrong-shape and a wrong-dtype entry is each refused, and the error names the entry,
    what was expected and what was found.

    Whatever is let through in silence is a module with half of its state from somewhere else.
    """
    faults = []
    for what, path, target, words in _mismatches(subject):
        handle = target()
        _, error = attempt(subject.load, handle, path)
        if error is None:
            faults.append(f"{what}: accepted")
        elif unnamed := [word for word in words if not re.search(rf"(?<![A-Za-z0-9])({word})(?![0-9])", str(error))]:
            faults.append(f"{what}: refused without naming {', '.join(unnamed)} ({first_line(error)})")
    require(faults, "each refused with an error that names the entry, what was expected and what was found")


@law("P05", "atomic", per_format=True)
def atomic(subject: Subject) -> None:
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
    require(faults, "the same bits in every entry after the refusal")


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


@law("P06", "intact", per_format=True)
def intact(subject: Subject) -> None:
    """A truncated file and a file with any one bit flipped is refused.

    40 random bits are flipped, one at a time, and 5 truncations made; the report says how many were let through and
    how many of those changed a value that was then used.
    """
    path = subject.save(subject.golden())
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
    require(
        [
            f"{n} of {totals[what]} {what}s accepted, {wrong[what]} of them with wrong values"
            for what, n in accepted.items()
        ],
        f"all of {FLIPS} flipped bits and {TRUNCATIONS} truncations refused",
    )


@law("P07", "copies")
def copies(subject: Subject) -> None:
    """Deepcopy, pickle and clone keep every entry and share nothing.

    Averaged models, target networks and worker processes are made by copying; copies are made after a training pass,
    when caches are warm.
    """
    backend, faults = subject.backend, []
    for how in backend.copies():
        _, original = backend.forward(subject.golden(), *subject.inputs, training=True)
        before = subject.read(original)
        copied, error = attempt(backend.copy, original, how)
        if error is not None:
            faults.append(f"{how}: {first_line(error)}")
            continue
        faults += [f"{how}: {line}" for line in differing(subject.read(copied), before)]
        own = {seen.identity: path for path, seen in backend.entries(original).items() if before[path].size}
        shared = [own[seen.identity] for seen in backend.entries(copied).values() if seen.identity in own]
        faults += [f"{how}: {path} is shared" for path in shared]
        subject.put(copied, {path: flip_bits(value) for path, value in subject.read(copied).items()})
        faults += [
            f"{how}: writing to the copy changed the original, {line}"
            for line in differing(subject.read(original), before)
        ]
    require(faults, "the same bits in every entry of the copy, and no memory shared")


@law("P09", "resumes")
def resumes(subject: Subject) -> None:
    """Train, save, load into a differently seeded instance, train on: the same bits as never having stopped.

    Whatever a constructor draws or a pass moves and a checkpoint leaves out shows here.
    """
    batches = subject.batches(6)

    def train(handle: Handle, steps: slice) -> Handle:
        return subject.backend.train(handle, batches[steps], "sgd", "trainable").handle

    straight = train(subject.trainable(), slice(0, 3))
    path = subject.save(straight)
    straight = train(straight, slice(3, 6))
    other = subject.backend.register(subject.fresh(1), "trained_probe", np.zeros(3, np.float32), kind=Kind.PARAMETER)
    resumed = train(subject.load(other, path), slice(3, 6))
    faults = differing(subject.read(resumed), subject.read(straight))
    outputs = [subject.backend.forward(handle, *subject.inputs)[0] for handle in (resumed, straight)]
    if not same_bits(*outputs):
        faults.append(f"the outputs differ by {distance(*outputs):.3g}")
    require(faults, "the same bits in every entry and in the outputs")


@law("P11", "abstract build")
def abstract_build(subject: Subject) -> None:
    """Build without memory, materialise, poison every byte, load: every entry is right, derived ones too.

    This is how large models are loaded. What the file does not hold keeps whatever bytes the memory had.
    """
    backend = subject.backend
    path = subject.save(subject.golden())
    expected = subject.read(subject.golden())
    abstract = backend.abstract(subject.spec(1))
    shapes = {name: f"{seen.dtype}{list(seen.shape)}" for name, seen in backend.entries(abstract).items()}
    faults = [
        f"{name} is {shapes.get(name, 'missing')} before it has memory"
        for name, value in expected.items()
        if shapes.get(name) != f"{value.dtype}{list(value.shape)}"
    ]
    real = backend.materialise(abstract, subject.spec(1))
    for name in backend.entries(real):
        real = backend.write(real, name, poisoned(expected[name]))
    faults += differing(subject.read(subject.load(real, path)), expected)
    require(faults, "every entry as in an instance that was built with memory")


@law("P12", "stable keys")
def stable_keys(subject: Subject) -> None:
    """The key set is the same in train and eval mode, before and after a forward pass.

    Else a checkpoint that was written at one moment cannot be loaded at another.
    """
    backend, handle = subject.backend, subject.golden()
    names, faults = backend.listing(handle), []
    for training in (False, True, False):
        _, handle = backend.forward(handle, *subject.inputs, training=training)
        changed = set(backend.listing(handle)) ^ set(names)
        mode = "training" if training else "eval"
        faults += [f"{name} came or went with a pass in {mode} mode" for name in sorted(changed)]
    require(faults, f"the keys {', '.join(names) or '(none)'} throughout")
