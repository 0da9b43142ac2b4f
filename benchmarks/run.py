"""Run the benchmarks, one process per framework, and keep the raw samples: ``python run.py [BACKEND...]``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from measure import ratio
from rich.console import Console
from rich.table import Table

from constate.backend import check_names, installed
from constate.reporting.results import machine

HERE = Path(__file__).parent


def main(*names: str) -> None:
    """Measure, print ratios to the floor, and write ``results/checkpoint.json``."""
    check_names(names)
    backends = {}
    for name in names or installed():
        command = [sys.executable, str(HERE / "checkpoint.py"), name]
        # One thread each: what is compared is the path of the bytes, and not who has more threads.
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        backends[name] = json.loads(done.stdout.splitlines()[-1])
    date = datetime.now(UTC).isoformat(timespec="seconds")
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    text = json.dumps({"date": date, "machine": machine(), "backends": backends}, indent=1)
    (results / "checkpoint.json").write_text(text, encoding="utf-8")

    table = Table("backend", "what", "times the floor (95 % interval)", header_style="bold")
    for name, found in backends.items():
        for case, samples in found["samples"].items():
            verb = case.split(" ")[0]
            if case != f"{verb} plain":
                table.add_row(name, case, str(ratio(samples, found["samples"][f"{verb} plain"])))
        table.add_section()
    Console().print(table)


if __name__ == "__main__":
    main(*sys.argv[1:])
