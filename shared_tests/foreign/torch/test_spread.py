"""``spread`` on a module that knows nothing of constate: one of PyTorch's layers, and a buffer that a pass replaces."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from constate.errors import Refused
from constate.state import Array
from constate_torch import save, spread
from constate_torch.spreading import local, on_each

BATCH = torch.linspace(-1, 2, 8 * 4).reshape(8, 4).square()


class Averaging(nn.Module):
    """Replaces its statistic instead of changing it in place."""

    average: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.register_buffer("average", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.linear(x)
        self.average = 0.9 * self.average + 0.1 * outputs.detach().mean(0)
        return outputs - self.average


def trained(module: nn.Module, batch: Tensor) -> dict[str, Tensor]:
    """The state after three steps of Adam."""
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        module(batch).square().mean().backward()
        optimizer.step()
    return {name: local(value).clone() for name, value in module.state_dict().items()}


def replica(rank: int) -> dict[str, Array]:
    """What one of two processes has at the end, each with a seed and half a batch of its own."""
    torch.manual_seed(rank)
    return {name: value.numpy() for name, value in trained(spread(Averaging()), BATCH.chunk(2)[rank]).items()}


def test_two_processes_train_as_one_does() -> None:
    torch.manual_seed(0)
    expected = trained(Averaging(), BATCH)
    for found in on_each(replica):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(torch.from_numpy(found[name]), value, rtol=0, atol=1e-6)


def test_a_distributed_tensor_is_refused_with_the_way_that_there_is(tmp_path: Path) -> None:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        module = spread(nn.Linear(2, 2))
        with pytest.raises(Refused, match=r"^weight: found a tensor that is distributed .* `constate convert` reads"):
            save(module, tmp_path / "m")
    finally:
        dist.destroy_process_group()
    assert not list(tmp_path.iterdir())
