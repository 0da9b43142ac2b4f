"""``constate show``: a catalogue module, as one writes it in each framework."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from constate.backend import check_names, installed, package_folder
from constate.catalog import get_reference
from constate.errors import UsageError


def show(
    module: Annotated[str, typer.Argument(help="A catalogue module, such as batch_norm.")],
    backend: Annotated[list[str] | None, typer.Option(help="A backend; all that are installed by default.")] = None,
) -> None:
    """Show the state that a module carries, and its source in each framework."""
    reference = get_reference(module)
    names = backend or installed()
    check_names(names)
    files = {name: package_folder(name) / "modules" / f"{reference.name}.py" for name in names}
    for name, file in files.items():
        if not file.is_file():
            raise UsageError(f"backend {name!r} has no {reference.name}: there is no {file}")
    console = Console()
    console.print(f"[bold]{reference.title}[/]\n{reference.source}\n", highlight=False)
    table = Table("entry", "kind", "dtype", "shape", "saved", "cast", header_style="bold")
    for entry in reference.entries():
        shape = f"[{', '.join(map(str, entry.shape))}]"
        saved, cast = ("yes" if flag else "no" for flag in (entry.persistent, entry.cast))
        table.add_row(entry.path, entry.kind, entry.dtype, shape.replace("[", "\\["), saved, cast)
    console.print(table)
    for name, file in files.items():
        console.rule(f"[bold]{name}[/] {file.name}", align="left")
        console.print(Syntax(file.read_text(encoding="utf-8"), "python", background_color="default", word_wrap=True))
