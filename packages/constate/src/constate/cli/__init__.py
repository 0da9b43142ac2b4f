"""The command line: one file a command."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from constate.cli.backends import backends
from constate.cli.compare import compare
from constate.cli.explain import explain
from constate.cli.laws import laws
from constate.cli.show import show
from constate.errors import ConstateError

app = typer.Typer(
    help="One contract for the state of a neural-network module that is carried but not trained.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (compare, laws, explain, show, backends):
    app.command()(command)


def main() -> None:
    """Run the command line. What a user can mend is one line and exit code 2."""
    try:
        app()
    except ConstateError as error:
        Console(stderr=True, soft_wrap=True).print(f"constate: {error}", style="red", markup=False, highlight=False)
        sys.exit(2)


__all__ = ["app", "main"]
