"""The public verbs on modules that know nothing of constate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm, weight_norm

import constate_torch
from constate.checkpoint import CheckpointError
from constate.errors import Refused
from constate_torch.arrays import to_numpy
from constate_torch.state import entries, overlapping


def bits(module: nn.Module) -> dict[str, bytes]:
    return {path: to_numpy(tensor).tobytes() for path, tensor in entries(module).items()}


def holding(make: Callable[[], Any]) -> Callable[[], nn.Module]:
    """Builds a module with one buffer."""

    def build() -> nn.Module:
        module = nn.Module()
        module.register_buffer("entry", make())
        return module

    return build


class Tied(nn.Module):
    """A parameter under two names, a view of it, and a shared buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(4, 3)
        self.head = nn.Linear(3, 4, bias=False)
        self.head.weight = self.embedding.weight
        self.register_buffer("row", self.embedding.weight.detach()[1])
        self.register_buffer("table", torch.randn(2))
        self.head.register_buffer("table", self.table)


class Extra(nn.Linear):
    def get_extra_state(self) -> torch.Tensor:
        return torch.ones(2)

    def set_extra_state(self, state: Any) -> None: ...


def layer() -> nn.Module:
    return nn.TransformerDecoderLayer(4, 2, 8)


BUILDS: dict[str, Callable[[], Any]] = {
    "tied": Tied,
    "lstm": lambda: nn.LSTM(3, 4, 2, bidirectional=True),
    "attention": lambda: nn.MultiheadAttention(4, 2),
    "transformer": layer,
    "batch_norm": lambda: nn.BatchNorm2d(3),
    "sync_batch_norm": lambda: nn.SyncBatchNorm(3),
    "spectral_norm": lambda: parametrizations.spectral_norm(nn.Linear(3, 4)),
    "weight_norm": lambda: parametrizations.weight_norm(nn.Linear(3, 4)),
    "old_spectral_norm": lambda: spectral_norm(nn.Linear(3, 4)),
    "old_weight_norm": lambda: weight_norm(nn.Linear(3, 4)),
    "embedding_bag": lambda: nn.EmbeddingBag(4, 3),
    "complex": holding(lambda: torch.randn(3, dtype=torch.complex64)),
    "conjugated": holding(lambda: torch.randn(3, dtype=torch.complex64).conj()),
    "expanded": holding(lambda: torch.randn(1).expand(3)),
    "requires_grad": holding(lambda: torch.randn(3, requires_grad=True)),
    "none": holding(lambda: None),
    "uint16": holding(lambda: torch.randint(9, (3,)).to(torch.uint16)),
    "uint32": holding(lambda: torch.randint(9, (3,)).to(torch.uint32)),
    "uint64": holding(lambda: torch.randint(9, (3,)).to(torch.uint64)),
    "float64": holding(lambda: torch.randn(3, dtype=torch.float64)),
    "parallel": lambda: nn.DataParallel(nn.Linear(2, 2)),
    "compiled": lambda: torch.compile(nn.Linear(2, 2)),
    "slash": lambda: nn.ModuleDict({"a/b": nn.Linear(2, 2)}),
}


@pytest.fixture(params=BUILDS)
def build(request: pytest.FixtureRequest) -> Callable[[], Any]:
    return BUILDS[request.param]


def seeded(build: Callable[[], Any], seed: int) -> Any:
    torch.manual_seed(seed)
    return build()


def test_load_gives_the_same_bits_in_the_same_objects(build: Callable[[], Any], tmp_path: Path) -> None:
    saved, target = seeded(build, 0), seeded(build, 1)
    objects = {path: id(tensor) for path, tensor in entries(target).items()}
    constate_torch.save(saved, tmp_path / "m")
    constate_torch.load(target, tmp_path / "m")
    assert bits(target) == bits(saved)
    assert {path: id(tensor) for path, tensor in entries(target).items()} == objects


def test_materialise_gives_the_same_bits_and_shares_alike(build: Callable[[], Any], tmp_path: Path) -> None:
    saved = seeded(build, 0)
    constate_torch.save(saved, tmp_path / "m")
    made = constate_torch.materialise(build, tmp_path / "m")
    assert bits(made) == bits(saved)
    assert overlapping(entries(made)) == overlapping(entries(saved))


