"""``constate check``: what is wrong with the state of a module of your own."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from constate.auditing import arguments as tables
from constate.auditing.audited import Audited, Stage, exit_code
from constate.auditing.baseline import Baseline
from constate.auditing.check import chosen as chosen_laws
from constate.auditing.packages import Discovery, discover
from constate.auditing.rules import rules
from constate.auditing.running import Limits, Target, run
from constate.auditing.targets import split
from constate.cli.auditing import Following, Output, Rest
from constate.cli.writing import complain, require_folder, write
from constate.errors import UsageError
from constate.instruments.inputs import parse_all
from constate.reporting.audits import Format
from constate.workers import Worker

GIB = 1 << 30


def check(
    targets: Annotated[
        list[str] | None, typer.Argument(help="What makes a module: pkg.mod:factory, path/to/file.py:factory.")
    ] = None,
    package: Annotated[
        str | None, typer.Option("--all", metavar="PKG", help="Instead: every module class that a package defines.")
    ] = None,
    input: Annotated[
        list[str] | None, typer.Option(help="What the module is called with: f32[8,16], i64[2,32]<1000, mask=bool[8].")
    ] = None,
    input_from: Annotated[
        str | None, typer.Option(help="Where the inputs are: pkg.mod:inputs, or :inputs in each target's own module.")
    ] = None,
    arguments: Annotated[
        Path | None, typer.Option(help="A TOML file of what classes are built with that need arguments.")
    ] = None,
    law: Annotated[list[str] | None, typer.Option(help="A law (P11) or a chapter (P); all by default.")] = None,
    distributed: Annotated[bool, typer.Option("--distributed", help="Also the laws that start two processes.")] = False,
    format: Annotated[Format, typer.Option(help="How the report is written.")] = Format.TERMINAL,
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="A file for the report, or a folder/ for a page.")
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="A TOML file of findings that are accepted.")] = None,
    accept: Annotated[
        str | None, typer.Option(metavar="REASON", help="Add all that is found to the baseline, for this reason.")
    ] = None,
    strict_baseline: Annotated[
        bool, typer.Option("--strict-baseline", help="Fail where a row of the baseline matches nothing any more.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Targets at a time; one a core by default.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, max=86400, help="Seconds for one law.")] = 120.0,
    build_timeout: Annotated[float, typer.Option(min=0.1, max=86400, help="Seconds to import, and to build.")] = 180.0,
    memory: Annotated[
        float | None,
        typer.Option(min=0.01, max=1 << 20, help="GiB for one target; a share of what is free by default."),
    ] = None,
) -> None:
    """Run the laws on modules of your own, of any framework.

    Exits with 0 where nothing was found, 1 where a law is broken (a fail or a warn that the baseline does not accept),
    2 where a target could not be run.
    """
    names = list(dict.fromkeys(targets or ()))
    if bool(names) == (package is not None):
        raise UsageError("found both targets and --all, expected one of them" if names else
                         "found no target, expected one such as pkg.mod:build, or --all pkg")  # fmt: skip
    for name in names:
        split(name)
    if input and input_from is not None:
        raise UsageError("found both --input and --input-from, expected one of them")
    if input_from is not None:
        split(f"_{input_from}" if input_from.startswith(":") else input_from)
    if input:
        parse_all(input)
    codes = chosen_laws(law or None, distributed)
    accepted = _baseline(baseline, accept)
    table = tables.load(arguments) if arguments is not None else {}
    limits = Limits(timeout, build_timeout, None if memory is None else int(memory * GIB))
    place = output or (None if package is None else "report")
    shown = Output(format, place, rules(codes), None if package is not None else len(names))

    done: list[Audited] = []
    unbuilt: dict[str, str] = {}
    found = Discovery()
    with Following(len(codes)) as following:
        try:
            if package is not None:
                worker = Worker("constate.auditing.worker", limit=limits.bound(1))
                found = discover(package, worker, build_timeout, following.count)
                names = _buildable(found, table, unbuilt)
            if arguments is not None:
                tables.require_used(arguments, table, found.classes or names)
            given = tuple(input) if input else None
            todo = [_target(name, given, input_from, table) for name in names]
            with closing(run(todo, codes, jobs=jobs, limits=limits, distributed=distributed,
                             progress=following.advance)) as results:  # fmt: skip
                for target, audited in zip(todo, results, strict=True):
                    if package is not None and audited.stage is Stage.BUILD and not target.arguments:
                        unbuilt[target.name] = audited.error
                        continue
                    done.append(accepted.applied(audited))
                    following.show(target.name, lambda: shown.add(_accepted(done[-1], accept)))
        except KeyboardInterrupt:
            raise UsageError("interrupted; the workers were stopped and no report was written") from None
    if baseline is not None and accept is not None:
        write(baseline, accepted.extended(done, accept))
    final = [_accepted(audited, accept) for audited in done]
    title = package or (names[0] if len(names) == 1 else f"{len(names)} modules")
    shown.finish(final, Rest(title, unbuilt, found.unimported))
    stale = accepted.stale(done)
    for row in stale:
        complain(f"{baseline}: the row {row} matches nothing any more; take it out")
    code = 2 if package is not None and not done else exit_code(final)
    raise typer.Exit(code or int(strict_baseline and bool(stale)))


def _baseline(path: Path | None, accept: str | None) -> Baseline:
    if accept is None:
        return Baseline() if path is None else Baseline.load(path)
    if path is None:
        raise UsageError("found --accept without --baseline, expected the file to write to")
    if not accept.strip():
        raise UsageError("found no reason in --accept, expected one in words")
    require_folder(path.parent, [path.name], "--baseline")
    return Baseline.load(path) if path.exists() else Baseline()


def _buildable(found: Discovery, table: dict[str, tables.Arguments], unbuilt: dict[str, str]) -> list[str]:
    """The classes that need no arguments or have some; why not is noted for the others."""
    names = []
    for name, needs in found.classes.items():
        if needs and tables.chosen(table, name) is None:
            unbuilt[name] = f"needs the argument{'s' * (len(needs) > 1)} {', '.join(needs)}"
        else:
            names.append(name)
    return names


def _target(
    name: str, given: tuple[str, ...] | None, given_from: str | None, table: dict[str, tables.Arguments]
) -> Target:
    row = tables.chosen(table, name)
    if row is None:
        return Target(name, given, given_from)
    inputs = given if row.inputs is None else row.inputs
    return Target(name, inputs, None if row.inputs is not None else given_from, row.kwargs)


def _accepted(audited: Audited, reason: str | None) -> Audited:
    """The target with everything accepted, where there is a reason for that."""
    if reason is None:
        return audited
    return replace(audited, accepted={**audited.accepted, **dict.fromkeys(audited.counting, reason)})
