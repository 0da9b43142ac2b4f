"""LeNet for grey digits (LeCun et al. 1998, https://doi.org/10.1109/5.726791), with today's activations."""

from __future__ import annotations

from torch import Tensor, nn


class LeNet(nn.Module):
    """Logits ``[batch, 10]`` of images ``[batch, 1, 28, 28]``."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, kernel_size=5),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(16 * 4 * 4, 120), nn.ReLU(), nn.Linear(120, 10))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x))
        return logits


def build() -> nn.Module:
    return LeNet()
