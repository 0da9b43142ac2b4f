"""Files of torch.save, read a tensor at a time."""

from __future__ import annotations

import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.torch_version import TorchVersion

from constate.checkpoint import CheckpointError
from constate.checkpoint.formats import Form, open_checkpoint
from constate.checkpoint.formats.recognising import recognise
from constate.errors import Unsupported, UsageError
from constate.state import Array, same_bits
from constate_torch.formats.saved import Torch
from formats.torch import samples


def saved(tmp_path: Path, state: object) -> Path:
    """A file that PyTorch wrote."""
    torch.save(state, tmp_path / "m.pt")
    return tmp_path / "m.pt"


def everything(path: Path) -> dict[str, Array]:
    """All entries of a file."""
    with Torch().open(path) as reader:
        found = {name: reader.read(name) for name in reader.entries()}
        assert {name: Form(array.shape, str(array.dtype)) for name, array in found.items()} == reader.entries()
    return found


@pytest.mark.parametrize("name", samples.DTYPES)
def test_every_dtype_bit_for_bit(tmp_path: Path, name: str) -> None:
    (found,) = everything(saved(tmp_path, {"a": samples.tensor(name)})).values()
    assert same_bits(found, samples.array(name))


def test_shapes_strides_and_views(tmp_path: Path) -> None:
    base = torch.arange(24, dtype=torch.int32).reshape(4, 6)
    state = {
        "scalar": torch.tensor(-5),
        "empty": torch.zeros(0, 3),
        "mask": torch.tensor([True, False, True]),
        "turned": base.t(),
        "part": base[1:3, 2::2],
        "repeated": torch.tensor([7.0]).expand(3, 2),
        "conjugate": torch.tensor([1 + 2j, 3 - 4j]).conj(),
        "negative": torch.tensor([1 + 2j, 3 - 4j]).conj().imag,
        "parameter": nn.Parameter(torch.ones(2)),
    }
    numbers = np.arange(24, dtype=np.int32).reshape(4, 6)
    expected = {
        "scalar": np.array(-5),
        "empty": np.zeros((0, 3), np.float32),
        "mask": np.array([True, False, True]),
        "turned": numbers.T,
        "part": np.array([[8, 10], [14, 16]], np.int32),
        "repeated": np.full((3, 2), 7, np.float32),
        "conjugate": np.array([1 - 2j, 3 + 4j], np.complex64),
        "negative": np.array([-2, 4], np.float32),
        "parameter": np.ones(2, np.float32),
    }
    found = everything(saved(tmp_path, state))
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert same_bits(found[name], array), name
        found[name][...] = 0  # memory of its own


def test_a_training_checkpoint(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.125)
    module(torch.ones(4, 2)).sum().backward()
    optimizer.step()
    state = {
        "model": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "note": "é" * 500,
        "rng": b"\x00\xff",
        "more": bytearray(b"x\xfe"),
        "nothing": None,
        "history": [0.5, 0.25],
        "pairs": [(1, torch.tensor(2.0))],
        "void": {},
    }
    with Torch().open(saved(tmp_path, state)) as reader:
        entries, metadata = reader.entries(), reader.metadata()
        for name, tensor in module.state_dict().items():
            assert same_bits(reader.read(f"model/{name.replace('.', '/')}"), tensor.numpy())
        assert same_bits(
            reader.read("optimizer/state/0/exp_avg"), optimizer.state_dict()["state"][0]["exp_avg"].numpy()
        )
    assert entries["model/1/num_batches_tracked"] == Form((), "int64")
    assert entries["pairs/0/1"] == Form((), "float32")
    assert metadata["epoch"] == "3"
    assert metadata["note"] == "é" * 200
    assert metadata["rng"] == "b'\\x00\\xff'"
    assert metadata["more"] == "bytearray(b'x\\xfe')"
    assert metadata["nothing"] == "None"
    assert metadata["history"] == "[0.5, 0.25]"
    assert metadata["pairs/0/0"] == "1"
    assert metadata["void"] == "{}"
    assert metadata["optimizer/param_groups/0/lr"] == "0.125"
    assert "'version': 2" in metadata["model/_metadata"]


