"""The mean and deviation of the images are globals of the file and never leave the CPU: the pass on another device
fails."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "D02"
ENTRY: str | None = "IMAGENET_"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,3,8,8]"]


IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
IMAGENET_STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


class Stem(nn.Module):
    """Normalises images, then the first convolution."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, width, kernel_size=3, stride=2, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        normal = (images - IMAGENET_MEAN) / IMAGENET_STD
        return self.convolution(normal.to(images.dtype)).relu()


def build() -> nn.Module:
    return Stem()
