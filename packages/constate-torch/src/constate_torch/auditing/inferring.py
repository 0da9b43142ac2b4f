"""What a module may be called with, from what it says of itself and from its layers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from constate.instruments.inputs import Call, Drawn, Inputs
from constate_torch.auditing.tensors import bits, modules

BATCH = 2


def candidates(made: object) -> Iterator[Inputs]:
    """Inputs to try, the likeliest first."""
    if not isinstance(made, nn.Module):
        return
    for name in ("dummy_inputs", "example_input_array"):  # transformers, Lightning
        if name in dir(type(made)):
            try:
                given = getattr(made, name)
            except Exception:
                continue
            if isinstance(given, dict):
                yield Inputs(Call((), {key: _kept(value) for key, value in given.items()}))
            elif isinstance(given, Tensor):
                yield Inputs(Call((_kept(given),)))
    needed = _needed(made)
    if needed is None:
        return
    for _, module in modules(made):
        for form in _forms(module):
            yield Inputs(Call((form,) * needed))


def _kept(value: Any) -> Any:
    from constate.instruments.inputs import Given

    return Given(bits(value)) if isinstance(value, Tensor) and not value.is_meta else value


def _needed(module: nn.Module) -> int | None:
    """How many arguments a pass must have, where that is one to three."""
    try:
        parameters = inspect.signature(type(module).forward).parameters.values()
    except (TypeError, ValueError):
        return None
    required = [p for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD][1:]
    return len(required) if 1 <= len(required) <= 3 else None


def _forms(module: nn.Module) -> list[Drawn]:
    """What the first layers of a module take."""
    if isinstance(module, nn.Linear):
        width = module.in_features
        return [Drawn("float32", (BATCH, width)), Drawn("float32", (BATCH, 8, width))]
    if isinstance(module, nn.Embedding):
        return [Drawn("int64", (BATCH, 8), float(module.num_embeddings))]
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        spatial = len(module.kernel_size)
        return [Drawn("float32", (BATCH, module.in_channels, *[size] * spatial)) for size in (16, 64)]
    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
        dims = {nn.BatchNorm1d: 0, nn.BatchNorm2d: 2, nn.BatchNorm3d: 3}[type(module)] if type(module) in (
            nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d) else 0  # fmt: skip
        return [Drawn("float32", (BATCH, module.num_features, *[8] * dims))]
    if isinstance(module, nn.LayerNorm):
        return [Drawn("float32", (BATCH, 8, *module.normalized_shape))]
    if isinstance(module, (nn.LSTM, nn.GRU, nn.RNN)):
        return [Drawn("float32", (BATCH, 8, module.input_size))]
    return []