def test_the_file_is_found_by_what_lies_there(tmp_path: Path) -> None:
    path = saved(tmp_path, {"a.b": torch.ones(2)})
    with open_checkpoint(path) as reader:
        assert reader.entries() == {"a/b": Form((2,), "float32")}


def test_what_is_shared_is_read_by_both_names(tmp_path: Path) -> None:
    shared = torch.arange(4.0)
    path = saved(tmp_path, OrderedDict(a=shared, b=shared[1:]))
    found = everything(path)
    assert found["a"].tolist() == [0, 1, 2, 3]
    assert found["b"].tolist() == [1, 2, 3]
    damage(path, shared.numpy().tobytes())
    with Torch().open(path) as reader:
        assert [name for name, _ in reader.verify()] == ["a", "b"]


def damage(path: Path, content: bytes) -> None:
    """Change one bit of what stands in a file once."""
    raw = bytearray(path.read_bytes())
    assert raw.count(content) == 1
    raw[raw.index(content)] ^= 1
    path.write_bytes(raw)


def test_a_changed_bit_is_found_where_it_is(tmp_path: Path) -> None:
    path = saved(tmp_path, {"a": torch.arange(5.0), "b": torch.ones(3)})
    with Torch().open(path) as reader:
        assert list(reader.verify()) == []
    damage(path, torch.arange(5.0).numpy().tobytes())
    with Torch().open(path) as reader:
        (fault,) = reader.verify()
    assert fault == ("a", "the bytes of m/data/0 do not match their CRC-32")


def test_a_file_without_checksums_says_so(tmp_path: Path) -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        path = saved(tmp_path, {"a": torch.ones(2)})
    finally:
        torch.serialization.set_crc32_options(before)
    with Torch().open(path) as reader, pytest.raises(Unsupported, match="written without checksums"):
        list(reader.verify())


def test_the_format_before_1_6_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    assert recognise(path) == "torch"
    with pytest.raises(CheckpointError, match=r"PyTorch before 1\.6.*write it again with torch\.save"):
        Torch().open(path)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (torch.ones(2), "found a single Tensor, expected names and tensors"),
        ({"a.b": torch.ones(1), "a": {"b": torch.ones(1)}}, "a/b: two entries have this name"),
        ({0: torch.ones(1), "0": torch.ones(1)}, "0: two entries have this name"),
        ({"": torch.ones(1)}, "an entry has an empty name"),
        ({"a": torch.ones(2).to_sparse()}, "holds torch._utils._rebuild_sparse_tensor, which is refused"),
        ({"a": torch.ones(2, device="meta")}, "holds torch._utils._rebuild_meta_tensor_no_storage, which is refused"),
        ({"a": torch.zeros(2, dtype=torch.complex32)}, "a: found torch.complex32, torch.strided, which NumPy has not"),
        (nn.Linear(2, 2), "holds torch.nn.modules.linear.Linear, which is refused; expected plain tensors"),
    ],
)
def test_what_is_more_or_less_than_named_arrays(tmp_path: Path, state: object, said: str) -> None:
    path = saved(tmp_path, state)
    with pytest.raises(CheckpointError) as error:
        Torch().open(path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_another_byte_order_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "byteorder", "big")
        path = saved(tmp_path, {"a": torch.ones(2)})
    with pytest.raises(CheckpointError, match="the byte order is b'big'"):
        Torch().open(path)


def test_there_is_no_such_file_or_entry(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot read"):
        Torch().open(tmp_path / "none.pt")
    path = saved(tmp_path, {"a": torch.ones(2)})
    with Torch().open(path) as reader, pytest.raises(CheckpointError, match="b: there is no such entry"):
        reader.read("b")


@pytest.mark.parametrize("version", ["2.6.0", "2.9.1+cpu", "2.10.0"])
def test_a_torch_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    path = saved(tmp_path, {"a": torch.ones(2)})
    monkeypatch.setattr(torch, "__version__", TorchVersion(version))
    with pytest.raises(UsageError) as error:
        Torch().open(path)
    assert f"m.pt: is read with torch 2.11 or later, found {version}; " in str(error.value)
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.11.0+cu128"))
    assert list(everything(path)) == ["a"]
