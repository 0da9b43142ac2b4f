"""``constate diff``: what differs between two checkpoints, of any two formats."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from constate.checkpoint import comparing
from constate.checkpoint.comparing import Difference, What
from constate.checkpoint.formats import Form, open_checkpoint
from constate.cli.tables import LIMIT, console, count, described, print_rows
from constate.cli.waiting import bar
from constate.errors import printable


def diff(
    a: Annotated[Path, typer.Argument(help="A checkpoint of any format.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="Another one, of any format.", show_default=False)],
    tolerance: Annotated[
        float | None,
        typer.Option(min=0, help="Values that differ by no more than this, relative to the larger, count as equal."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=0, help=f"Differences that are shown; {LIMIT} by default, 0 for all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object, with all differences.")] = False,
) -> None:
    """Compare two checkpoints entry by entry and bit by bit: names, shapes, dtypes and values.

    Exits with 0 where all is equal, 1 where something differs, 2 where one cannot be read. With a tolerance the sign of
    a zero and the payload of a NaN count for nothing; another dtype is a difference all the same.
    """
    counts: Counter[str] = Counter()
    found: list[Difference] = []
    kept = None if as_json or limit == 0 else (limit or LIMIT)
    with open_checkpoint(a) as first, open_checkpoint(b) as second:
        total = sum(form.nbytes for form in first.entries().values())
        with bar("comparing", total) as advance:
            for difference in comparing.diff(first, second):
                within = tolerance is not None and difference.within(tolerance)
                equal = difference.what is What.EQUAL
                counts["equal" if equal else "within" if within else difference.what] += 1
                if not equal and not within and (kept is None or len(found) < kept):
                    found.append(difference)
                advance(difference.name, difference.a.nbytes if difference.a is not None else 0)
    differ = sum(number for what, number in counts.items() if what not in ("equal", "within"))
    if as_json:
        shown = found[: limit or None]
        result = {"a": str(a), "b": str(b), "equal": counts["equal"], "differ": differ}
        if tolerance is not None:
            result |= {"tolerance": tolerance, "within": counts["within"]}
        typer.echo(json.dumps(result | {"differences": [_row(difference) for difference in shown]}, indent=1))
        raise typer.Exit(int(differ > 0))
    to = console()
    print_rows(to, ("entry", "differs in", "how"), map(_cells, found), differ, limit)
    parts = [f"{number:,} {what}" for what, number in counts.items() if what not in ("equal", "within")]
    said = f"{count(differ, 'entry differs', 'entries differ')}: {', '.join(parts)}; " if differ else ""
    within_text = f", {counts['within']:,} within {tolerance:g}" if tolerance is not None else ""
    style = "bold red" if differ else "green"
    to.print(Text.assemble((said, style), (f"{counts['equal']:,} equal", "" if differ else style), within_text,
                           (f"  A {printable(str(a))}  B {printable(str(b))}", "dim")), soft_wrap=True)  # fmt: skip
    raise typer.Exit(int(differ > 0))


def _cells(difference: Difference) -> tuple[str, str, str]:
    forms = [described(form) for form in (difference.a, difference.b) if form is not None]
    how = [] if difference.what is What.BITS else [" → ".join(forms)]
    if difference.what in (What.BITS, What.DTYPE):
        how.append(_values(difference))
    return difference.name, difference.what, ": ".join(how)


def _values(difference: Difference) -> str:
    """``3 of 128, at most 0.0012, relative 0.004``."""
    of = f"of {difference.a.size:,}" if difference.a is not None else ""
    if not difference.differing:
        return "all values are equal"
    if not difference.absolute and not difference.unlike:
        return f"{difference.differing:,} {of}, in the sign of a zero or the payload of a NaN alone"
    found = [f"{difference.differing:,} {of}"]
    if difference.absolute:
        found.append(f"at most {difference.absolute:.3g}, relative {difference.relative:.3g}")
    if difference.unlike:
        found.append(f"{difference.unlike:,} on one side not finite")
    return ", ".join(found)


def _row(difference: Difference) -> dict[str, Any]:
    return {
        "name": difference.name,
        "what": difference.what,
        "a": _form(difference.a),
        "b": _form(difference.b),
        "differing": difference.differing,
        "absolute": difference.absolute,
        "relative": difference.relative,
        "unlike": difference.unlike,
    }


def _form(form: Form | None) -> dict[str, Any] | None:
    return None if form is None else {"shape": form.shape, "dtype": form.dtype}
