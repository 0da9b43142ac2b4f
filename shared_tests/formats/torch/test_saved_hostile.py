"""Files that are made to harm whoever reads them as torch.save's: each is refused in one line."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from pathlib import Path

import pytest
import torch

from constate.checkpoint import CheckpointError
from constate.state import same_bits
from constate_torch.formats.saved import Torch

PROTO = b"\x80\x02"


def packed(path: Path, pickled: bytes, data: bytes = b"", compression: int = zipfile.ZIP_STORED) -> Path:
    """An archive with a pickle and one storage."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("m/data.pkl", pickled)
        archive.writestr("m/byteorder", "little")
        archive.writestr("m/data/0", data)
        archive.writestr("m/version", "3\n")
    return path


def index_of(tmp_path: Path, state: object) -> bytes:
    """The pickle that torch.save makes of a state."""
    torch.save(state, tmp_path / "m.pt")
    with zipfile.ZipFile(tmp_path / "m.pt") as archive:
        return archive.read("m/data.pkl")


def refusal(path: Path) -> str:
    """What is said of a file that is opened and read."""
    with pytest.raises(CheckpointError) as error, Torch().open(path) as reader:
        for name in reader.entries():
            reader.read(name)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("protocol", [4, 134])
def test_torch_warns_of_nothing(tmp_path: Path, protocol: int) -> None:
    """A pickle of another protocol is read, with no line of PyTorch's beside what is said."""
    pickled = index_of(tmp_path, {"a": torch.arange(3, dtype=torch.uint8)})
    changed = b"\x80" + bytes([protocol]) + pickled.removeprefix(PROTO)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with Torch().open(packed(tmp_path / "changed.pt", changed, bytes([0, 1, 2]))) as reader:
            assert reader.read("a").tolist() == [0, 1, 2]
    assert not seen


def test_python_warns_of_nothing(tmp_path: Path) -> None:
    """Of an escape that means nothing, in the text of protocol 0."""
    escaped = rb"S'\h'" + b"\n."
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        refusal(packed(tmp_path / "m.pt", PROTO + escaped))
    assert not seen


@pytest.mark.parametrize("said", ["0", "-64", "", "sixty", "1" * 5000, str(1 << 31)])
def test_an_alignment_by_which_nothing_can_be_divided(tmp_path: Path, said: str) -> None:
    """With 0 PyTorch ends the process by a floating point exception."""
    torch.save({"a": torch.arange(3), "b": torch.arange(5)}, tmp_path / "m.pt")
    with zipfile.ZipFile(tmp_path / "m.pt") as good, zipfile.ZipFile(tmp_path / "changed.pt", "w") as changed:
        for member in good.infolist():
            own = member.filename.endswith(".storage_alignment")
            changed.writestr(member.filename, said if own else good.read(member))
    assert "m/.storage_alignment is" in refusal(tmp_path / "changed.pt")


def test_of_a_storage_nothing_is_warned(tmp_path: Path) -> None:
    storage = torch.storage.TypedStorage(
        wrap_storage=torch.arange(2).untyped_storage(), dtype=torch.int64, _internal=True
    )
    torch.save({"a": torch.arange(3), "s": storage}, tmp_path / "m.pt")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with Torch().open(tmp_path / "m.pt") as reader:
            assert list(reader.entries()) == ["a"]
            assert list(reader.metadata())[-1] == "s"
    assert not seen


class Harm:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return Path.touch, (self.path,)


def test_code_is_not_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    harm = pickle.dumps({"a": Harm(canary)}, protocol=2)
    assert "which is refused; expected plain tensors" in refusal(packed(tmp_path / "m.pt", harm))
    assert not canary.exists()
    pickle.loads(harm)
    assert canary.exists()  # it would have


