"""How much memory is free, and how much a process and all that it started hold."""

from __future__ import annotations

import os
import time
from pathlib import Path

PROC = Path("/proc")
PAGE = os.sysconf("SC_PAGE_SIZE")
MEMBERS_FOR = 0.5
"""Seconds for which the list of the processes of a session is taken to be current."""


def can_be_watched() -> bool:
    """Whether this system says what a process holds."""
    return (PROC / "self" / "statm").exists()


def free() -> int | None:
    """Bytes that can be taken, in a container those that it is allowed; ``None`` where the system does not say."""
    try:
        lines = (PROC / "meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kilobytes = next((int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)
    found = [] if kilobytes is None else [kilobytes * 1024]
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        try:
            found.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):  # no such group, or no limit
            continue
    return max(0, min(found)) if found else None


class Held:
    """What a process that leads a session and all processes of that session hold."""

    def __init__(self, session: int) -> None:
        self._session = session
        self._members: list[int] = []
        self._listed = float("-inf")

    def exceeds(self, limit: int) -> bool:
        """Whether they hold more bytes than that."""
        if time.monotonic() - self._listed > MEMBERS_FOR:
            self._members, self._listed = _members(self._session), time.monotonic()
        resident = sum(_resident(process) for process in self._members)
        if resident <= limit or len(self._members) < 2:
            return resident > limit
        # What a process shares with those that it forked was counted once for each.
        return sum(_share(process) for process in self._members) > limit


def _members(session: int) -> list[int]:
    found = []
    for path in PROC.iterdir():
        if path.name.isdigit():
            try:
                fields = (path / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            if int(fields[3]) == session:
                found.append(int(path.name))
    return found


def _resident(process: int) -> int:
    try:
        return int((PROC / str(process) / "statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _share(process: int) -> int:
    """The bytes of a process, those in shared pages divided among who shares them."""
    try:
        lines = (PROC / str(process) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return _resident(process)
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
