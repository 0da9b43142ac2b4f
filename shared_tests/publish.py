"""Write what the laws of interchange read of one backend: ``python publish.py torch``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from constate.backend import FLAVOURS, get_backend
from constate.catalog import CATALOG, get_reference
from constate.laws.interchange import publish
from constate.subject import Subject

EXCHANGE = Path(__file__).parent / "exchange"


def main(*names: str) -> None:
    """Publish every module in both flavours."""
    for name in names:
        for flavour in FLAVOURS:
            folder = EXCHANGE / flavour / name
            shutil.rmtree(folder, ignore_errors=True)
            with tempfile.TemporaryDirectory() as scratch:
                for module in CATALOG:
                    publish(Subject(get_backend(name, flavour), get_reference(module), Path(scratch)), folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
