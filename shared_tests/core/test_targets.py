"""What a user may name, and what is said where there is no such thing: one line that says what to do."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from constate.auditing.targets import required, resolve
from constate.errors import UsageError

FILES = {
    "models.py": """
        import functools
        from fake_framework.module import Module
        class Net(Module):
            def __init__(self, dim, heads=2, *, rate): ...
            class Inner(Module): ...
        def build(): return Net(1, rate=2)
        bound = functools.partial(Net, 1, rate=2)
        halfway = functools.partial(Net, 1)
        made = Module()
        config = {"dim": 1}
        nothing = None
    """,
    "lacking.py": "import no_such_module",
    "unfinished.py": "\nx = (",
    "script.py": "import sys\nsys.exit('usage')",
    "failing.py": "def helper():\n    raise KeyError('a\\nb')\nhelper()",
    "pack/__init__.py": "",
    "pack/other.py": "value = 1",
    "pack/sub/__init__.py": "",
    "pack/sub/relative.py": "from ..other import value\ndef build(): return value",
    "loose/random.py": "def build(): return 'loose'",
    "loose/my-model.v2.py": "def build(): return 'odd name'",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_backend: None) -> Iterator[Path]:
    """A user's folder, as the current one."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line.removeprefix(" " * 8) for line in text.splitlines()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("target", "made"),
    [
        ("models:build", "build"),
        ("models:Net.Inner", "Net.Inner"),
        ("models:bound", "bound"),
        ("models.py:build", "build"),
        ("./models.py:build", "build"),
        ("pack/sub/relative.py:build", "build"),
        ("pack.sub.relative:build", "build"),
        ("loose/random.py:build", "build"),
        ("loose/my-model.v2.py:build", "build"),
    ],
)
def test_what_can_be_named(target: str, made: str) -> None:
    found = resolve(target)
    assert (found.func.__name__ if isinstance(found, functools.partial) else found.__qualname__) in (made, "Net")


def test_a_file_has_the_name_of_something_installed_and_is_the_file_all_the_same(folder: Path) -> None:
    assert resolve("loose/random.py:build")() == "loose"
    assert resolve(f"{folder}/loose/my-model.v2.py:build")() == "odd name"
    assert resolve("pack/sub/relative.py:build")() == 1
    assert resolve("pack/sub/relative.py:build").__module__ == "pack.sub.relative"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("models", "found the target 'models', expected a module and what makes the model in it, such as pkg.mod"),
        ("models:", "found the target 'models:', expected"),
        (":build", "found the target ':build', expected"),
        ("modells:build", "there is no module 'modells': it is neither installed here ("),
        ("pack.othr:build", "the package pack has no module 'othr'; did you mean 'other'?"),
        ("pack.zzz:build", "the package pack has no module 'zzz'; expected one of: other, sub"),
        ("models.deep:build", "models is a module and no package, so that there is no 'models.deep' in it"),
        ("none/there.py:build", "there is no file none/there.py"),
        ("lacking:build", "lacking fails while it is imported: ModuleNotFoundError: No module named 'no_such_module' "
                          "(lacking.py:1)"),
        ("lacking.py:build", "lacking.py fails while it is imported: ModuleNotFoundError"),
        ("unfinished:build", "unfinished fails while it is imported: SyntaxError: '(' was never closed "
                             "(unfinished.py:2)"),
        ("failing:build", "failing fails while it is imported: KeyError: 'a\\nb' (failing.py:2)"),
        ("script:build", "script ends the process while it is imported (SystemExit: usage); keep what it runs as a "
                         "script below: if __name__ == '__main__':"),
        ("models:biuld", "models has no 'biuld'; did you mean 'build'?"),
        ("models:Net.Iner", "models.Net has no 'Iner'; did you mean 'Inner'?"),
        ("pack.other:build", "pack.other has no 'build'; there is nothing in it that could be called"),
        ("models:config", "models:config is a dict, expected a class or a function that makes a module"),
        ("models:nothing", "models:nothing is None, expected a class or a function that makes a module"),
        ("models:made", "models:made is an instance of Module, expected what makes a new one each time"),
        ("models:Net", "models:Net needs the arguments dim, rate; name what takes none, for example: "
                       "build = functools.partial(Net, dim=..., rate=...)"),
        ("models:halfway", "models:halfway needs the argument rate; name what takes none"),
    ],
)  # fmt: skip
def test_what_cannot(target: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        resolve(target)
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


class Meta(type):
    def __call__(cls, *args: object, **kwargs: object) -> object:
        return super().__call__(*args, **kwargs)


class Hidden(metaclass=Meta):
    """What frameworks do to their base classes."""

    def __init__(self, dim: int, *, rngs: object, name: str = "", **more: object) -> None: ...


@pytest.mark.parametrize(
    ("factory", "needed"),
    [
        (Hidden, ["dim", "rngs"]),
        (functools.partial(Hidden, 1, rngs=2), []),
        (lambda: None, []),
        (lambda x, *y, z=1: None, ["x"]),
        (dict, []),
        (Meta("Bare", (), {}), []),
    ],
)
def test_the_arguments_that_a_factory_needs(factory: object, needed: list[str]) -> None:
    assert required(factory) == needed
