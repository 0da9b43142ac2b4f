"""Train a module for a few steps and save it: TARGET FILE INPUT..."""

from __future__ import annotations

import sys
from pathlib import Path

from constate.auditing.recognising import recognise
from constate.auditing.targets import resolve
from constate.instruments.inputs import parse_all
from constate.porting.layering import layering_of

STEPS = 3


def train(target: str, file: str, inputs: list[str]) -> None:
    factory = resolve(target)
    kind, _ = recognise(factory)
    instruments = kind(factory)
    instruments.inputs = parse_all(inputs)
    handle = instruments.build(7)
    handle = instruments.train(handle, [instruments.inputs.other(step) for step in range(STEPS)], "adam")
    layering_of(instruments).save(handle, Path(file))


if __name__ == "__main__":
    train(*sys.argv[1:3], sys.argv[3:])
