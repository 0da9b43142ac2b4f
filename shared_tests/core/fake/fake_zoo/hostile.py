"""Modules that end the process that audits them, or never come back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np

from fake_zoo.plain import Clean


class Hangs(Clean):
    def __call__(self, x: Any) -> Any:
        time.sleep(600)


class Crashes(Clean):
    def __call__(self, x: Any) -> Any:
        os.kill(os.getpid(), signal.SIGSEGV)


class Exits(Clean):
    def __call__(self, x: Any) -> Any:
        sys.exit(5)


class Grows(Clean):
    def __call__(self, x: Any) -> Any:
        held = []
        while True:
            held.append(np.ones(1 << 21))


class Chats(Clean):
    def __call__(self, x: Any) -> Any:
        print("printed", flush=True)
        os.write(1, b"written\n")
        sys.__stdout__.write('{"law": "P01"}\n')
        sys.__stdout__.flush()
        subprocess.run(["echo", "echoed"], check=True)
        assert sys.stdin.read() == ""
        return super().__call__(x)


class CrashesInACopy(Clean):
    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        os.kill(os.getpid(), signal.SIGSEGV)


class Raises(Clean):
    def __init__(self) -> None:
        super().__init__()
        raise ValueError("no\nway")


class ExitsInTheConstructor(Clean):
    def __init__(self) -> None:
        os._exit(7)


class HangsInTheConstructor(Clean):
    def __init__(self) -> None:
        time.sleep(600)


class LeavesAProcess(Clean):
    """What it starts holds the worker's pipes open when that is gone."""

    def __call__(self, x: Any) -> Any:
        if os.fork() == 0:
            time.sleep(600)
        os._exit(3)
