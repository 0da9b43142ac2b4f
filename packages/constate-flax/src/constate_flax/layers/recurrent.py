"""Recurrent cells of Flax, whose gates are dense layers of their own, or parts of two.

Equations: https://flax.readthedocs.io/en/latest/api_reference/flax.linen/layers.html#recurrent,
https://flax.readthedocs.io/en/latest/api_reference/flax.nnx/nn/recurrent.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from constate.porting.layer import Layer, Piece
from constate_flax.layers.known import Describe, Find

LSTM = {"input": "i", "forget": "f", "cell": "g", "output": "o"}
GRU = {"reset": "r", "update": "z", "new": "n"}


def apart(kind: str, gates: Mapping[str, str]) -> Describe:
    """A cell with two dense layers for each gate: ``ii`` and ``hi``, ``if`` and ``hf``, …"""

    def describe(path: str, module: Any, find: Find) -> Iterator[Layer]:
        roles: dict[str, tuple[Piece, ...]] = {}
        for gate, letter in gates.items():
            taken, held = (f"{side}{letter}" for side in "ih")
            if find(f"{taken}/kernel") is None:  # a word of Python's
                taken = f"{taken}_"
            roles |= _gate(gate, find, (taken, held), "")
        if roles:
            yield Layer(path, kind, roles)

    return describe


def together(kind: str, gates: Mapping[str, str]) -> Describe:
    """A cell with two dense layers, ``dense_i`` and ``dense_h``, of which each gate is a part."""

    def describe(path: str, module: Any, find: Find) -> Iterator[Layer]:
        roles: dict[str, tuple[Piece, ...]] = {}
        kernel = find("dense_h/kernel")
        if kernel is None:
            return
        size = kernel[1][0]
        for number, gate in enumerate(gates):
            roles |= _gate(gate, find, ("dense_i", "dense_h"), f"{number * size}:{(number + 1) * size}")
        yield Layer(path, kind, roles)

    return describe


def simple(names: tuple[str, str]) -> Describe:
    """A cell with one dense layer for the input and one for what is carried."""

    def describe(path: str, module: Any, find: Find) -> Iterator[Layer]:
        if not getattr(module, "residual", False) and find(f"{names[0]}/kernel") is not None:
            yield Layer(path, "rnn", _gate("new", find, names, ""), {"activation": _name(module.activation_fn)})

    return describe


def _gate(gate: str, find: Find, names: tuple[str, str], part: str) -> dict[str, tuple[Piece, ...]]:
    """The roles of one gate: of its input and of what is carried, with the biases that either has."""
    found: dict[str, tuple[Piece, ...]] = {}
    biases = []
    for role, name, axis in ((f"{gate} kernel", names[0], "i"), (f"{gate} recurrent kernel", names[1], "h")):
        kernel, bias = find(f"{name}/kernel"), find(f"{name}/bias")
        if kernel is not None:
            found[role] = (Piece(kernel[0], f"{axis} o", f"[:, {part}]" if part else ""),)
        if bias is not None:
            biases.append(Piece(bias[0], "o", f"[{part}]" if part else ""))
    if len(biases) == 2:  # only where the reset gate comes between
        return found | {f"{gate} bias": (biases[0],), f"{gate} recurrent bias": (biases[1],)}
    return found | ({f"{gate} bias": (biases[0],)} if biases else {})


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", function))
