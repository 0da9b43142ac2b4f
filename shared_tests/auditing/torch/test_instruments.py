"""PyTorch's instruments on modules of every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import constate
from constate.instruments.inputs import parse_all
from constate.state import same_bits
from constate_torch.auditing import Torch


class Norm(nn.Module):
    """A statistic, a cache that is not saved, a parameter of each kind, and a helper within a helper."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))
        self.fixed = nn.Parameter(torch.arange(4.0), requires_grad=False)
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("table", torch.arange(4.0), persistent=False)
        self.register_buffer("absent", None)
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        self.loose = torch.zeros(2)

    def forward(self, x: Tensor, scale: float = 1.0) -> dict[str, object]:
        if self.training:
            with torch.no_grad():
                self.mean.lerp_(x.mean(0), 0.1)
        y = (self.inner(x) - self.mean) * self.weight * scale
        return {"y": y, "parts": [y.sum(), None], "name": "y"}


@pytest.fixture
def instruments() -> Torch:
    made = Torch(Norm)
    made.inputs = parse_all(["f32[3,4]"])
    return made


def test_entries_are_all_there_and_say_what_they_are(instruments: Torch) -> None:
    held = instruments.entries(instruments.build(0))
    assert {"weight", "fixed", "mean", "table", "inner/0/weight", "inner/1/running_var"} <= held.keys()
    assert "absent" not in held
    assert held["weight"].trainable and not held["fixed"].trainable and not held["mean"].trainable
    assert held["mean"].persistent and not held["table"].persistent
    assert held["inner/1/num_batches_tracked"].dtype == "int64"
    assert held["weight"].owner is Norm and held["weight"].name == "weight" and held["weight"].nbytes == 16
    assert instruments.optional(instruments.build(0)) == ["absent"]


def test_read_and_write_are_bit_for_bit(instruments: Torch) -> None:
    module = instruments.build(0)
    value = np.frombuffer(b"\xa5" * 16, np.float32)
    assert same_bits(instruments.read(instruments.write(module, "mean", value), "mean"), value)


def test_what_is_held_outside(instruments: Torch) -> None:
    module = instruments.build(0)
    arrays = {h.path for h in instruments.holdings(module) if instruments.is_array(h.value)}
    assert arrays == {"loose"}
    module.alias = [module.weight, module.mean[:2]]
    assert {h.path for h in instruments.holdings(module) if instruments.is_array(h.value)} == {"loose"}, "aliases"
    module.hidden = [nn.Linear(2, 2)]
    hidden = {h.path for h in instruments.holdings(module) if instruments.is_variable(h.value)}
    assert hidden == {"hidden[0].weight", "hidden[0].bias"}


def test_a_pass_gives_every_array_by_its_path(instruments: Torch) -> None:
    module = instruments.build(0)
    outputs, _ = instruments.run(module, parse_all(["f32[3,4]", "scale=2.0"]).first())
    assert outputs.keys() == {"y", "parts/0"} and outputs["y"].shape == (3, 4)


def test_training_moves_what_is_trained_and_the_same_seed_moves_it_alike(instruments: Torch) -> None:
    assert instruments.inputs is not None
    calls = [instruments.inputs.other(0)] * 2
    first, second = (instruments.train(instruments.build(0), calls, "adamw") for _ in range(2))
    fresh = instruments.build(0)
    assert not same_bits(instruments.read(first, "weight"), instruments.read(fresh, "weight"))
    assert same_bits(instruments.read(first, "fixed"), instruments.read(fresh, "fixed"))
    assert same_bits(instruments.read(first, "inner/0/weight"), instruments.read(second, "inner/0/weight"))


def test_another_seed_draws_other_values(instruments: Torch) -> None:
    values = [instruments.read(instruments.build(seed), "inner/0/weight") for seed in (0, 0, 1)]
    assert same_bits(values[0], values[1]) and not same_bits(values[0], values[2])


def test_construction_is_recorded() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("a", torch.zeros(2))
            self.register_buffer("a", torch.ones(3))
            self.register_buffer("b", None)
            self.register_buffer("b", torch.ones(3))
            self.register_buffer("c", torch.ones(1))
            self.register_buffer("c", torch.ones(1))
            self.one, self.two = nn.Linear(2, 2), nn.Linear(2, 2)
            self.two.weight = self.one.weight
            self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
            self.one.bias.requires_grad = False

    instruments = Torch(Twice)
    module = instruments.build(0)
    assert [(again.path, again.differs) for again in instruments.replaced()] == [("a", True), ("c", False)]
    assert instruments.born_frozen(module) == {"frozen"}


