"""The command line: one file a command."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from typing import NoReturn

import typer

from constate.checkpoint import CheckpointError
from constate.cli.backends import backends
from constate.cli.check import check
from constate.cli.compare import compare
from constate.cli.convert import convert
from constate.cli.diff import diff
from constate.cli.explain import explain
from constate.cli.inspect import inspect
from constate.cli.laws import laws
from constate.cli.port import port
from constate.cli.show import show
from constate.cli.verify import verify
from constate.cli.writing import complain
from constate.errors import ConstateError, printable

app = typer.Typer(
    help="One contract for the state of a neural-network module that is carried but not trained.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (check, compare, laws, explain, show, backends, inspect, verify, diff, convert, port):
    app.command()(command)


def main() -> None:
    """Run the command line. What a user can mend is one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an arrow on a terminal that has none is no reason to fail
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # no worker is left behind
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except CheckpointError as error:
        _fail(printable(str(error)))  # it may name an entry, and a file may name its entries as it likes
    except ConstateError as error:
        _fail(str(error))
    except typer.TyperException as error:  # an option that there is not, a number that is none
        if text := error.format_message():
            _fail(f"{text.rstrip('.')}; see: constate --help")
        code = 2  # no command at all: the help is shown
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered goes nowhere either
        if isinstance(error, BrokenPipeError):  # the reader has seen enough
            sys.exit(1)
        _fail(str(error))
    sys.exit(code)


def _fail(text: str) -> NoReturn:
    complain("\n".join(map(printable, text.split("\n"))))
    sys.exit(2)


__all__ = ["app", "main"]
