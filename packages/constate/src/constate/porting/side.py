"""The parent's end of a process that has one module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from constate import checkpoint
from constate.errors import UsageError
from constate.porting.described import Described
from constate.porting.fused import Cut
from constate.porting.layering import Called
from constate.porting.proving import Trained
from constate.state import Array
from constate.workers import Worker, WorkerLost

LIMIT = 900.0
"""Seconds for one step."""


Evaluated: TypeAlias = tuple[dict[str, Array], list[Called]]
"""The outputs of an eval pass by name, in their order, and what it calls."""


class Lost(UsageError):
    """The process ended, or did not answer in time."""


class Side:
    """A module in a process of its own.

    Args:
        name: ``source`` or ``target``.
        target: the factory as the user named it.
        folder: where arrays go between it and this process.
    """

    def __init__(self, name: str, target: str, folder: Path) -> None:
        self.name = name
        self.target = target
        self._folder = folder
        self._worker = Worker("constate.porting.session")

    def find(self, out: Path | None) -> dict[str, Any]:
        """Import it: the backend, and whether channels come last there.

        Args:
            out: what it will be saved as.
        """
        return self._ask("find", target=self.target, out=None if out is None else str(out))

    def build(self, inputs: list[str] | None, file: Path | None) -> list[str]:
        """Build it, load a checkpoint of it, and say what it is called with."""
        built = self._ask("build", inputs=inputs, file=None if file is None else str(file))
        return list(built["inputs"])

    def describe(self, inputs: Mapping[str, Array], fused: Mapping[str, Cut] = {}) -> Described:
        """What it is made of, as passes with these inputs tell it.

        Args:
            inputs: what it is called with, by number.
            fused: by path, the dense layers that are to be taken for several.
        """
        checkpoint.save(self._file("inputs"), inputs)
        return Described.from_json(self._ask("describe", inputs=self._file("inputs"), fused=dict(fused)))

    def draw(self) -> dict[str, Array]:
        """What it is called with, by number and in that order, which a file does not keep."""
        self._ask("draw", out=self._file("drawn"))
        return dict(sorted(checkpoint.load(self._file("drawn"), verify=False).items(), key=lambda item: int(item[0])))

    def state(self) -> dict[str, Array]:
        """Its arrays by path."""
        self._ask("state", out=self._file("state"))
        return dict(checkpoint.load(self._file("state"), verify=False))

    def made_up(self) -> dict[str, Array]:
        """Its arrays by path, with synthetic weights."""
        self._ask("made_up", out=self._file("made-up"))
        return dict(checkpoint.load(self._file("made-up"), verify=False))

    def fill(self, arrays: Mapping[str, Array]) -> None:
        """Put arrays into it."""
        checkpoint.save(self._file("filled"), arrays)
        self._ask("fill", file=self._file("filled"))

    def run(self, inputs: Mapping[str, Array]) -> Evaluated:
        """The outputs of an eval pass by name, in their order, and what it calls."""
        checkpoint.save(self._file("inputs"), inputs)
        answer = self._ask("run", inputs=self._file("inputs"), out=self._file("outputs"))
        found = checkpoint.load(self._file("outputs"), verify=False)
        outputs = {name: np.array(found[f"output/{number}"]) for number, name in enumerate(answer["outputs"])}
        return outputs, list(map(Called.from_json, answer["calls"]))

    def train(self, inputs: Mapping[str, Array], *, wide: bool) -> Trained:
        """The gradients of the loss and the state after a training step, in float64 or in the module's own precision.

        Raises:
            UsageError: a pass fails.
        """
        checkpoint.save(self._file("inputs"), inputs)
        self._ask("train", inputs=self._file("inputs"), out=self._file("trained"), wide=wide)
        found = checkpoint.load(self._file("trained"), verify=False)
        gradients, after = (
            {key.removeprefix(part): found[key] for key in found if key.startswith(part)}
            for part in ("gradient/", "after/")
        )
        return Trained(self.state(), gradients, after)

    def save(self, out: Path) -> None:
        """Save it."""
        self._ask("save", out=str(out))

    def close(self) -> None:
        """End it."""
        self._worker.stop()

    def _file(self, name: str) -> str:
        return str(self._folder / f"{self.name}-{name}.safetensors")

    def _ask(self, do: str, **request: Any) -> dict[str, Any]:
        try:
            answer = self._worker.ask({"do": do, **request}, LIMIT)
        except WorkerLost as error:
            raise Lost(f"the {self.name}, {self.target}: {error}") from None
        if "error" in answer:
            raise UsageError(f"the {self.name}, {self.target}: {answer['error']}")
        return answer