def test_cast_keeps_sharing_gradients_and_leaves(build: Callable[[], Any]) -> None:
    module = seeded(build, 0)
    before = overlapping(entries(module))
    needed = {path: tensor.requires_grad for path, tensor in entries(module).items()}
    with torch.inference_mode():
        constate_torch.cast(module, torch.bfloat16)
    assert overlapping(entries(module)) == before
    assert {path: tensor.requires_grad for path, tensor in entries(module).items()} == needed
    assert all(tensor.is_leaf and not tensor.is_inference() for tensor in entries(module).values())
    assert not any(tensor.dtype in (torch.float32, torch.float64) for tensor in entries(module).values())


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_move_keeps_sharing_gradients_and_leaves(build: Callable[[], Any], device: str) -> None:
    module = seeded(build, 0)
    values, before = bits(module), overlapping(entries(module))
    needed = {path: tensor.requires_grad for path, tensor in entries(module).items()}
    kinds = {path: type(tensor) for path, tensor in entries(module).items()}
    assert constate_torch.move(module, device) is module
    assert overlapping(entries(module)) == before
    assert {path: tensor.requires_grad for path, tensor in entries(module).items()} == needed
    assert {path: type(tensor) for path, tensor in entries(module).items()} == kinds
    assert {tensor.device.type for tensor in entries(module).values()} <= {device}
    if device == "cpu":
        assert bits(module) == values


def test_move_leaves_one_object_where_there_was_one() -> None:
    module = constate_torch.move(Tied(), "meta")
    assert isinstance(module, Tied)
    assert module.head.weight is module.embedding.weight
    assert module.head.table is module.table


def test_views_of_one_memory_stay_so_after_a_move() -> None:
    module = nn.Module()
    whole = torch.arange(12, dtype=torch.float32)
    module.register_buffer("middle", whole[3:9])
    module.register_buffer("end", whole[7:].view(torch.int32))
    expected = bits(module)
    constate_torch.move(module, "cpu")
    assert bits(module) == expected
    module.get_buffer("end")[0] = 0
    assert module.get_buffer("middle")[4] == 0


