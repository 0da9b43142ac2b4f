"""``constate inspect``: what is in a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from constate.checkpoint import Policy
from constate.checkpoint.formats import Form, open_checkpoint
from constate.checkpoint.formats.recognising import recognise
from constate.cli.tables import LIMIT, console, count, print_rows, size
from constate.errors import UsageError, nearest, printable

LINE = 200
"""Characters of a text in the metadata that are shown."""


def inspect(
    path: Annotated[Path, typer.Argument(help="A checkpoint of any format.", show_default=False)],
    patterns: Annotated[
        list[str] | None, typer.Argument(help="Only entries of such names: '*/kernel' 'encoder/*'.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=0, help=f"Entries that are shown; {LIMIT} by default, 0 for all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object, with all entries.")] = False,
) -> None:
    """List the entries of a checkpoint, their dtypes and shapes, and what else it says of itself.

    No array is read. What a file of constate says of its entries (their kinds, what is not saved, what a cast leaves
    alone) is shown. Any format is found by what lies there; the packages of the frameworks read their own.
    """
    with open_checkpoint(path) as reader:
        every, metadata, policies = reader.entries(), reader.metadata(), reader.policies()
    entries = _chosen(every, patterns or [])
    format = recognise(path) or ""
    total = {
        "entries": len(entries),
        "values": sum(form.size for form in entries.values()),
        "bytes": sum(form.nbytes for form in entries.values()),
    }
    if as_json:
        shown = list(entries.items())[: limit or None]
        rows = [
            {"name": n, "dtype": f.dtype, "shape": f.shape, "bytes": f.nbytes, **_said(policies.get(n))}
            for n, f in shown
        ]
        found: dict[str, Any] = {
            "path": str(path),
            "format": format,
            "entries": rows,
            "total": total,
            "metadata": metadata,
        }
        if unsaved := {name: _said(policy) for name, policy in policies.items() if name not in every}:
            found["unsaved"] = unsaved
        typer.echo(json.dumps(found, indent=1))
        return
    to = console()
    shapes = {name: f"[{', '.join(map(str, form.shape))}]" for name, form in entries.items()}
    cells = ((n, f.dtype, shapes[n], f"{f.nbytes:,}", *_kind(policies, n)) for n, f in entries.items())
    print_rows(to, ("entry", "dtype", "shape", "bytes", *(("kind",) if policies else ())), cells, len(entries), limit)
    of = f" of {len(every):,}" if patterns else ""
    said = f"{count(len(entries), 'entry', 'entries')}{of}, {count(total['values'], 'value')}, {size(total['bytes'])}"
    to.print(Text.assemble((printable(str(path)), "bold"), f"  {format}, {said}"), soft_wrap=True)
    if beside := [name for name in policies if name not in every]:
        named = ", ".join(f"{name} ({policies[name].kind or 'kind not known'})" for name in beside[:LIMIT])
        more = f" and {len(beside) - LIMIT:,} more" if len(beside) > LIMIT else ""
        to.print(Text.assemble(("  not saved", "dim"), f" = {printable(named)}{more}"), soft_wrap=True)
    _print_metadata(to, metadata)


def _kind(policies: Mapping[str, Policy], name: str) -> tuple[str, ...]:
    """What the table says of an entry, where the file says anything: ``statistic, no cast``."""
    if not policies:
        return ()
    policy = policies.get(name, Policy())
    words = (policy.kind or "-", "" if policy.persistent else "not saved by default", _CASTS[policy.cast])
    return (", ".join(filter(None, words)),)


_CASTS = {None: "", True: "follows a cast", False: "no cast"}


def _said(policy: Policy | None) -> dict[str, Any]:
    """What is known and not the default."""
    if policy is None:
        return {}
    found = {"kind": policy.kind, "persistent": None if policy.persistent else False, "cast": policy.cast}
    return {key: value for key, value in found.items() if value is not None}


def _chosen(entries: Mapping[str, Form], patterns: list[str]) -> Mapping[str, Form]:
    if not patterns:
        return entries
    found = {name: form for name, form in entries.items() if any(fnmatchcase(name, p) for p in patterns)}
    if not found:
        few = list(entries)[:1000]
        raise UsageError(f"no entry has a name such as {' or '.join(map(repr, patterns))}"
                         f"{nearest(patterns[0], few) if 0 < len(few) <= 20 else ''}")  # fmt: skip
    return found


def _print_metadata(to: Console, metadata: Mapping[str, str]) -> None:
    for key, value in list(metadata.items())[:LIMIT]:
        text = value if len(value) <= LINE else f"{value[:LINE]}… ({len(value):,} characters)"
        to.print(Text.assemble((f"  {printable(key)}", "dim"), f" = {printable(text)}"), soft_wrap=True)
    if len(metadata) > LIMIT:
        to.print(f"  … {len(metadata) - LIMIT:,} more notes: --json writes all", style="dim", soft_wrap=True)
