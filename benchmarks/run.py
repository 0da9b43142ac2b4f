"""Run the benchmarks, one process per framework, and keep the raw samples.

python run.py [BACKEND...]           what a small checkpoint costs in every format
python run.py disk [FRAMEWORK...]    at what share of the disk's speed the container is written and read
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measure import ratio
from rich.console import Console
from rich.table import Table

from constate.backend import check_names, installed
from constate.reporting.results import machine

HERE = Path(__file__).parent
FRAMEWORKS = ("numpy", "torch", "jax", "tensorflow")


def main(*names: str) -> None:
    """Measure, print ratios to the floor, and write ``results/checkpoint.json`` or ``results/disk.json``."""
    if names[:1] == ("disk",):
        found = measure("disk", names[1:] or FRAMEWORKS)
        rows = {(name, shape): samples for name, shapes in found.items() for shape, samples in shapes.items()}
    else:
        check_names(names)
        found = measure("checkpoint", names or installed())
        rows = {(name,): backend["samples"] for name, backend in found.items()}
    Console().print(table(rows))


def measure(question: str, names: Iterable[str]) -> dict[str, Any]:
    """What the script of a question prints for each name, kept as data as soon as it is there."""
    found = {}
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    for name in names:
        command = [sys.executable, str(HERE / f"{question}.py"), name]
        # One thread each: what is compared is the path of the bytes, and not who has more threads.
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        found[name] = json.loads(done.stdout.splitlines()[-1])
        text = json.dumps({"date": date, "machine": machine(), "backends": found}, indent=1)
        (results / f"{question}.json").write_text(text, encoding="utf-8")
    return found


def table(rows: Mapping[tuple[str, ...], Mapping[str, Sequence[float]]]) -> Table:
    """Every case as a multiple of its floor."""
    made = Table("of", "what", "times the floor (95 % interval)", "ms, median", header_style="bold")
    for where, samples in rows.items():
        for case, times in samples.items():
            verb = case.split(" ")[0]
            if case != f"{verb} plain":
                milliseconds = f"{sorted(times)[len(times) // 2] * 1e3:.1f}"
                made.add_row(", ".join(where), case, str(ratio(times, samples[f"{verb} plain"])), milliseconds)
        made.add_section()
    return made


if __name__ == "__main__":
    main(*sys.argv[1:])