@pytest.mark.parametrize("keep", ["head/weight", "embedding/*"])
def test_a_pinned_entry_is_pinned_under_its_other_names(keep: str) -> None:
    module = Tied()
    with pytest.raises(Refused, match="share memory"):  # row is a view of it
        constate_torch.cast(module, torch.bfloat16, keep=[keep])
    constate_torch.cast(module, torch.bfloat16, keep=[keep, "row"])
    assert module.head.weight is module.embedding.weight
    assert module.head.weight.dtype is torch.float32
    assert module.head.table is module.table


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: nn.LazyLinear(3), "weight: found a lazy parameter"),
        (lambda: nn.Linear(2, 2, device="meta"), "weight: found a tensor without memory"),
        (lambda: Extra(2, 2), "_extra_state: found Tensor"),
        (holding(lambda: torch.eye(2).to_sparse()), "entry: found .*sparse"),
        (holding(lambda: torch.quantize_per_tensor(torch.randn(2), 0.1, 0, torch.qint8)), "entry: found .*qint8"),
        (holding(lambda: torch.randn(2, dtype=torch.complex128)), "entry: found .*complex128"),
        (
            lambda: nn.ModuleDict({"a/b": nn.Linear(2, 2), "a": nn.ModuleDict({"b": nn.Linear(2, 2)})}),
            "a/b/weight: found two entries",
        ),
    ],
)
def test_what_cannot_be_saved_or_loaded_is_refused_by_name(build: Callable[[], Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=says):
        constate_torch.save(build(), tmp_path / "m")
    assert not (tmp_path / "m").exists()
    constate_torch.save(nn.Linear(2, 2), tmp_path / "other")
    with pytest.raises(Refused, match=says):
        constate_torch.load(build(), tmp_path / "other")


def test_a_lazy_module_that_was_run(tmp_path: Path) -> None:
    saved, target = nn.LazyLinear(3), nn.LazyLinear(3)
    saved(torch.ones(1, 2)), target(torch.ones(1, 2))
    constate_torch.save(saved, tmp_path / "m")
    constate_torch.load(target, tmp_path / "m")
    assert bits(target) == bits(saved)


def test_tied_entries_with_different_values_in_the_file_are_refused(tmp_path: Path) -> None:
    untied, target = Tied(), Tied()
    untied.head.weight = nn.Parameter(torch.zeros(4, 3))
    constate_torch.save(untied, tmp_path / "m")
    before = bits(target)
    with pytest.raises(CheckpointError, match="embedding/weight and head/weight: are one array in the module"):
        constate_torch.load(target, tmp_path / "m")
    assert bits(target) == before


class Raising(torch.Tensor):
    """Takes no values."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.copy_:
            raise RuntimeError("no")
        return super().__torch_function__(func, types, args, kwargs or {})


def test_a_failure_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    def build() -> nn.Module:
        module = nn.Linear(2, 2)
        module.register_buffer("middle", torch.zeros(2))
        module.register_buffer("last", torch.zeros(2))
        return module

    target = build()
    constate_torch.save(build(), tmp_path / "m")
    target.middle = target.middle.as_subclass(Raising)
    before = bits(target)
    with pytest.raises(Refused, match="middle: RuntimeError: no; nothing was changed"):
        constate_torch.load(target, tmp_path / "m")
    assert bits(target) == before


def test_an_interruption_in_the_middle_leaves_all_of_it_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved, target = nn.Linear(2, 2), nn.Linear(2, 2)
    constate_torch.save(saved, tmp_path / "m")
    copy, calls = torch._foreach_copy_, iter(range(100))

    def interrupted(targets: list[torch.Tensor], sources: list[torch.Tensor]) -> None:
        if next(calls) == 0:
            copy(targets[:1], sources[:1])
            raise KeyboardInterrupt
        copy(targets, sources)

    monkeypatch.setattr(torch, "_foreach_copy_", interrupted)
    with pytest.raises(KeyboardInterrupt):
        constate_torch.load(target, tmp_path / "m")
    assert bits(target) == bits(saved)


def test_load_into_an_inference_module_and_under_inference_mode(tmp_path: Path) -> None:
    saved = nn.Linear(2, 2)
    constate_torch.save(saved, tmp_path / "m")
    with torch.inference_mode():
        frozen = nn.Linear(2, 2)
    constate_torch.load(frozen, tmp_path / "m")
    trained = nn.Linear(2, 2)
    with torch.inference_mode():
        constate_torch.load(trained, tmp_path / "m")
    assert bits(frozen) == bits(trained) == bits(saved)
    trained(torch.ones(1, 2)).sum().backward()


def test_an_optimizer_goes_on_with_what_was_loaded(tmp_path: Path) -> None:
    saved, target = nn.Linear(2, 2), nn.Linear(2, 2)
    optimizer = torch.optim.SGD(target.parameters(), lr=0.5)
    target(torch.ones(1, 2)).sum().backward()
    constate_torch.save(saved, tmp_path / "m")
    constate_torch.load(target, tmp_path / "m")
    optimizer.step()
    assert torch.equal(target.bias, saved.bias - 0.5)


def test_build_must_make_what_is_not_saved(tmp_path: Path) -> None:
    module = nn.Linear(2, 2)
    constate_torch.register(module, "table", torch.ones(2), persistent=False)
    constate_torch.save(module, tmp_path / "m")
    with pytest.raises(Refused, match="table: build makes no such buffer"):
        constate_torch.load(module, tmp_path / "m", build=lambda: nn.Linear(2, 2))


def test_materialise_refuses_a_tensor_that_nothing_gives_memory(tmp_path: Path) -> None:
    class Plain(nn.Linear):
        def __init__(self) -> None:
            super().__init__(2, 2)
            self.scale = [torch.ones(2)]

    constate_torch.save(Plain(), tmp_path / "m")
    with pytest.raises(Refused, match=r"scale.*register it as a buffer"):
        constate_torch.materialise(Plain, tmp_path / "m")


def test_assign_refuses_a_target_without_memory() -> None:
    with pytest.raises(Refused, match="weight: found a tensor without memory"):
        constate_torch.assign(nn.Linear(2, 2, device="meta"), "weight", torch.ones(2, 2))


def test_none_here_and_an_entry_there_are_refused_by_name(tmp_path: Path) -> None:
    some, none = holding(lambda: torch.ones(2))(), holding(lambda: None)()
    for saved, target, says in ((some, none, "no such entry"), (none, some, "missing")):
        constate_torch.save(saved, tmp_path / "m")
        with pytest.raises(CheckpointError, match=f"entry: .*{says}"):
            constate_torch.load(target, tmp_path / "m")
