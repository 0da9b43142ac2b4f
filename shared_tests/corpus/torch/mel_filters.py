"""The mel filters are a NumPy array that each pass turns into a tensor: it works everywhere in eager mode, and
``torch.export`` writes all of it into the program as a literal."""

import numpy as np
import torch
from torch import Tensor, nn

HAZARD: str | None = "C06"
ENTRY: str | None = "filters"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,65]"]


def triangles(bands: int, bins: int) -> np.ndarray:
    centres = np.expm1(np.linspace(0.0, np.log1p(bins - 1), bands + 2))
    rising = (np.arange(bins) - centres[:-2, None]) / np.diff(centres)[:-1, None]
    falling = (centres[2:, None] - np.arange(bins)) / np.diff(centres)[1:, None]
    return np.clip(np.minimum(rising, falling), 0.0, None).astype(np.float32)


class MelBands(nn.Module):
    """The log energies of a power spectrum in bands, then a linear layer."""

    def __init__(self, bands: int = 16, bins: int = 65) -> None:
        super().__init__()
        self.filters = triangles(bands, bins)
        self.linear = nn.Linear(bands, 8)

    def forward(self, spectrum: Tensor) -> Tensor:
        filters = torch.from_numpy(self.filters).to(spectrum)
        return self.linear((spectrum.square() @ filters.T + 1e-3).log())


def build() -> nn.Module:
    return MelBands()
