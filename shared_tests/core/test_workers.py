"""Both ends of a worker: what is said, what is bounded, and what is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from constate import memory
from constate.workers import Worker, WorkerLost

pytestmark = pytest.mark.usefixtures("fake_backend")


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker("fake_worker", limit=300 << 20)
    yield made
    made.stop()


def ask(worker: Worker, act: str, limit: float = 30.0) -> object:
    """The answer to one request."""
    return worker.ask({"act": act}, limit)["answer"]


def lives(process: int) -> bool:
    """Whether there is such a process, other than a dead one that nobody has waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(process: int) -> bool:
    """Whether it ends within some seconds."""
    deadline = time.monotonic() + 10
    while lives(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not lives(process)


def test_what_is_printed_is_no_answer_and_there_is_nothing_to_read(worker: Worker) -> None:
    assert ask(worker, "chat") == ""


@pytest.mark.parametrize(
    ("act", "limit", "said"),
    [
        ("sleep", 0.5, r"was stopped: no answer within 0.5 s at fake_worker.py:\d+$"),
        ("crash", 30.0, r"was killed by SIGSEGV at fake_worker.py:\d+$"),
        ("grow", 60.0, r"was stopped: it took more than 0.293 GiB of memory at fake_worker.py:\d+$"),
        ("leave", 30.0, r"ended with exit code 3$"),
        ("nonsense", 30.0, r"ended with exit code 1: KeyError: 'nonsense'$"),
    ],
)
def test_a_loss_says_why_and_where(worker: Worker, act: str, limit: float, said: str) -> None:
    worker.start()
    begun = time.monotonic()
    with pytest.raises(WorkerLost, match=said):
        ask(worker, act, limit)
    assert time.monotonic() - begun < 20
    assert ask(worker, "chat") == "", "a new one is started"


def test_what_a_worker_shares_with_its_children_is_counted_once(worker: Worker) -> None:
    assert ask(worker, "fork") == "160 MiB"


def test_a_worker_takes_what_it_started_with_it(worker: Worker) -> None:
    process = ask(worker, "child")
    assert isinstance(process, int)
    assert lives(process)
    worker.stop()
    assert ends(process)


def test_a_worker_that_was_closed_is_not_started_again(worker: Worker) -> None:
    worker.start()
    threading.Timer(0.3, worker.close).start()
    with pytest.raises(WorkerLost, match="killed by SIGKILL"):
        ask(worker, "sleep")
    with pytest.raises(WorkerLost, match="the run was stopped"):
        ask(worker, "chat")


def test_the_environment_is_that_of_the_user_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for given, expected in ((None, "3"), ("7", "7")):
        if given is not None:
            monkeypatch.setenv("OMP_NUM_THREADS", given)
        worker = Worker("fake_worker", environment={"OMP_NUM_THREADS": "3"})
        assert ask(worker, "threads") == expected
        worker.stop()


@pytest.mark.parametrize("then", ["worker.ask({'act': 'sleep'}, 600)", "import time; time.sleep(600)"])
def test_a_worker_ends_with_its_parent_and_leaves_nothing_behind(then: str) -> None:
    """In the middle of an answer, and while it waits for a request."""
    program = (
        "from constate.workers import Worker\n"
        "worker = Worker('fake_worker')\n"
        "worker.start()\n"
        "child = worker.ask({'act': 'child'}, 30)['answer']\n"
        f"print(worker.hello['pid'], child, flush=True)\n{then}\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        processes = [int(text) for text in parent.stdout.readline().split()]
        assert all(map(lives, processes))
        parent.kill()
    assert all(map(ends, processes))


def test_free_memory_is_less_than_there_is() -> None:
    free = memory.free()
    assert free is not None
    assert 0 < free <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
