"""The class and distillation tokens are parameters in a plain dict: no optimizer and no checkpoint ever sees them."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "P01"
ENTRY: str | None = "special"
ALSO: frozenset[str] = frozenset({"D02", "P09", "P11"})
INPUTS: list[str] = ["f32[2,6,8]"]


class PatchEncoder(nn.Module):
    """Puts special tokens before the patches and encodes the sequence."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.special = {
            "class": nn.Parameter(0.02 * torch.randn(1, 1, dim)),
            "distillation": nn.Parameter(0.02 * torch.randn(1, 1, dim)),
        }
        self.encoder = nn.TransformerEncoderLayer(dim, nhead=2, dim_feedforward=16, dropout=0.0, batch_first=True)

    def forward(self, patches: Tensor) -> Tensor:
        tokens = [token.expand(patches.shape[0], -1, -1) for token in self.special.values()]
        return self.encoder(torch.cat([*tokens, patches], dim=1))[:, 0]


def build() -> nn.Module:
    return PatchEncoder()
