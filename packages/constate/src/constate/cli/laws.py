"""``constate laws``: the contract."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from constate.laws import CHAPTERS, LAWS


def laws() -> None:
    """List the laws of the contract, one sentence each."""
    console = Console()
    for letter, chapter in CHAPTERS.items():
        table = Table(title=f"{letter}. {chapter}", title_justify="left", show_header=False, box=None, padding=(0, 1))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(style="cyan", no_wrap=True)
        table.add_column()
        for law in LAWS.values():
            if law.code[0] == letter:
                table.add_row(law.code, law.title, law.sentence)
        console.print(table)
        console.print()
