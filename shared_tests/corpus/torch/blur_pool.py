"""The binomial kernel of a blur is the frozen weight of a convolution: unfreezing the network makes the filter a
trained one."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "G07"
ENTRY: str | None = "blur"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,3,8,8]"]


class BlurPool(nn.Module):
    """Convolution, then downsampling behind a fixed blur."""

    def __init__(self, channels: int = 3, width: int = 4) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, width, kernel_size=3, padding=1)
        self.blur = nn.Conv2d(width, width, kernel_size=3, stride=2, padding=1, groups=width, bias=False)
        binomial = torch.tensor([1.0, 2.0, 1.0]) / 4
        with torch.no_grad():
            self.blur.weight.copy_(torch.outer(binomial, binomial).expand(width, 1, 3, 3))
        self.blur.weight.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        return self.blur(self.convolution(images).relu())


def build() -> nn.Module:
    return BlurPool()
