"""``constate laws``: the contract."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from constate.auditing.hazards import HAZARDS
from constate.laws import CHAPTERS, LAWS


def laws() -> None:
    """List the laws of the contract, one sentence each, and mark those that ``check`` tries on a module of yours."""
    console = Console()
    for letter, chapter in CHAPTERS.items():
        table = Table(title=f"{letter}. {chapter}", title_justify="left", show_header=False, box=None, padding=(0, 1))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(style="green", no_wrap=True, min_width=5)
        table.add_column(style="cyan", no_wrap=True)
        table.add_column()
        for law in LAWS.values():
            if law.code[0] == letter:
                table.add_row(law.code, "check" if law.code in HAZARDS else "", law.title, law.sentence)
        console.print(table)
        console.print()
    console.print("check: constate check tries it on a module of yours", style="dim", highlight=False)