def test_what_a_user_has_allowed_is_not_allowed_here(tmp_path: Path) -> None:
    torch.save({"a": Harm(tmp_path / "canary")}, tmp_path / "m.pt")
    with torch.serialization.safe_globals([Path.touch, type(tmp_path)]):
        assert "which is refused" in refusal(tmp_path / "m.pt")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("pickled", "said"),
    [
        (b"c__builtin__\nbytearray\nJ\x00\x00\x00\x7f\x85R.", "storages are made in another way"),
        (b"cbuiltins\nbytearray\nq\x00J\x00\x00\x00\x7f\x85R.", "storages are made in another way"),
        (b"c_codecs\nencode\nX\x02\x00\x00\x00aaX\x03\x00\x00\x00hex\x86R.", "storages are made in another way"),
        (b"c_codecs\nencode\nq\x010h\x01X\x02\x00\x00\x00aaq\x02X\x03\x00\x00\x00hex\x86R.", "in another way"),
        (b"X\x02\x00\x00\x00aaq\x01c_codecs\nencode\nh\x01X\x06\x00\x00\x00latin1\x86R.", "in another way"),
        (b"c__builtin__\nbytearray\n)R.", "found a single bytearray"),
        (b"ctorch\nTensor\nJ\x00\x00\x00\x7f\x85R.", "holds torch.Tensor, which is refused"),
        (b"ctorch.storage\nUntypedStorage\nJ\x00\x00\x00\x7f\x85R.", "storages are made in another way"),
        (b"ctorch.storage\nUntypedStorage\nq\x01X\x01\x00\x00\x000\x86h\x01K\x05\x85R.", "made in another way"),
        (b"ctorch.storage\nTypedStorage\n)R.", "holds torch.storage.TypedStorage, which is refused"),
        (b"]r\xff\xff\xff\x7f.", "place 2147483647 of the memo is used by"),
        (b"X\xff\xff\xff\x7fa.", "the pickle cannot be read: "),
        (b"]", "the pickle cannot be read: "),
        (b"cos\nsystem\nX\x04\x00\x00\x00true\x85R.", "holds os.system, which is refused"),
        (b"}q\x00X\x01\x00\x00\x00ah\x00s.", "is nested more than 64 levels deep"),
        (b"]h\x05a.", "torch.load refuses it: KeyError: 5"),
        (b"\x8c\x01a.", "torch.load refuses it: UnpicklingError: Unsupported operand 140"),
        (b"]q\x00h\x00a.", "is nested more than 64 levels deep"),
        (b"]" * 50_000 + b"a" * 49_999 + b".", "is nested more than 64 levels deep"),
    ],
)
def test_pickles(tmp_path: Path, pickled: bytes, said: str) -> None:
    assert said in refusal(packed(tmp_path / "m.pt", PROTO + pickled))


def test_lists_that_hold_each_other_many_times_over(tmp_path: Path) -> None:
    """Fifty lists, each with the one before twice: 2**50 paths."""
    pickled = b"]]q\x00a"
    for number in range(50):
        pickled += b"](h%ch%ceq%ca" % (number, number, number + 1)
    assert "has more names than its size can hold" in refusal(packed(tmp_path / "m.pt", PROTO + pickled + b"."))


@pytest.mark.parametrize(
    ("state", "data", "said"),
    [
        (
            {"a": torch.zeros(1000)},
            bytes(8),
            "a: its data would be bytes 0 to 4000 of a storage of 4000, but m/data/0 has 8;",
        ),
        (
            {"a": torch.zeros(1000)[:1]},
            bytes(8),
            "a: its data would be bytes 0 to 4 of a storage of 4000, but m/data/0 has 8;",
        ),
        ({"a": torch.zeros(2), "b": torch.zeros(2)}, bytes(8), "torch.load refuses it: "),
        ({"a": torch.zeros(1).expand(1 << 20, 1 << 20)}, bytes(4), "by repeating them; save a contiguous copy"),
    ],
)
def test_sizes_that_lie(tmp_path: Path, state: object, data: bytes, said: str) -> None:
    assert said in refusal(packed(tmp_path / "n.pt", index_of(tmp_path, state), data))


def test_a_tensor_that_is_larger_than_its_storage(tmp_path: Path) -> None:
    pickled = index_of(tmp_path, {"a": torch.zeros(3)})
    assert pickled.count(b"K\x03\x85") == 1  # its shape
    path = packed(tmp_path / "n.pt", pickled.replace(b"K\x03\x85", b"K\x63\x85"), bytes(12))
    assert "a: its data would be bytes 0 to 396 of a storage of 396, but m/data/0 has 12;" in refusal(path)


