"""A worker that does what it is told, good or bad."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

from constate.workers import channel


def chat() -> str:
    """Use both standard streams, as a user's module may."""
    print('{"not": "an answer"}', flush=True)
    subprocess.run(["echo", "nor this"], check=True)
    return sys.stdin.read()


def grow() -> None:
    """Take memory without end, here and in a process of its own."""
    held: list[bytes] = []
    while True:
        held.append(b"x" * (1 << 22))


def leave_a_process() -> None:
    """Die, while a child holds the pipes open."""
    if os.fork() == 0:
        time.sleep(600)
    os._exit(3)


def child() -> int:
    """The number of a process that would live on."""
    return subprocess.Popen(["sleep", "600"]).pid


def fork_and_wait() -> str:
    """Share much memory with a child for a while."""
    held = b"x" * (160 << 20)
    if os.fork() == 0:
        time.sleep(600)
    time.sleep(1.5)
    return f"{len(held) >> 20} MiB"


ACTS: dict[str, Any] = {
    "chat": chat,
    "grow": grow,
    "leave": leave_a_process,
    "child": child,
    "fork": fork_and_wait,
    "sleep": lambda: time.sleep(600),
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "threads": lambda: os.environ.get("OMP_NUM_THREADS"),
}

if __name__ == "__main__":
    requests, answer = channel()
    answer({"pid": os.getpid()})
    for request in requests:
        answer({"answer": ACTS[request["act"]]()})
