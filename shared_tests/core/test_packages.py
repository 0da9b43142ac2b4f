"""The modules of a whole package, and tables of arguments."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from constate.auditing import arguments
from constate.auditing.packages import Discovery, discover
from constate.errors import UsageError
from constate.workers import Worker

pytestmark = pytest.mark.usefixtures("fake_backend")


def discovered(package: str) -> Discovery:
    """What there is in a package."""
    return discover(package, Worker("constate.auditing.worker"), 30.0)


def test_every_class_of_a_module_where_it_is_defined() -> None:
    seen: list[tuple[str, int, int]] = []
    found = discover("fake_zoo", Worker("constate.auditing.worker"), 30.0, lambda *at: seen.append(at))
    assert found.classes == {
        "fake_zoo.below.whole:Last": (),
        **{f"fake_zoo.hostile:{name}": () for name in (
            "Hangs", "Crashes", "Exits", "Grows", "Chats", "CrashesInACopy", "Raises", "ExitsInTheConstructor",
            "HangsInTheConstructor", "LeavesAProcess")},
        **{f"fake_zoo.plain:{name}": () for name in ("Clean", "Stray", "Uncopied")},
        "fake_zoo.plain:Needs": ("dim", "factor"),
        "fake_zoo.plain:Picky": (),
    }  # fmt: skip
    assert found.unimported.keys() == {f"fake_zoo.below.{name}" for name in ("deadly", "lacking", "script")}
    why = {name.rpartition(".")[2]: text for name, text in found.unimported.items()}
    assert why["deadly"].startswith("while it was imported, the worker was killed by SIGSEGV at deadly.py:")
    assert why["lacking"].startswith("ModuleNotFoundError: No module named 'no_such_module' (")
    assert why["script"].startswith("ends the process while it is imported (SystemExit: usage: script FILE)")
    assert [(number, of) for _, number, of in seen] == [(number, 8) for number in range(8)]


def test_a_package_within_and_a_single_module() -> None:
    assert list(discovered("fake_zoo.below").classes) == ["fake_zoo.below.whole:Last"]
    assert list(discovered("fake_zoo.below.whole").classes) == ["fake_zoo.below.whole:Last"]


@pytest.mark.parametrize(
    ("package", "said"),
    [
        ("fake_zo", "there is no module 'fake_zo'"),
        ("fake_zoo.belw", "the package fake_zoo has no module 'belw'; did you mean 'below'?"),
        ("json", "json defines no class of a module of an installed framework"),
        ("fake_zoo.below.lacking", "1 of its modules cannot be imported: fake_zoo.below.lacking: ModuleNotFoundError"),
        ("fake_zoo.below.deadly", "while it was imported, the worker was killed by SIGSEGV"),
    ],
)
def test_a_package_of_which_nothing_can_be_had(package: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        discovered(package)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


# -- arguments -----------------------------------------------------------------------------------------------------


def table(tmp_path: Path, text: str) -> dict[str, arguments.Arguments]:
    """Read from a file."""
    path = tmp_path / "arguments.toml"
    path.write_text(text)
    return arguments.load(path)


def test_a_row_is_found_by_target_and_by_class(tmp_path: Path) -> None:
    rows = table(tmp_path, '["pkg.mod:One"]\nkwargs = { dim = 2 }\n[One]\n[Two]\ninputs = ["f32[2]"]\n')
    assert arguments.chosen(rows, "pkg.mod:One") == arguments.Arguments({"dim": 2})
    assert arguments.chosen(rows, "other:One") == arguments.Arguments()
    assert arguments.chosen(rows, "other:Two") == arguments.Arguments({}, ("f32[2]",))
    assert arguments.chosen(rows, "other:Three") is None
    arguments.require_used(tmp_path, rows, ["pkg.mod:One", "other:Two"])
    with pytest.raises(UsageError, match=r"there is no class 'Two'; expected one of: pkg\.mod:One$"):
        arguments.require_used(tmp_path, rows, ["pkg.mod:One"])


def test_values_may_be_objects_and_calls() -> None:
    six = {"call": "builtins:int", "args": ["6"]}
    made = arguments.made(
        {
            "cls": {"object": "fractions:Fraction"},
            "half": {"call": "fractions:Fraction", "args": [1, 2]},
            "nested": [{"call": "fractions:Fraction", "kwargs": {"numerator": six}}],
            "plain": {"object": "x", "more": 1},
        }
    )
    plain = {"object": "x", "more": 1}
    assert made == {"cls": Fraction, "half": Fraction(1, 2), "nested": [Fraction(6)], "plain": plain}


def test_what_is_called_is_made_anew_for_every_instance() -> None:
    build = arguments.bound(lambda items: items, {"items": {"call": "builtins:list"}})
    assert build() == build() == []
    assert build() is not build()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[One]\nkwarg = { a = 1 }\n", "One: found the key 'kwarg', expected kwargs, inputs"),
        ("[One]\nkwargs = 3\n", "One: found kwargs = 3, expected a table of names and values"),
        ('[One]\ninputs = "f32[2]"\n', "One: found inputs = 'f32[2]', expected a list such as"),
        ('[One]\ninputs = ["f99[2]"]\n', "One: cannot read the input 'f99[2]'"),
        ("One = 3\n", 'One: found 3, expected a table: ["One"] with kwargs and inputs'),
        ("[One\n", "it is no TOML"),
    ],
)
def test_a_table_that_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        table(tmp_path, text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
