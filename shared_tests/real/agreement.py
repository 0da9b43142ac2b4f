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
CONFIRMED = "(not in the label; reproduced by hand afterwards)"
FIRST = "18 of 29 modules of PyTorch agreed, 4 of 11 of Equinox, 7 of 8 of Linen, 7 of 9 of NNX and 7 of 13 of Keras"
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


def _names(finding: dict[str, str], label: dict[str, str]) -> bool:
    entry = finding["entry"].replace("/", ".")
    return finding["law"] == label["law"] and label["entry"].replace("/", ".") in entry


def judge(row: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Where the audit and the label do not agree; empty where they do."""
    if "failed" in found:
        return [f"could not run: {found['failed']}"]
    said = [finding for finding in found["findings"] if finding["severity"] != "info"]
    wrong = []
    for label in row.get("broken", ()):
        if not any(_names(finding, label) for finding in said):
            verdict = found["verdicts"].get(label["law"], "not tried")
            reason = found["reasons"].get(label["law"], "")
            wrong.append(f"missed {label['law']} of {label['entry']} ({verdict}{f': {reason}' if reason else ''})")
    known = {label["law"] for kind in ("broken", "open") for label in row.get(kind, ())}
    for finding in said:
        if finding["law"] not in known:
            confirmed = any(_names(finding, label) for label in row.get("confirmed", ()))
            note = f"{finding['severity']} {finding['law']} of {finding['entry']}: {finding['message']}"
            wrong.append(f"{note} {CONFIRMED}" if confirmed else note)
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


def page() -> str:
    """The agreement in words and a table, disagreements included."""
    results: dict[str, Any] = json.loads(FOUND.read_text(encoding="utf-8"))
    rows = [row for row in expected() if row["name"] in results]
    wrong = {row["name"]: judge(row, results[row["name"]]) for row in rows}
    labels = [label for row in rows for label in row.get("broken", ())]
    missed = sum(line.startswith("missed") for lines in wrong.values() for line in lines)
    cried = [line for lines in wrong.values() for line in lines if line.startswith("fail")]
    proved = sum(line.endswith(CONFIRMED) for line in cried)
    foreseen = sum(all(line.endswith(CONFIRMED) for line in lines) for lines in wrong.values())
    agreed = sum(not lines for lines in wrong.values())
    packages = len({row["package"] for row in rows})
    left = [row["name"] for row in expected() if row["name"] not in results]
    rest = f"\n\nLabelled and not yet run: {', '.join(left)}." if left else ""
    head = f"""# Public modules under audit

{len(rows)} modules of {packages} public packages, installed from PyPI and built offline with random weights. What is
right about each was written down first, from its source and from public reports, and reproduced by hand
(`shared_tests/real/expected.toml`); then `constate check` was run on it. Everything below is printed from what that run
found (`shared_tests/real/found.json`), disagreements included.

What the first runs showed was mended in the searches, so that these are no longer figures of unseen modules. At first
{FIRST}.

**{agreed} of {len(rows)} modules agree** in every law; {foreseen - agreed} more differ only by findings that their
labels did not foresee and that were reproduced by hand afterwards. Of {len(labels)} hazards {len(labels) - missed} were
found; {len(cried)} fails were reported that the labels do not have, {proved} of them reproduced.{rest}

| module | package | framework | broken, by its label | audit |
|---|---|---|---|---|
"""
    lines = []
    for row in rows:
        broken = ", ".join(f"{label['law']} `{label['entry']}`" for label in row.get("broken", ())) or "-"
        said = "agrees" if not wrong[row["name"]] else "<br>".join(map(_cell, wrong[row["name"]]))
        package = f"{row['package']} {row['version']}"
        lines.append(f"| {row['name']} | {package} | {row['backend']} | {broken} | {said} |")
    why = "\n".join(
        f"- **{row['name']}**, {label['law']} of `{label['entry']}`: {label['why']}"
        + (f" ([report]({label['link']}))" if "link" in label else "")
        for row in rows
        for label in row.get("broken", ())
    )
    more = "\n".join(
        f"- **{row['name']}**, {label['law']}: {label['why']}" for row in rows for label in row.get("confirmed", ())
    )
    return (
        f"{head}{chr(10).join(lines)}\n\n## Why each is broken\n\n{why}\n\n"
        f"## What the labels did not foresee\n\n{more}\n"
    )


def _cell(line: str) -> str:
    return (line if len(line) < 200 else line[:200] + "…").replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=FILES)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--page", action="store_true", help="write the page from what was found")
    given = parser.parse_args()
    if given.page:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        run(given.backend, given.names)
