"""State dicts written for torch.load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form
from constate.state import Array
from constate_torch.formats.saved import PIECE, Torch
from formats.torch import samples


def written(path: Path, arrays: Mapping[str, Array]) -> Path:
    """Arrays in a file."""
    Torch().write(path, {name: Form(array.shape, str(array.dtype)) for name, array in arrays.items()}, arrays.items())
    return path


def raw(tensor: torch.Tensor) -> bytes:
    """The bits of a tensor."""
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("name", samples.DTYPES)
def test_torch_reads_every_dtype_bit_for_bit(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "m.pt", {"a/b": samples.array(name), "turned": samples.array(name).T})
    state = torch.load(path, weights_only=True, mmap=True)
    assert list(state) == ["a.b", "turned"]
    assert state["a.b"].dtype == samples.DTYPES[name][1]
    assert raw(state["a.b"]) == samples.bits(name)
    assert raw(state["turned"].t()) == samples.bits(name)


def test_a_module_loads_it_strictly(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    arrays = {
        "0/weight": np.array([[1, 2], [3, 4], [5, 6]], np.float32),
        "0/bias": np.array([-1, -2, -3], np.float32),
        "1/weight": np.array([0.5, 0.25, 2], np.float32),
        "1/bias": np.array([9, 8, 7], np.float32),
        "1/running_mean": np.array([3, 2, 1], np.float32),
        "1/running_var": np.array([4, 5, 6], np.float32),
        "1/num_batches_tracked": np.array(17),
    }
    path = written(tmp_path / "m.pt", arrays)
    module.load_state_dict(torch.load(path, weights_only=True), strict=True)
    for name, tensor in module.state_dict().items():
        assert raw(tensor) == arrays[name.replace(".", "/")].tobytes()


def test_large_and_empty_arrays(tmp_path: Path) -> None:
    """One that is written in more than one piece, and the memory of which is let go of in between."""
    large = np.arange(PIECE // 4 + 1000, dtype=np.int32)
    path = written(tmp_path / "m.pt", {"large": large, "empty": np.zeros((0, 2)), "after": np.array([1.5])})
    state = torch.load(path, weights_only=True)
    assert raw(state["large"]) == large.tobytes()
    assert state["empty"].shape == (0, 2)
    assert state["after"].tolist() == [1.5]
    assert torch.load(written(path, {}), weights_only=True) == {}


def test_one_array_is_asked_for_at_a_time(tmp_path: Path) -> None:
    """The first is gone when the third is made, so that no writer needs them all."""
    living: list[int] = []

    class Counted(np.ndarray):  # type: ignore[type-arg]
        def __del__(self) -> None:
            if self.base is None:
                living.remove(1)

    def arrays() -> Iterator[tuple[str, Array]]:
        for number in range(5):
            made = np.ndarray.__new__(Counted, (1000,), np.float64)
            living.append(1)
            made[...] = number
            assert sum(living) <= 2
            yield str(number), made
            del made

    forms = {str(number): Form((1000,), "float64") for number in range(5)}
    Torch().write(tmp_path / "m.pt", forms, arrays())
    assert [tensor[0] for tensor in torch.load(tmp_path / "m.pt", weights_only=True).values()] == [0, 1, 2, 3, 4]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = written(tmp_path / "m.pt", {"a": np.ones(2)})
    before = path.read_bytes()

    def arrays() -> Iterator[tuple[str, Array]]:
        yield "a", np.zeros(2)
        raise RuntimeError("the source is gone")

    forms = {"a": Form((2,), "float64"), "b": Form((2,), "float64")}
    with pytest.raises(RuntimeError, match="the source is gone"):
        Torch().write(path, forms, arrays())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("forms", "said"),
    [
        ({"a/b": Form((), "int4")}, "a/b: dtype int4 cannot be stored; expected one of float64, "),
        ({"a/b": Form((), "int8"), "a.b": Form((), "int8")}, "a.b: would have the same name as a/b in PyTorch, 'a.b'"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, forms: dict[str, Form], said: str) -> None:
    with pytest.raises(CheckpointError) as error:
        Torch().write(tmp_path / "m.pt", forms, ())
    assert said in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"cannot write .*No such file or directory"):
        written(tmp_path / "none" / "m.pt", {"a": np.ones(2)})
