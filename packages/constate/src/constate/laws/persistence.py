"""P. Persistence: what an instance lists, and what becomes of it when it is copied, stopped or built anew."""

from __future__ import annotations

from collections import Counter

import numpy as np

from constate.backend import Handle
from constate.errors import first_line
from constate.laws.law import attempt, differing, distance, law, require
from constate.state import Kind, flip_bits, poisoned, same_bits
from constate.subject import Subject


@law(
    "P01",
    "listed",
    reports=["https://github.com/keras-team/keras/issues/11019", "https://github.com/pytorch/pytorch/issues/17484"],
)
def listed(subject: Subject) -> str:
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
    if len(names) > len(subject.declared):
        faults.append(f"{len(names)} names are listed for {len(subject.declared)} entries")
    again = backend.listing(second)
    if again != names:
        faults.append(f"a second instance lists {again[:3]} where the first lists {names[:3]}")
    return require(
        faults, f"the entries {', '.join(subject.declared)}, each under one path that is the same in every instance"
    )


@law("P07", "copies", reports=["https://github.com/pytorch/pytorch/issues/54580"])
def copies(subject: Subject) -> str:
    """Deepcopy, pickle and clone keep every entry and share nothing.

    Averaged models, target networks and worker processes are made by copying; copies are made after a training pass,
    when caches are warm. A copy that still computes with the original (a function that was bound to it) shares it.
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
        again = backend.copy(original, how)
        answer, _ = backend.forward(again, *subject.inputs)
        subject.put(original, {path: poisoned(value) for path, value in before.items()})
        if not same_bits(backend.forward(again, *subject.inputs)[0], answer):
            faults.append(f"{how}: the copy computes with the original")
    return require(faults, "the same bits in every entry of the copy, and no memory shared")


@law("P09", "resumes", reports=["https://github.com/huggingface/transformers/issues/17032"])
def resumes(subject: Subject) -> str:
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
    return require(faults, "the same bits in every entry and in the outputs")


@law("P11", "abstract build", reports=["https://github.com/huggingface/transformers/issues/45902"])
def abstract_build(subject: Subject) -> str:
    """Build without memory, materialise, poison every byte, load: every entry is right, derived ones too.

    This is how large models are loaded. What the file does not hold keeps whatever bytes the memory had. An instance
    that gives bits and keeps what is written to it has memory.
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
    faults += [f"{name} has memory at once" for name in shapes if _has_memory(subject, name)]
    real = backend.materialise(abstract, subject.spec(1))
    for name in backend.entries(real):
        real = backend.write(real, name, poisoned(expected[name]))
    faults += differing(subject.read(subject.load(real, path)), expected)
    return require(faults, "every entry as in an instance that was built with memory")


def _has_memory(subject: Subject, name: str) -> bool:
    abstract = subject.backend.abstract(subject.spec(1))
    value, error = attempt(subject.backend.read, abstract, name)
    if error is not None or value.dtype == np.object_:
        return False
    written, error = attempt(subject.backend.write, abstract, name, flip_bits(value))
    return error is None and same_bits(subject.backend.read(written, name), flip_bits(value))


@law("P12", "stable keys", reports=["https://github.com/pytorch/rl/issues/1594"])
def stable_keys(subject: Subject) -> str:
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
    return require(faults, f"the keys {', '.join(names) or '(none)'} throughout")
