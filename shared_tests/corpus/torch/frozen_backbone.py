"""The backbone is frozen for transfer learning: waking it later is a choice and no accident, worth a warning at
most."""

from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
WARNS: frozenset[str] = frozenset({"G07"})
INPUTS: list[str] = ["f32[2,3,8,8]"]


class Transfer(nn.Module):
    """A trained head on a frozen backbone."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, kernel_size=3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(8, classes)
        for parameter in self.backbone.parameters():
            parameter.requires_grad = False

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images).flatten(1))


def build() -> nn.Module:
    return Transfer()
