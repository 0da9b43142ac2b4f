"""The first pass installs a probe with a lambda: ``torch.save(model)`` and multiprocessing work with a new model
and fail with one that has been used."""

from torch import Tensor, nn

HAZARD: str | None = "P07"
ENTRY: str | None = "hook"
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[4,8]"]


class ProbedNetwork(nn.Module):
    """Counts the rows that its hidden layer has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
        self.probed = False
        self.rows = 0

    def probe(self, activation: Tensor) -> None:
        self.rows += activation.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        if not self.probed:
            self.body[1].register_forward_hook(lambda module, inputs, output: self.probe(output))
            self.probed = True
        return self.body(x)


def build() -> nn.Module:
    return ProbedNetwork()
