"""What is broken and what is not, on modules of PyTorch that lie close to the line between the two."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import constate
from constate.auditing.finding import Finding
from constate.verdicts import Verdict


def found(factory: Any, law: str, *inputs: str) -> tuple[Verdict, list[Finding]]:
    report = constate.check(factory, list(inputs), laws=[law])
    return report.verdicts[law], report.findings


class Keeper:
    def __init__(self) -> None:
        self.table = torch.arange(4.0)


class Holds(nn.Module):
    """A tensor in a helper, which passes read or do not."""

    def __init__(self, read: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.keeper, self.read = Keeper(), read

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.keeper.table if self.read else self.linear(x)


def test_what_has_no_memory_and_is_not_read_is_information() -> None:
    verdict, (finding,) = found(lambda: Holds(False), "P11", "f32[2,4]")
    assert verdict is Verdict.HOLDS and (finding.severity.value, finding.entry) == ("info", "keeper.table")
    verdict, (finding,) = found(lambda: Holds(True), "P11", "f32[2,4]")
    assert verdict is Verdict.BROKEN and (finding.severity.value, finding.entry) == ("fail", "keeper.table")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "with_a_table.py").write_text(
        "import torch\nTABLE = torch.arange(4.0)\n"
        "class Shifted(torch.nn.Linear):\n"
        "    def forward(self, x):\n        return super().forward(x) + TABLE.to(x.device)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "with_a_table"
    sys.modules.pop("with_a_table", None)


def test_what_a_factory_imports_is_made_with_memory(package: str) -> None:
    def build() -> nn.Module:
        import with_a_table  # type: ignore[import-not-found]

        made: nn.Module = with_a_table.Shifted(4, 4)
        return made

    assert found(build, "P11", "f32[2,4]") == (Verdict.HOLDS, [])


class Gate(nn.Module):
    """A unit that is off at the start and on a little elsewhere, or one whose gradient is zero everywhere."""

    def __init__(self, cut: bool) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.full((1,), 0.04))
        self.cut = cut

    def forward(self, x: Tensor) -> Tensor:
        return x + (0.0 * self.gate + self.gate.detach() if self.cut else torch.relu(self.gate - 0.05))


def test_a_unit_that_is_off_at_the_start_is_no_constant() -> None:
    assert found(lambda: Gate(False), "G03", "f32[2,4]") == (Verdict.HOLDS, [])
    verdict, (finding,) = found(lambda: Gate(True), "G03", "f32[2,4]")
    assert (verdict, finding.severity.value, finding.entry) == (Verdict.BROKEN, "fail", "gate")


class InPlace(nn.Module):
    """A weight that training puts in order, or moves by what it sees."""

    def __init__(self, by_inputs: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(1.0, 5.0))
        self.by_inputs = by_inputs

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                self.weight.mul_(0.9).add_(0.1 * (x.mean(0) if self.by_inputs else self.weight.mean()))
        return x * self.weight


@pytest.mark.parametrize(("by_inputs", "severity"), [(False, "warn"), (True, "fail")])
def test_a_weight_that_passes_write(by_inputs: bool, severity: str) -> None:
    verdict, (finding,) = found(lambda: InPlace(by_inputs), "G01", "f32[2,4]")
    assert (verdict, finding.severity.value, finding.entry) == (Verdict.BROKEN, severity, "weight")


class Carries(nn.Module):
    """A state that every pass moves, in no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.last = torch.zeros(4)

    def forward(self, x: Tensor) -> Tensor:
        self.last = 0.5 * self.last + self.linear(x).mean(0).detach()
        return self.last + x


def test_what_every_pass_moves_is_no_cache() -> None:
    assert found(Carries, "M05", "f32[2,4]") == (Verdict.UNTESTED, [])
    verdict, (finding,) = found(Carries, "P09", "f32[2,4]")
    assert (verdict, finding.severity.value, finding.entry) == (Verdict.BROKEN, "fail", "last")


def test_a_batch_of_one_is_no_constant() -> None:
    """In training mode, normalisation of one row gives zeros, and what is before it gets no gradient."""

    def build() -> nn.Module:
        return nn.Sequential(nn.Conv1d(3, 4, 1), nn.BatchNorm1d(4, momentum=0.0), nn.Conv1d(4, 4, 2), nn.Flatten())

    assert found(build, "G03", "f32[1,3,2]")[0] is Verdict.HOLDS
    assert found(lambda: nn.Sequential(Centred(), nn.Linear(4, 2)), "G03", "f32[1,4]") == (Verdict.HOLDS, [])


class Rounds(nn.Module):
    """The first pass keeps a rounded table, of which all later ones make use."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.kept: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.kept is None:
            weight = self.linear.weight.detach()
            self.kept = weight.round()
        else:
            weight = self.kept
        return x @ weight


def test_a_cache_that_the_first_pass_fills_and_does_not_use_is_stale() -> None:
    verdict, findings = found(Rounds, "M05", "f32[2,4]")
    assert verdict is Verdict.BROKEN and {finding.entry for finding in findings} == {"kept"}


def test_what_is_not_looked_at_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("constate.auditing.hazards.gradients.MOST", 0)
    assert found(lambda: Gate(True), "G03", "f32[2,4]") == (Verdict.UNTESTED, [])


class Centred(nn.Module):
    """Takes the mean over the batch away, in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        return y - y.mean(0) if self.training else y
