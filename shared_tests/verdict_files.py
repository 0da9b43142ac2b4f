"""The committed verdicts: one file a backend, written by running, read by tests and by the tables of the README."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from constate.backend import FLAVOURS
from constate.catalog import CATALOG
from constate.laws import LAWS
from constate.verdicts import Cell

FOLDER = Path(__file__).parent / "verdicts"
HEADER = """\
# What running the contract found. Written by: nox -s accept
# Reasons are written by people, in reasons.toml of the backend's package.
"""

Key = tuple[str, str, str, str | None]
"""Flavour, module, law, format."""


def read(backend: str) -> dict[Key, str]:
    """The committed verdicts of a backend."""
    found: Mapping[str, Mapping[str, Mapping[str, str]]] = tomllib.loads(path(backend).read_text(encoding="utf-8"))
    verdicts: dict[Key, str] = {}
    for flavour, rows in found.items():
        for name, modules in rows.items():
            law, _, format = name.partition(" ")
            for module, verdict in modules.items():
                verdicts[flavour, module, law, format or None] = verdict
    return verdicts


def write(backend: str, cells: Iterable[Cell]) -> None:
    """Write the verdicts of a whole run."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for cell in cells:
        name = f"{cell.law} {cell.format}" if cell.format else cell.law
        rows.setdefault((cell.flavour, name), {})[cell.module] = cell.verdict.value
    lines = [HEADER]
    for flavour in FLAVOURS:
        lines.append(f"[{flavour}]")
        names = sorted((n for f, n in rows if f == flavour), key=lambda n: (list(LAWS).index(n.split(" ")[0]), n))
        for name in names:
            found = rows[flavour, name]
            modules = ", ".join(f'{module} = "{found[module]}"' for module in CATALOG if module in found)
            lines.append(f'"{name}" = {{ {modules} }}')
        lines.append("")
    path(backend).write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def path(backend: str) -> Path:
    """The file of a backend."""
    return FOLDER / f"{backend}.toml"
