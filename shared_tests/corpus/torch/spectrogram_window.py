"""The window of a spectrogram lives in the closure of a function on an attribute: a move cannot reach it and the
pass on another device fails."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

HAZARD: str | None = "D02"
ENTRY: str | None = "taper"
ALSO: frozenset[str] = frozenset({"P07", "P11"})
INPUTS: list[str] = ["f32[2,256]"]


def tapering(size: int) -> Callable[[Tensor], Tensor]:
    window = torch.hann_window(size)

    def taper(frames: Tensor) -> Tensor:
        return frames * window

    return taper


class Spectrogram(nn.Module):
    """Power spectrum of overlapping frames, then a projection."""

    def __init__(self, size: int = 64, hop: int = 32, features: int = 16) -> None:
        super().__init__()
        self.size, self.hop = size, hop
        self.taper = tapering(size)
        self.project = nn.Linear(size // 2 + 1, features)

    def forward(self, audio: Tensor) -> Tensor:
        frames = self.taper(audio.float().unfold(-1, self.size, self.hop))
        power = torch.fft.rfft(frames).abs().square()
        return self.project(power.to(audio.dtype))


def build() -> nn.Module:
    return Spectrogram()