def test_a_graph_is_counted_and_its_holder_named(instruments: Torch) -> None:
    module = instruments.build(0)
    assert instruments.graph_size(module) == 0 and not instruments.graphs(module)
    module.mean = module.mean + module.weight
    assert instruments.graph_size(module) > 0
    assert instruments.graphs(module) == {"mean": "a live autograd graph"}


def test_literals_are_named_by_their_bits(instruments: Torch) -> None:
    class Literal(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.arange(512.0)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.table

    made = Torch(Literal)
    (baked,) = made.literals(made.build(0), parse_all(["f32[2,512]"]).first())
    assert baked.nbytes == 2048 and baked.value is not None
    assert same_bits(baked.value, np.arange(512, dtype=np.float32))


def test_lazy_modules_are_built_by_a_pass() -> None:
    made = Torch(lambda: nn.Sequential(nn.LazyLinear(3)))
    made.inputs = parse_all(["f32[2,5]"])
    assert made.entries(made.build(0))["0/weight"].shape == (3, 5)


@pytest.mark.parametrize(
    "factory",
    [
        lambda: nn.Linear(3, 2),
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()),
        lambda: nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 2)),
        lambda: nn.LSTM(5, 4, batch_first=True),
    ],
    ids=["linear", "convolution", "embedding", "recurrent"],
)
def test_inputs_are_inferred_from_layers(factory: Callable[[], nn.Module]) -> None:
    report = constate.check(factory, laws=["P12"])
    assert str(report.verdicts["P12"]) == "holds", report


def test_inputs_that_cannot_be_known_make_laws_untested() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor, sizes: list[int]) -> Tensor:
            return x.reshape(sizes)

    report = constate.check(Odd, laws=["P12", "P01"])
    assert {law: str(verdict) for law, verdict in report.verdicts.items()} == {"P12": "untested", "P01": "holds"}
    assert "--input" in report.reason("P12")


class Hostile(nn.Module):
    """Everything that breaks a careless walk; the state itself is fine."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.parent_of_child: list[nn.Module] = []
        self.child = nn.Identity()
        object.__setattr__(self.child, "parent", self)
        self.numbers: Iterator[int] = iter(range(10))
        self.asked = 0

    def __getattr__(self, name: str) -> object:
        if name in ("linear", "child"):
            return super().__getattr__(name)
        raise RuntimeError(f"asked for {name}")

    @property
    def effect(self) -> int:
        object.__setattr__(self, "asked", self.asked + 1)
        return self.asked

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) if x.sum() > 0 else self.child(self.linear(-x))


def test_a_hostile_module_breaks_nothing_and_nothing_of_it_runs() -> None:
    report = constate.check(Hostile, ["f32[2,4]"])
    assert not [finding for finding in report.findings if finding.severity == "fail"], report
    module = Torch(Hostile).build(0)
    Torch(Hostile).holdings(module)
    assert module.asked == 0


def test_seven_billion_parameters_are_audited_without_memory() -> None:
    import resource

    class Block(nn.Module):
        def __init__(self, wide: int) -> None:
            super().__init__()
            self.up, self.down = nn.Linear(wide, 4 * wide), nn.Linear(4 * wide, wide)
            self.register_buffer("scale", torch.arange(64.0), persistent=False)
            self.register_buffer("phase", torch.zeros(4, dtype=torch.complex64))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.down(self.up(x).relu())

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = constate.check(lambda: nn.Sequential(*(Block(5120) for _ in range(34))), ["f32[2,5120]"])
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    assert grown < 1, f"{grown:.1f} GiB"
    verdicts = {law: str(verdict) for law, verdict in report.verdicts.items()}
    assert verdicts["P11"] == verdicts["D04"] == "broken"
    assert verdicts["P01"] == verdicts["P12"] == verdicts["N03"] == "holds"
    assert verdicts["P09"] == verdicts["M05"] == "untested" and "GiB" in report.reason("P09")


def test_replicas_that_drift_apart() -> None:
    report = constate.check(Drifting, ["f32[4,3]"], ["S"], distributed=True)
    found = {(finding.law, finding.entry, str(finding.severity)) for finding in report.findings}
    assert {("S01", "noise", "fail"), ("S02", "seen", "fail"), ("S02", "norm/running_mean", "warn")} <= found
    assert not [entry for law, entry, _ in found if entry.startswith("linear")]


class Drifting(nn.Module):
    """A tensor drawn by each replica, one that adds up what it saw, and statistics of its own batch."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(3, 3), nn.BatchNorm1d(3)
        self.noise, self.seen = torch.randn(3), torch.zeros(3)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen += x.detach().sum(0)
        return self.norm(self.linear(x)) + self.noise
