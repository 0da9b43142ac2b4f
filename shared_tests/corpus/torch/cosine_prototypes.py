"""The normalised prototypes are kept between evaluations: after ``load_state_dict`` a model that has been used goes
on answering with the old ones."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "M05"
ENTRY: str | None = "_unit"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class CosineClassifier(nn.Module):
    """Classes by the cosine to prototypes, which are normalised once for evaluation."""

    def __init__(self, dim: int = 8, classes: int = 5) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(torch.randn(classes, dim))
        self._unit: Tensor | None = None

    def train(self, mode: bool = True) -> "CosineClassifier":
        self._unit = None if mode else self._unit
        return super().train(mode)

    def unit(self) -> Tensor:
        if self.training:
            return nn.functional.normalize(self.prototypes, dim=-1)
        kept, now = self._unit, self.prototypes
        if kept is None or kept.device != now.device or kept.dtype != now.dtype:
            self._unit = kept = nn.functional.normalize(now.detach(), dim=-1)
        return kept

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.normalize(x, dim=-1) @ self.unit().T


def build() -> nn.Module:
    return CosineClassifier()
