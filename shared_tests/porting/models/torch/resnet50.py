"""ResNet-50 (He et al. 2015, https://arxiv.org/abs/1512.03385), with the biases and the constants of Keras."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1.001e-5, momentum=0.01)


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 and a 1x1 convolution, of which the first strides, and the way around them."""

    def __init__(self, inward: int, width: int, stride: int = 1) -> None:
        super().__init__()
        outward = 4 * width
        self.conv1 = nn.Conv2d(inward, width, kernel_size=1, stride=stride)
        self.bn1 = norm(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1)
        self.bn2 = norm(width)
        self.conv3 = nn.Conv2d(width, outward, kernel_size=1)
        self.bn3 = norm(outward)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if inward != outward:
            self.downsample = nn.Sequential(nn.Conv2d(inward, outward, kernel_size=1, stride=stride), norm(outward))

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        activated: Tensor = self.relu(out)
        return activated


class ResNet50(nn.Module):
    """Logits ``[batch, classes]`` of images ``[batch, 3, height, width]``."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3)
        self.bn1 = norm(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._layer(64, 64, blocks=3, stride=1)
        self.layer2 = self._layer(256, 128, blocks=4, stride=2)
        self.layer3 = self._layer(512, 256, blocks=6, stride=2)
        self.layer4 = self._layer(1024, 512, blocks=3, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2048, classes)

    @staticmethod
    def _layer(inward: int, width: int, blocks: int, stride: int) -> nn.Sequential:
        rest = [Bottleneck(4 * width, width) for _ in range(blocks - 1)]
        return nn.Sequential(Bottleneck(inward, width, stride), *rest)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return logits


def build() -> nn.Module:
    return ResNet50(classes=10)


def full() -> nn.Module:
    return ResNet50()
