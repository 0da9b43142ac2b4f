"""Two normalisations are to share their statistics: the first ``.to("cuda")`` or ``.half()`` gives each of them its
own, and from then on the branches drift apart."""

from torch import Tensor, nn

HAZARD: str | None = "D06"
ENTRY: str | None = "running_mean"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[8,6]", "f32[8,6]"]


class Siamese(nn.Module):
    """Two branches with weights of their own and common statistics."""

    def __init__(self, features: int = 6, dim: int = 8) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(features, dim), nn.Linear(features, dim)
        self.left_norm, self.right_norm = nn.BatchNorm1d(dim), nn.BatchNorm1d(dim)
        self.right_norm.running_mean = self.left_norm.running_mean
        self.right_norm.running_var = self.left_norm.running_var

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        a = self.left_norm(self.left(left)).relu()
        b = self.right_norm(self.right(right)).relu()
        return (a * b).sum(dim=-1)


def build() -> nn.Module:
    return Siamese()
