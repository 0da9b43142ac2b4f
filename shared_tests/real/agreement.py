"""Public modules under audit: what ``constate check`` says of each, beside what was written down before.

    python agreement.py [--backend torch] [NAME ...]     run, write found.json
    python agreement.py --page                           write docs/real-modules.md from found.json

In an environment with requirements.txt and the packages of this project. Every module is checked in a process of its
own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FOUND = HERE / "found.json"
PAGE = HERE.parents[1] / "docs" / "real-modules.md"
FILES = {"torch": "torch", "jax": "jax", "linen": "linen", "nnx": "nnx", "keras-tensorflow": "keras"}


def expected() -> list[dict[str, Any]]:
    """The labels."""
    rows: list[dict[str, Any]] = tomllib.loads((HERE / "expected.toml").read_text(encoding="utf-8"))["module"]
    return rows


def audit(row: dict[str, Any]) -> dict[str, Any]:
    """What the command line says of a module."""
    file = f"factories_{FILES[row['backend']]}"
    command = [sys.executable, "-m", "constate", "check", f"{file}:{row['factory']}", "--format", "json"]
    if "inputs_from" in row:
        command += ["--input-from", f"{file}:{row['inputs_from']}"]
    for text in row.get("inputs", ()):
        command += ["--input", text]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    if not done.stdout.strip():
        return {"failed": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}"}
    found: dict[str, Any] = json.loads(done.stdout)
    return {key: found[key] for key in ("findings", "verdicts", "reasons")}


def judge(row: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Where the audit and the label do not agree; empty where they do."""
    if "failed" in found:
        return [f"could not run: {found['failed']}"]
    said = [finding for finding in found["findings"] if finding["severity"] != "info"]
    wrong = []

    def names(finding: dict[str, str], label: dict[str, str]) -> bool:
        entry = finding["entry"].replace("/", ".")
        return finding["law"] == label["law"] and label["entry"].replace("/", ".") in (entry or label["entry"])

    for label in row.get("broken", ()):
        if not any(names(finding, label) for finding in said):
            verdict = found["verdicts"].get(label["law"], "not tried")
            reason = found["reasons"].get(label["law"], "")
            wrong.append(f"missed {label['law']} of {label['entry']} ({verdict}{f': {reason}' if reason else ''})")
    known = {label["law"] for kind in ("broken", "open") for label in row.get(kind, ())}
    for finding in said:
        if finding["law"] not in known:
            wrong.append(f"{finding['severity']} {finding['law']} of {finding['entry']}: {finding['message']}")
    for label in row.get("untested", ()):
        verdict = found["verdicts"].get(label["law"])
        if verdict not in ("untested", "not-applicable"):
            wrong.append(f"{label['law']} is {verdict}, expected untested")
    return wrong


def run(backend: str | None, names: list[str]) -> None:
    """Audit, and add what was found to what is there."""
    results: dict[str, Any] = json.loads(FOUND.read_text(encoding="utf-8")) if FOUND.exists() else {}
    for row in expected():
        if (backend and row["backend"] != backend) or (names and row["name"] not in names):
            continue
        results[row["name"]] = audit(row)
        wrong = judge(row, results[row["name"]])
        print(f"{'agrees   ' if not wrong else 'DISAGREES'} {row['backend']:17} {row['name']}", *wrong, sep="\n    ")
        FOUND.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=FILES)
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    run(given.backend, given.names)
