"""A process that runs cells of one backend in one flavour, one at a time, as it is told on its standard input.

Each line in is a request, each line out the answer, both JSON. Whatever the framework prints goes to standard error.
"""

from __future__ import annotations

import sys
from pathlib import Path

from constate.workers import channel


def serve(name: str, flavour: str) -> None:
    """Answer requests until the standard input ends."""
    requests, answer = channel()
    # From here on nothing but answers reaches the real standard output.
    from constate.backend import get_backend
    from constate.catalog import get_reference
    from constate.checking import run_cell
    from constate.laws.interchange import publish
    from constate.subject import Subject

    backend = get_backend(name, flavour)
    answer(
        {
            "versions": backend.versions(),
            "formats": list(backend.formats()),
            "devices": list(backend.devices()),
        }
    )
    for request in requests:
        exchange = Path(request["exchange"])
        if request["law"] is None:
            folder = exchange / flavour / name
            publish(Subject(backend, get_reference(request["module"]), folder), folder)
            answer({})
        else:
            which = request["module"], request["law"], request["format"]
            cell = run_cell(backend, *which, exchange, request["device"], request.get("scratch"))
            answer(cell.to_json())


if __name__ == "__main__":
    serve(*sys.argv[1:])
