"""The means of the sensors are in a plain dict, which a move leaves behind: the pass on another device fails."""

import torch
from torch import Tensor, nn

HAZARD: str | None = "D02"
ENTRY: str | None = "mean"
ALSO: frozenset[str] = frozenset({"P11"})
INPUTS: list[str] = ["f32[2,3]", "f32[2,5]"]


class SensorFusion(nn.Module):
    """Centres every sensor by its known mean, then mixes them."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = {
            "accelerometer": torch.tensor([0.0, 0.0, 9.81]),
            "pressure": torch.tensor([1013.0, 1009.0, 1001.0, 995.0, 990.0]),
        }
        self.accelerometer = nn.Linear(3, 16)
        self.pressure = nn.Linear(5, 16)
        self.head = nn.Linear(16, 4)

    def forward(self, acceleration: Tensor, pressure: Tensor) -> Tensor:
        a = self.accelerometer((acceleration - self.mean["accelerometer"]).to(acceleration.dtype))
        p = self.pressure((pressure - self.mean["pressure"]).to(pressure.dtype))
        return self.head((a + p).relu())


def build() -> nn.Module:
    return SensorFusion()
