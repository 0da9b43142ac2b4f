"""The trained prompt is a parameter in the closure of a function: it is neither listed nor saved, and a deep copy
of the model shares it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

HAZARD: str | None = "P01"
ENTRY: str | None = "prepend"
ALSO: frozenset[str] = frozenset({"D02", "P07", "P09", "P11"})
INPUTS: list[str] = ["f32[2,6,8]"]


def soft_prompt(count: int, dim: int) -> Callable[[Tensor], Tensor]:
    prompt = nn.Parameter(0.1 * torch.randn(count, dim))

    def prepend(x: Tensor) -> Tensor:
        return torch.cat([prompt.expand(x.shape[0], -1, -1), x], dim=1)

    return prepend


class PromptedEncoder(nn.Module):
    """A recurrent encoder behind a trained prompt."""

    def __init__(self, dim: int = 8, prompts: int = 2) -> None:
        super().__init__()
        self.prepend = soft_prompt(prompts, dim)
        self.encoder = nn.GRU(dim, dim, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        outputs, _ = self.encoder(self.prepend(x))
        return outputs[:, -1]


def build() -> nn.Module:
    return PromptedEncoder()