def test_attributes_of_a_parameter_in_the_places_of_methods(tmp_path: Path) -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    vars(parameter).update(untyped_storage=5, detach="x", is_conj=None, note="mine")
    torch.save({"a": parameter}, tmp_path / "m.pt")
    with Torch().open(tmp_path / "m.pt") as reader:
        assert reader.entries()["a"].shape == (2,)
        assert reader.read("a").tolist() == [1, 1]
        assert reader.metadata()["a@note"] == "mine"
        assert reader.metadata()["a@untyped_storage"] == "5"


# -- the archive ---------------------------------------------------------------------------------------------------


def test_a_zip_bomb(tmp_path: Path) -> None:
    path = packed(tmp_path / "n.pt", PROTO + b"}." + bytes(1 << 24), compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 15
    assert "the member 'm/data.pkl' is compressed" in refusal(path)


def directory_of(path: Path) -> tuple[bytearray, int]:
    """A file, and where the directory of its archive begins."""
    content = bytearray(path.read_bytes())
    return content, content.index(b"PK\x01\x02")


def test_a_size_in_the_directory_that_lies(tmp_path: Path) -> None:
    path = packed(tmp_path / "n.pt", PROTO + b"}.")
    content, begin = directory_of(path)
    content[begin + 20 : begin + 28] = (1 << 30).to_bytes(4, "little") * 2
    path.write_bytes(content)
    assert "'m/data.pkl' of 1073741824 bytes goes beyond where the next thing begins" in refusal(path)


def test_members_that_lie_on_each_other(tmp_path: Path) -> None:
    path = packed(tmp_path / "n.pt", PROTO + b"}.")
    content, begin = directory_of(path)
    second = content.index(b"PK\x01\x02", begin + 4)
    content[second + 42 : second + 46] = content[begin + 42 : begin + 46]
    path.write_bytes(content)
    assert "the member 'm/byteorder' has another name where it is" in refusal(path)


def test_an_archive_with_two_directories(tmp_path: Path) -> None:
    """A reader that trusts the end of the archive and one that searches for it would see different members."""
    harmless = packed(tmp_path / "n.pt", PROTO + b"}.").read_bytes()
    path = packed(tmp_path / "o.pt", PROTO + b"}.", compression=zipfile.ZIP_DEFLATED)
    path.write_bytes(path.read_bytes() + harmless)
    assert "its directory is not where its end says" in refusal(path)
    path.write_bytes(harmless + b"more")
    assert "the zip archive is refused: " in refusal(path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../../etc/passwd", "names a place outside a folder"),
        ("/etc/passwd", "names a place outside a folder"),
        ("m\\..\\data", "names a place outside a folder"),
        ("m/data.pkl", "is in it twice"),
        ("m/constants.pkl", "found a TorchScript program"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_of_members(tmp_path: Path, name: str, said: str) -> None:
    path = packed(tmp_path / "n.pt", PROTO + b"}.")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "x")
    assert said in refusal(path)


def test_an_archive_of_something_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "n.pt", "w") as archive:
        archive.writestr("m/readme", "x")
    assert "has no m/data.pkl, which torch.save writes" in refusal(tmp_path / "n.pt")
    (tmp_path / "n.pt").write_bytes(b"hello")
    assert "expected a zip archive of torch.save" in refusal(tmp_path / "n.pt")


# -- damage --------------------------------------------------------------------------------------------------------


def test_every_cut_and_every_changed_byte_is_seen(tmp_path: Path) -> None:
    """Refused, or named by ``verify``, or of no consequence: the same entries with the same bits."""
    path = tmp_path / "m.pt"
    torch.save({"a": torch.arange(3.0), "b": torch.ones(2, dtype=torch.bfloat16), "n": 5}, path)
    content = path.read_bytes()
    with Torch().open(path) as reader:
        forms, said = dict(reader.entries()), dict(reader.metadata())
        arrays = {name: reader.read(name) for name in forms}
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place])
        refusal(path)
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        try:
            with Torch().open(path) as reader:
                if not list(reader.verify()):
                    assert (reader.entries(), reader.metadata()) == (forms, said), place
                    assert all(same_bits(reader.read(name), arrays[name]) for name in forms), place
        except CheckpointError as error:
            assert "\n" not in str(error)
