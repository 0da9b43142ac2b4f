"""The bar of a library call: on a terminal, after a second, and gone at the end."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from constate.checkpoint import container, load, progress, save

module = sys.modules["constate.checkpoint.progress"]
Look = Callable[[], "Terminal"]
STATE = {name: np.ones(1000) for name in "abc"}


class Terminal:
    """Standard error as a terminal, and what was written to it."""

    def __init__(self) -> None:
        self._master, slave = os.openpty()
        self.stream = os.fdopen(slave, "w")
        self._text = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                found = os.read(self._master, 65536)
            except OSError:  # the other end is closed
                return
            self._text += found

    def close(self) -> str:
        """All of it."""
        if not self.stream.closed:
            self.stream.close()
            self._reader.join()
            os.close(self._master)
        return self._text.decode()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    made = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    monkeypatch.setattr(module, "SMALL", 0)
    monkeypatch.setattr(module, "INTERVAL", 0.0)
    yield made
    made.close()


@pytest.fixture
def look(made: Terminal, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """To be called in a test: pytest sets standard error anew when it begins."""

    def begin() -> Terminal:
        monkeypatch.setattr(sys, "stderr", made.stream)
        return made

    return begin


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk on which every write takes a while, and a processor on which every checksum does."""
    write, view = os.writev, container.Arrays._view
    monkeypatch.setattr(os, "writev", lambda *given: (time.sleep(0.4), write(*given))[1])
    monkeypatch.setattr(container.Arrays, "_view", lambda *given: (time.sleep(0.2), view(*given))[1])


@pytest.mark.usefixtures("slowly")
def test_a_slow_save_and_a_slow_load_show_a_bar_and_remove_it(tmp_path: Path, look: Look) -> None:
    terminal = look()
    save(tmp_path / "s", STATE)
    load(tmp_path / "s")
    text = terminal.close()
    assert "saving" in text and "verifying" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 2, "the cursor is hidden, and shown again"
    assert text.endswith("\x1b[2K"), "the line is cleared"
    assert module._bar is None


def test_a_quick_one_shows_nothing(tmp_path: Path, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = look()
    monkeypatch.setattr(module, "PATIENCE", 30)
    save(tmp_path / "s", STATE)
    load(tmp_path / "s")
    assert terminal.close() == ""


@pytest.mark.usefixtures("slowly")
def test_where_no_terminal_is_nothing_is_shown(tmp_path: Path, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = look()
    monkeypatch.setenv("FORCE_COLOR", "1")  # with which rich takes anything for a terminal
    stream = io.StringIO()
    for stderr in (stream, None):
        monkeypatch.setattr(sys, "stderr", stderr)
        save(tmp_path / "s", STATE)
        load(tmp_path / "s")
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    thread = threading.Thread(target=save, args=(tmp_path / "s", STATE))  # as that of a Saver
    thread.start()
    thread.join()
    assert (stream.getvalue(), terminal.close()) == ("", "")


@pytest.mark.usefixtures("slowly")
def test_a_report_takes_its_place(tmp_path: Path, look: Look) -> None:
    terminal = look()
    told: list[tuple[str, int]] = []
    save(tmp_path / "s", STATE, report=lambda name, size: told.append((name, size)))
    load(tmp_path / "s", report=lambda name, size: told.append((name, size)))
    assert told == [(name, 8000) for name in "abcabc"]
    assert terminal.close() == ""


def test_a_large_array_is_reported_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "PIECE", 3000)
    told: list[tuple[str, int]] = []
    save(tmp_path / "s", {"a": np.ones(1000), "": np.ones(1)}, report=lambda name, size: told.append((name, size)))
    assert told == [("a", 3000), ("a", 3000), ("a", 2000), ("", 8)]


def test_what_begins_within_goes_on_with_the_same_bar(look: Look) -> None:
    terminal = look()

    @progress("outer")
    def call() -> None:
        with progress("inner", 100) as advance:
            assert advance is not None
            while module._bar._display is None:  # rich is imported meanwhile
                time.sleep(0.01)
            advance("entry", 50)
            time.sleep(0.3)
        time.sleep(0.3)

    call()
    with pytest.raises(ZeroDivisionError), progress("fails", 100):
        raise ZeroDivisionError
    assert module._bar is None
    text = terminal.close()
    assert all(word in text for word in ("inner", "50%", "entry", "outer")) and "fails" not in text
    assert text.count("\x1b[?25l") == 1


def test_what_is_small_starts_no_thread(monkeypatch: pytest.MonkeyPatch, look: Look, tmp_path: Path) -> None:
    look()
    monkeypatch.setattr(module, "SMALL", 1_000_000)
    monkeypatch.setattr(module, "start_new_thread", lambda *given: pytest.fail("a thread was started"))
    save(tmp_path / "s", STATE)
    with progress("outer"):
        load(tmp_path / "s")


def test_rich_is_not_imported_before() -> None:
    program = "import sys, constate.checkpoint; print('rich' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )
