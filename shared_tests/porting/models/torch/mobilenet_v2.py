"""MobileNetV2 (Sandler et al. 2018, https://arxiv.org/abs/1801.04381), with the constants and the padding of Keras."""

from __future__ import annotations

from torch import Tensor, nn

SETTINGS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""For each stage: expansion, channels, blocks, stride of the first block."""


def make_divisible(value: float, divisor: int = 8) -> int:
    """The nearest multiple, at least 90 % of the value."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.001)


class ConvBNReLU(nn.Sequential):
    """A convolution, padded at the end only where it strides over an even size."""

    def __init__(self, inward: int, outward: int, kernel_size: int = 3, stride: int = 1, groups: int = 1) -> None:
        padding = 0 if stride == 2 else kernel_size // 2
        super().__init__(
            *([nn.ZeroPad2d((0, 1, 0, 1))] if stride == 2 else []),
            nn.Conv2d(inward, outward, kernel_size, stride, padding, groups=groups, bias=False),
            norm(outward),
            nn.ReLU6(inplace=True),
        )


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project."""

    def __init__(self, inward: int, outward: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inward * expansion
        self.use_res_connect = stride == 1 and inward == outward
        self.conv = nn.Sequential(
            *([ConvBNReLU(inward, hidden, kernel_size=1)] if expansion != 1 else []),
            ConvBNReLU(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, outward, kernel_size=1, bias=False),
            norm(outward),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.use_res_connect else y


class MobileNetV2(nn.Module):
    """Logits ``[batch, classes]`` of images ``[batch, 3, height, width]``, sizes divisible by 32."""

    def __init__(self, alpha: float = 1.0, classes: int = 1000) -> None:
        super().__init__()
        inward = make_divisible(32 * alpha)
        features: list[nn.Module] = [ConvBNReLU(3, inward, stride=2)]
        for expansion, channels, blocks, first in SETTINGS:
            outward = make_divisible(int(channels * alpha))
            for block in range(blocks):
                features.append(InvertedResidual(inward, outward, first if block == 0 else 1, expansion))
                inward = outward
        last = make_divisible(1280 * max(1.0, alpha))
        features.append(ConvBNReLU(inward, last, kernel_size=1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).mean([2, 3]))
        return logits


def build() -> nn.Module:
    return MobileNetV2(alpha=0.35, classes=10)


def full() -> nn.Module:
    return MobileNetV2()
