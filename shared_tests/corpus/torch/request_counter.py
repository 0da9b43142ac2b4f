"""A lock guards a counter of requests: a module with a lock cannot be copied or pickled, and that is all there is
to say."""

import threading

from torch import Tensor, nn

HAZARD: str | None = None
ENTRY: str | None = None
ALSO: frozenset[str] = frozenset()
WARNS: frozenset[str] = frozenset({"P07"})
INPUTS: list[str] = ["f32[4,8]"]


class ServedModel(nn.Module):
    """A network that counts its requests across threads."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
        self.lock = threading.Lock()
        self.requests = 0

    def forward(self, x: Tensor) -> Tensor:
        with self.lock:
            self.requests += 1
        return self.network(x)


def build() -> nn.Module:
    return ServedModel()
