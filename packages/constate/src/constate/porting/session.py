"""One module in a process of its own: described, filled, run and saved, as it is told.

Arrays go through files in a folder that both ends know. What the module prints goes to standard error.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from constate import checkpoint
from constate.instruments import Handle, Instruments
from constate.instruments.inputs import Call, Inputs
from constate.porting.described import Described, Entry, once, seen_in
from constate.porting.fused import Cut, calls_of, parted
from constate.porting.layer import LOOSE, Layer
from constate.porting.layering import Called, Layering, layering_of
from constate.porting.synthetic import array_layer, put, synthetic
from constate.state import Array
from constate.workers import channel


class Session:
    """What the requests of one process have in common. Each method answers one kind of request."""

    def __init__(self) -> None:
        self._target = ""
        self._factory: Callable[[], Any]
        self._instruments: Instruments
        self._layering: Layering
        self._handle: Handle
        self._first: dict[str, str] = {}
        self._made_up: list[Layer] = []
        self._shapes: dict[str, tuple[int, ...]] = {}

    def find(self, target: str, out: str | None) -> dict[str, Any]:
        """Import the factory and say which framework its module is of; that has to know the format of ``out``."""
        from constate.auditing.recognising import recognise
        from constate.auditing.targets import resolve

        self._target, self._factory = target, resolve(target)
        kind, self._made = recognise(self._factory)
        self._instruments = kind(self._factory)
        self._layering = layering_of(self._instruments)
        if out is not None:
            self._layering.format_of(Path(out))
        return {"backend": self._instruments.backend, "channels_last": self._layering.channels_last}

    def build(self, inputs: list[str] | None, file: str | None) -> dict[str, Any]:
        """Build the module, and load a checkpoint of it. Inputs that are not given are those the framework knows."""
        from constate.errors import UsageError
        from constate.instruments.inputs import parse_all

        given = self._instruments.infer_inputs(self._made) if inputs is None else parse_all(inputs)
        if given is None:
            raise UsageError(f"{self._target}: what it is called with is not known; give it: --input f32[8,16]")
        self._instruments.inputs = given
        self._handle = self._instruments.build(0)
        if file is not None:
            self._handle = self._layering.load(self._handle, Path(file))
        return {"inputs": given.texts()}

    def describe(self, inputs: str, fused: dict[str, Cut]) -> dict[str, Any]:
        """What the module is made of, from its layers and two passes: as it is, and with synthetic weights.

        Args:
            inputs: a file of what it is called with.
            fused: by path, the dense layers that are to be taken for several.
        """
        entries = self._instruments.entries(self._handle)
        by_identity: dict[int, str] = {}
        self._first = {path: by_identity.setdefault(entry.identity, path) for path, entry in entries.items()}
        shapes = {path: tuple(entry.shape) for path, entry in entries.items()}
        layers = once(self._layering.layers(self._handle), self._first)
        taken = {piece.entry for layer in layers for piece in layer.pieces()}
        call = self._given(checkpoint.load(inputs))
        probe = self._instruments.build(0)
        fresh = self._state(probe)
        calls = {called.layer: called for called in reversed(self._recorded(probe, call))}
        last = self._layering.channels_last
        layers = [seen_in(each, calls[each.path], shapes, last) if each.path in calls else each for each in layers]
        layers = [part for each in layers for part in _parts(each, fused, shapes)]
        rest = [array_layer(path, shapes[path]) for path in dict.fromkeys(self._first.values()) if path not in taken]
        layers = [*layers, *rest]
        self._made_up = [each for each in layers if each.kind != LOOSE or entries[each.path].trainable]
        self._shapes = shapes
        for path, array in self._with_made_up(fresh, own=False).items():
            probe = self._instruments.write(probe, path, array)
        found = Described(
            self._target,
            self._instruments.backend,
            last,
            tuple(self._inputs.texts()),
            {p: Entry(shapes[p], e.dtype, e.trainable) for p, e in entries.items() if self._first[p] == p},
            tuple(layers),
            tuple(part for called in self._recorded(probe, call) for part in _calls(called, fused)),
        )
        return found.to_json()

    def draw(self, out: str) -> dict[str, Any]:
        """Write what the module is called with."""
        arrays: list[Array] = []
        self._inputs.first().map(lambda leaf: arrays.append(leaf) if isinstance(leaf, np.ndarray) else None)
        checkpoint.save(out, {str(number): array for number, array in enumerate(arrays)})
        return {}

    def state(self, out: str) -> dict[str, Any]:
        """Write every array of the module."""
        checkpoint.save(out, self._state(self._handle))
        return {}

    def made_up(self, out: str) -> dict[str, Any]:
        """Write every array of the module, with synthetic weights where there are any, others in each layer."""
        checkpoint.save(out, self._with_made_up(self._state(self._handle), own=True))
        return {}

    def _with_made_up(self, state: Mapping[str, Array], *, own: bool) -> dict[str, Array]:
        found = dict(state)
        for layer in self._made_up:
            for path, parts in synthetic(layer, self._shapes, own=own).items():
                found[path] = put(parts, found[path])
        return found

    def fill(self, file: str) -> dict[str, Any]:
        """Put arrays into the module."""
        for path, array in checkpoint.load(file).items():
            self._handle = self._instruments.write(self._handle, path, array)
        return {}

    def run(self, inputs: str, out: str) -> dict[str, Any]:
        """Run an eval pass and write its outputs."""
        call = self._given(checkpoint.load(inputs))
        before = self._state(self._handle)
        with self._layering.recorded(self._handle) as calls, self._layering.undisturbed(self._handle) as handle:
            outputs, self._handle = self._instruments.run(handle, call)
        self._restore(before)
        checkpoint.save(out, {f"output/{number}": array for number, array in enumerate(outputs.values())})
        return {"outputs": list(outputs), "calls": [call.to_json() for call in calls]}

    def train(self, inputs: str, out: str, wide: bool) -> dict[str, Any]:
        """Write the gradients of the loss in training mode, and the state after a training step; each from the state
        that the module has now, in which it stays."""
        call = self._given(checkpoint.load(inputs))
        before = self._state(self._handle)
        found: dict[str, Array] = {}
        with self._in_precision(wide) as handle, self._layering.undisturbed(handle) as quiet:
            gradients = self._instruments.gradients(quiet, call, training=True)
            found |= {f"gradient/{self._first[p]}": array for p, array in gradients.items() if array is not None}
        self._restore(before)
        with self._in_precision(wide) as handle, self._layering.undisturbed(handle) as quiet:
            after = self._instruments.train(quiet, [call], "sgd")
            found |= {f"after/{path}": array for path, array in self._state(after).items()}
        self._restore(before)
        checkpoint.save(out, found)
        return {}

    def _in_precision(self, wide: bool) -> AbstractContextManager[Handle]:
        return self._layering.wide(self._handle) if wide else nullcontext(self._handle)

    def save(self, out: str) -> dict[str, Any]:
        """Save the module as its framework does, or constate's package for it."""
        self._layering.save(self._handle, Path(out))
        return {}

    @property
    def _inputs(self) -> Inputs:
        assert self._instruments.inputs is not None
        return self._instruments.inputs

    def _recorded(self, handle: Handle, call: Call) -> list[Called]:
        with self._layering.recorded(handle) as calls, self._layering.undisturbed(handle) as quiet:
            self._instruments.run(quiet, call)
        return list(calls)

    def _state(self, handle: Handle) -> dict[str, Array]:
        return {path: self._instruments.read(handle, path) for path in dict.fromkeys(self._first.values())}

    def _restore(self, state: Mapping[str, Array]) -> None:
        for path, array in state.items():
            self._handle = self._instruments.write(self._handle, path, array)

    def _given(self, arrays: Mapping[str, Array]) -> Call:
        """A call with these arrays in their order, and everything else as it is."""
        number = iter(range(len(arrays)))
        return self._inputs.first().map(
            lambda leaf: arrays[str(next(number))] if isinstance(leaf, np.ndarray) else leaf
        )


def _parts(layer: Layer, fused: Mapping[str, Cut], shapes: Mapping[str, tuple[int, ...]]) -> Iterable[Layer]:
    return parted(layer, fused[layer.path], shapes) if layer.path in fused else (layer,)


def _calls(call: Called, fused: Mapping[str, Cut]) -> Iterable[Called]:
    return calls_of(call, fused[call.layer]) if call.layer in fused else (call,)


def serve() -> None:
    """Answer requests until there are no more."""
    from constate.auditing.check import place_of
    from constate.errors import ConstateError

    requests, answer = channel()
    session = Session()
    answer({})
    for request in requests:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the module's own
                found = getattr(session, request.pop("do"))(**request)
        except ConstateError as error:
            found = {"error": str(error)}
        except Exception as error:  # the user's own
            found = {"error": place_of(error)}
        answer(found)


if __name__ == "__main__":
    serve()
