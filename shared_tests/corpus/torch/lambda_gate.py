"""The activation is a lambda: nothing is lost by it, but the module as a whole cannot be pickled, neither new nor
used."""

from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
WARNS: frozenset[str] = frozenset({"P07"})
INPUTS: list[str] = ["f32[4,8]"]


class GatedUnit(nn.Module):
    """A linear unit with a gate."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 2 * dim)
        self.activation = lambda x: x * x.sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.linear(x).chunk(2, dim=-1)
        return value * self.activation(gate)


def build() -> nn.Module:
    return GatedUnit()
