"""The windows are registered under their size, and two resolutions have the same size: the Hann window is lost and
its resolution silently uses the other's."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "N03"
ENTRY: str | None = "window_64"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,256]"]


class MultiResolutionEnergy(nn.Module):
    """The energies of frames, by several windows and hops."""

    RESOLUTIONS = ((32, 16, torch.hann_window), (64, 32, torch.hann_window), (64, 64, torch.blackman_window))

    def __init__(self) -> None:
        super().__init__()
        for size, _, make in self.RESOLUTIONS:
            self.register_buffer(f"window_{size}", make(size))
        self.gains = nn.Parameter(torch.ones(len(self.RESOLUTIONS)))

    def forward(self, audio: Tensor) -> Tensor:
        energies = []
        for gain, (size, hop, _) in zip(self.gains, self.RESOLUTIONS, strict=True):
            frames = audio.unfold(-1, size, hop) * getattr(self, f"window_{size}")
            energies.append(gain * frames.square().mean(dim=(1, 2)))
        return torch.stack(energies, dim=-1)


def build() -> nn.Module:
    return MultiResolutionEnergy()
