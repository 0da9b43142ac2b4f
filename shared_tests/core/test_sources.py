"""Where in its author's source an attribute is made."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

from constate.instruments.sources import assigned_in, global_line, line_of

TABLE = [1, 2, 3]


class Base:
    """Some registrations, as the frameworks spell them."""

    def __init__(self) -> None:
        self.first = 1
        self.register_buffer("second", None)
        self.third, self.fourth = 3, 4
        self.fifth = self.add_weight(shape=(2,), name="weight_of_another_name")
        self.sixth: int = 6

    def register_buffer(self, name: str, value: Any) -> None: ...

    def add_weight(self, shape: tuple[int, ...], name: str) -> Any: ...

    def calibrate(self) -> None:
        self.second = None
        self.second = 2

    def read(self) -> int:
        first = self.first + 1
        return first


class Derived(Base):
    """Overrides one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = 10


@dataclasses.dataclass
class Fields:
    """Made by a declaration."""

    scale: float
    table: Any = None


def line(cls: type, text: str) -> int:
    """The line on which a text stands in the source of a class."""
    lines, start = inspect.getsourcelines(cls)
    return start + next(number for number, row in enumerate(lines) if text in row)


def place(cls: type, name: str) -> int:
    """The line that is given for a name; the file has to be this one."""
    path, _, number = line_of(cls, name).rpartition(":")
    assert Path(path).name == Path(__file__).name
    return int(number)


def test_each_spelling_is_found() -> None:
    assert place(Base, "first") == line(Base, "self.first = 1")
    assert place(Base, "second") == line(Base, 'register_buffer("second"')
    assert place(Base, "third") == place(Base, "fourth") == line(Base, "self.third, self.fourth")
    assert place(Base, "weight_of_another_name") == line(Base, "self.fifth")
    assert place(Base, "sixth") == line(Base, "self.sixth")
    assert place(Fields, "table") == line(Fields, "table: Any")


def test_a_base_is_searched_after_the_class() -> None:
    assert place(Derived, "first") == line(Derived, "self.first = 10")
    assert place(Derived, "second") == line(Base, 'register_buffer("second"')


def test_an_unknown_name_is_placed_at_the_class() -> None:
    assert place(Base, "nowhere") == line(Base, "class Base")


def test_a_class_without_source_has_no_place() -> None:
    assert line_of(type("Made", (), {}), "x") == ""
    assert line_of(int, "x") == ""


def test_a_global_is_found() -> None:
    assert int(global_line(__name__, "TABLE").rpartition(":")[2]) == TABLE_LINE


def test_a_method_that_fills_an_attribute() -> None:
    assert assigned_in(Base, "second") == ("calibrate()", line_of(Base, "second").rpartition(":")[0] + f":{FILLED}")
    assert assigned_in(Base, "first") == ("", "")


_SOURCE = Path(__file__).read_text(encoding="utf-8").splitlines()
TABLE_LINE = _SOURCE.index("TABLE = [1, 2, 3]") + 1
FILLED = _SOURCE.index("        self.second = 2") + 1
