"""Modules that can be audited."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from fake_framework.module import Module, Variable

inputs = ["f32[2,4]"]
settings = {"dim": 4}


def given() -> list[Any]:
    """Inputs that are made."""
    return [np.ones((2, 4), np.float32)]


class Clean(Module):
    """Nothing is wrong with it."""

    def __init__(self, dim: int = 4) -> None:
        super().__init__()
        self.state["scale"] = Variable(np.ones(dim))


class Stray(Clean):
    """P01: a variable in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = [Variable(np.ones(4)), Variable(np.ones(4))]


class Uncopied(Clean):
    """P07, a warning: it cannot be copied."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        raise TypeError("not\nthis <one> & 100 %")


class Needs(Clean):
    """It cannot be made without arguments."""

    def __init__(self, dim: int, *, factor: Any) -> None:
        super().__init__(dim)
        self.state["factor"] = Variable(copy.copy(factor))


class Picky(Clean):
    """Its pass fails, but for inputs that nobody gives."""

    def __call__(self, x: Any) -> Any:
        raise ValueError("unknown shape")


class Shape:
    """Something else."""

    area = 1


made = Clean()
