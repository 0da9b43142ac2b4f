"""Recurrent cells of Keras: the gates are parts of one array.

Equations: https://keras.io/api/layers/recurrent_layers/lstm/, https://keras.io/api/layers/recurrent_layers/gru/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from constate.porting.layer import Layer, Piece

Find = Callable[[Any], str]
"""The path of a variable."""


def lstm(path: str, cell: Any, find: Find) -> Iterator[Layer]:
    """The gates in the order of ``units``: input, forget, cell, output."""
    yield Layer(path, "lstm", _gates(cell, find, ("input", "forget", "cell", "output")))


def gru(path: str, cell: Any, find: Find) -> Iterator[Layer]:
    """With ``reset_after``, the default, the reset gate is applied to a product, as in PyTorch and Flax; without it, to
    what is multiplied, which is another layer."""
    gates = ("update", "reset", "new")
    roles = _gates(cell, find, gates)
    if cell.reset_after and cell.bias is not None:
        for number, gate in enumerate(gates):
            part = f"{number * cell.units}:{(number + 1) * cell.units}"
            outer, inner = (Piece(find(cell.bias), "o", f"[{row}, {part}]") for row in range(2))
            if gate == "new":
                roles |= {f"{gate} bias": (outer,), f"{gate} recurrent bias": (inner,)}
            else:
                roles |= {f"{gate} bias": (outer, inner)}
    yield Layer(path, "gru" if cell.reset_after else "gru_reset_before", roles)


def simple(path: str, cell: Any, find: Find) -> Iterator[Layer]:
    """One gate."""
    yield Layer(path, "rnn", _gates(cell, find, ("new",)), {"activation": getattr(cell.activation, "__name__", "")})


def _gates(cell: Any, find: Find, gates: tuple[str, ...]) -> dict[str, tuple[Piece, ...]]:
    roles: dict[str, tuple[Piece, ...]] = {}
    for number, gate in enumerate(gates):
        part = f"{number * cell.units}:{(number + 1) * cell.units}"
        roles[f"{gate} kernel"] = (Piece(find(cell.kernel), "i o", f"[:, {part}]"),)
        roles[f"{gate} recurrent kernel"] = (Piece(find(cell.recurrent_kernel), "h o", f"[:, {part}]"),)
        if cell.bias is not None:
            roles[f"{gate} bias"] = (Piece(find(cell.bias), "o", f"[{part}]"),)
    return roles
