"""Recurrent layers of ``torch.nn``: the gates of one step are parts of one array, and each has two biases.

Equations: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html,
https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from constate.porting.layer import Layer, Piece

GATES = {"lstm": ("input", "forget", "cell", "output"), "gru": ("reset", "update", "new"), "rnn": ("new",)}
"""The gates, in the order in which they are kept."""


def recurrent(path: str, module: Any) -> Iterator[Layer]:
    """One layer for each of those that are stacked, and for each direction."""
    if module.proj_size:
        return
    for number in range(module.num_layers):
        for suffix in ("", "_reverse") if module.bidirectional else ("",):
            end = f"_l{number}{suffix}"
            name = f"l{number}{suffix}"
            yield _layer(f"{path}/{name}" if path else name, path, end, module)


def cell(path: str, module: Any) -> Iterator[Layer]:
    """One step."""
    yield _layer(path, path, "", module)


def _layer(name: str, path: str, end: str, module: Any) -> Layer:
    kind = next(kind for kind in GATES if type(module).__name__.lower().startswith(kind))
    size = module.hidden_size
    before = f"{path}/" if path else ""
    roles: dict[str, tuple[Piece, ...]] = {}
    for number, gate in enumerate(GATES[kind]):
        part = f"[{number * size}:{(number + 1) * size}]"
        taken, held = (Piece(f"{before}weight_{of}{end}", f"o {axis}", part) for of, axis in (("ih", "i"), ("hh", "h")))
        roles |= {f"{gate} kernel": (taken,), f"{gate} recurrent kernel": (held,)}
        if module.bias:
            outer, inner = (Piece(f"{before}bias_{of}{end}", "o", part) for of in ("ih", "hh"))
            if (kind, gate) == ("gru", "new"):  # the reset gate is applied to what the second one is added to
                roles |= {f"{gate} bias": (outer,), f"{gate} recurrent bias": (inner,)}
            else:
                roles |= {f"{gate} bias": (outer, inner)}
    settings = {"activation": module.nonlinearity} if kind == "rnn" else {}
    return Layer(name, kind, roles, settings)
