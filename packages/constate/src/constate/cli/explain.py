"""``constate explain``: one law, why it is one, how a module of one's own is checked, what frameworks make of it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from constate.auditing.hazards import HAZARDS
from constate.auditing.rules import Rule, rule
from constate.backend import installed, package_folder
from constate.laws import get_law
from constate.verdicts import load_reasons


def explain(code: Annotated[str, typer.Argument(help="A law, such as P05.")]) -> None:
    """Say what a law is, why, what ``check`` looks for and when that is fine, and what the installed backends make of
    it."""
    law = get_law(code)
    console = Console()
    console.print(f"[bold]{law.code} {law.title}[/]  [dim]{law.chapter}, {law.level}[/]")
    console.print(Padding(escape(law.sentence), (1, 0, 1, 2)))
    if law.why:
        console.print(Padding(escape(_unwrapped(law.why)), (0, 0, 1, 2)))
    for link in law.reports:
        console.print(f"  report: {link}", highlight=False)
    if law.code in HAZARDS:
        _print_rule(console, rule(law.code))
    for backend in installed():
        for reason in load_reasons(package_folder(backend)):
            if law.code not in reason.laws:
                continue
            where = "".join(f" ({', '.join(names)})" for names in (reason.formats, reason.modules) if names)
            console.print(f"[bold]{backend}[/] {reason.flavour}{where}: {escape(reason.text)}")
            console.print(Padding(reason.link, (0, 0, 0, 2)), style="dim", highlight=False)
    console.print(f"\nrun it: constate compare --law {law.code}", style="dim")


def _print_rule(console: Console, rule: Rule) -> None:
    flag = " --distributed" if rule.alone else ""
    console.print(f"\n[bold]what check looks for[/]  [dim]constate check pkg.mod:build --law {rule.code}{flag}[/]")
    console.print(Padding(escape(_unwrapped(rule.how)), (0, 0, 1, 2)))
    console.print("[bold]when it is fine[/]")
    console.print(Padding(escape(rule.fine), (0, 0, 1, 2)))


def _unwrapped(text: str) -> str:
    """A docstring with its paragraphs as single lines."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
