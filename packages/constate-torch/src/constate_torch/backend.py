"""The torch backend in both flavours: PyTorch as it is, and with the verbs of this package in their places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from constate.backend import Backend, Spec
from constate.state import Array, Kind
from constate_torch import verbs
from constate_torch.arrays import BY_NAME, from_numpy
from constate_torch.native import Native


class Right(Native):
    """PyTorch with the verbs that it gets wrong put right."""

    flavour = "constate"

    def formats(self) -> dict[str, str]:
        return {"constate": ".safetensors"}

    @property
    def exchange_format(self) -> str | None:
        return "constate"

    def save(self, handle: nn.Module, path: Path, format: str) -> None:
        verbs.save(handle, path)

    def load(self, handle: nn.Module, path: Path, format: str, spec: Spec | None = None) -> nn.Module:
        verbs.load(handle, path, build=spec.factory if spec else None)
        return handle

    def stored(self, path: Path, format: str) -> list[Array]:
        return super().stored(path, "safetensors")

    @property
    def engine(self) -> Callable[[nn.Module], nn.Module]:
        return verbs.spread

    def move(self, handle: nn.Module, device: str, spec: Spec) -> nn.Module:
        return verbs.move(handle, device)

    def cast(self, handle: nn.Module, dtype: str, spec: Spec, *, keep: Sequence[str] = ()) -> nn.Module:
        return verbs.cast(handle, BY_NAME[dtype], keep=keep)

    def register(
        self, handle: nn.Module, name: Any, value: Array, *, kind: Kind = Kind.CONSTANT, replace: bool = False
    ) -> nn.Module:
        if kind is Kind.PARAMETER:
            return super().register(handle, name, value, kind=kind)
        verbs.register(handle, name, from_numpy(value), persistent=kind is not Kind.DERIVED, replace=replace)
        return handle

    def assign(self, handle: nn.Module, path: str, value: Any) -> nn.Module:
        verbs.assign(handle, path, from_numpy(value) if hasattr(value, "dtype") else value)
        return handle


FLAVOURS: dict[str, type[Backend]] = {"native": Native, "constate": Right}
