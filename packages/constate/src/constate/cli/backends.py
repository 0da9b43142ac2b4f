"""``constate backends``: what is installed."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from constate import backend
from constate.comparing import Worker
from constate.workers import WorkerLost


def backends() -> None:
    """List the backends, whether they are installed, and on which versions they run."""
    console = Console()
    table = Table("backend", "versions", "file formats", "devices to move to", header_style="bold")
    present = backend.installed()
    for name in [*present, *(known for known in backend.KNOWN if known not in present)]:
        if name not in present:
            table.add_row(name, f"not installed: pip install '{backend.KNOWN[name]}'", "", style="dim")
            continue
        worker = Worker(name, "native")
        try:
            worker.start()
            versions = ", ".join(f"{what} {version}" for what, version in worker.versions.items())
            table.add_row(name, versions, ", ".join(worker.formats), ", ".join(worker.devices))
        except WorkerLost as error:
            table.add_row(name, f"cannot be started: {error}", "", style="red")
        finally:
            worker.stop()
    console.print(table)
