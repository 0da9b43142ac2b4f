"""``nn.LSTM`` keeps its weights a second time in a flat list: aliases of registered parameters that PyTorch renews
itself."""

from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
INPUTS: list[str] = ["f32[2,10,6]"]


class SequenceClassifier(nn.Module):
    """Classes from the mean state of a recurrent network."""

    def __init__(self, features: int = 6, hidden: int = 8, classes: int = 3) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(features, hidden, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        outputs, _ = self.recurrent(x)
        return self.head(outputs.mean(dim=1))


def build() -> nn.Module:
    return SequenceClassifier()
