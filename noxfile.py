"""One session and one environment per framework, so that no package leans on another's framework.

nox                 lint, types and all tests
nox -s compare      every backend in both flavours, to report/index.html; -- --backend torch installs torch alone
nox -s accept       run the contract and write what was found as the committed verdicts, and the README's tables
nox -s port         weights moved between the frameworks; -- --every-pair for all pairs of all models
nox -s dev          .nox/dev, the environment with everything
nox -s benchmark    the smoke benchmark
nox -s fuzz         the readers of checkpoints under a fuzzer
"""

from __future__ import annotations

import os
import shutil

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "core", "page", "torch", "jax", "flax", "tensorflow", "keras", "port"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True

CORE = "packages/constate"
PACKAGES = {
    "torch": "packages/constate-torch",
    "jax": "packages/constate-jax",
    "flax": "packages/constate-flax",
    "tensorflow": "packages/constate-tensorflow",
    "keras": "packages/constate-keras",
}
BACKENDS = {
    "torch": "torch",
    "linen": "flax",
    "nnx": "flax",
    "tensorflow": "tensorflow",
    "keras-tensorflow": "keras",
}
"""The package that brings each backend."""
BUILT_ON = {"flax": ["jax"], "keras": ["tensorflow"]}
"""The packages that another one needs."""
FRAMEWORKS = {
    "torch": ["torch"],
    "jax": ["jax", "optax"],
    "flax": ["flax", "jax", "optax", "orbax-checkpoint"],
    "tensorflow": ["tensorflow-cpu"],
    "keras": ["keras", "tensorflow-cpu"],
}
AUDITED = {
    "torch": {"torch": "torch"},
    "jax": {"jax": "jax"},
    "flax": {"linen": "linen", "nnx": "nnx"},
    "tensorflow": {"tensorflow": "tensorflow"},
    "keras": {"keras_tensorflow": "keras"},
}
"""For each package: the folders with tests of its instruments, and those of labelled modules."""
LIBRARIES = {"jax": ["equinox"]}
"""What labelled modules are written with, beside the framework."""
FUZZED = (
    "safetensors", "constate", "load", "shards", "torch", "torch-distributed", "msgpack", "orbax", "tensorflow",
    "saved-model", "keras", "keras-weights",
)  # fmt: skip
"""The formats whose readers are fuzzed, and ``constate.checkpoint.load``."""
TEST_TOOLS = ("pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "mypy")


def install(session: nox.Session, *names: str, tools: tuple[str, ...] = ()) -> None:
    """The core, some of the packages and tools, in the tested versions. The framework goes in by its own name first,
    so that the constraint and not a dependency chooses the build."""
    names = tuple(dict.fromkeys(part for name in names for part in (*BUILT_ON.get(name, ()), name)))
    frameworks = list(dict.fromkeys(framework for name in names for framework in FRAMEWORKS[name]))
    pinned = ["-c", "constraints.txt"]
    if frameworks:
        session.install(*pinned, *frameworks)
    editable = [part for path in (CORE, *(PACKAGES[name] for name in names)) for part in ("-e", path)]
    session.install(*pinned, *editable, *tools)


def everything(session: nox.Session) -> None:
    """Every package and every tool in one environment; each framework still runs in a process of its own."""
    libraries = [library for libraries in LIBRARIES.values() for library in libraries]
    install(session, *PACKAGES, tools=(*TEST_TOOLS, *libraries, "ruff", "playwright", "nox", "pre-commit"))


@nox.session
def lint(session: nox.Session) -> None:
    """Style and common mistakes."""
    session.install("-c", "constraints.txt", "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def core(session: nox.Session) -> None:
    """Types and tests of what needs no framework."""
    install(session, tools=TEST_TOOLS)
    session.run("mypy", f"{CORE}/src")
    session.run("pytest", "shared_tests/core", "-n", "2", *session.posargs)


@nox.session
def page(session: nox.Session) -> None:
    """The report page in a real browser."""
    browser = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if browser is None:
        session.error(
            "no Chromium found: install one (Debian: apt-get install chromium) or set CHROMIUM to the path of one"
        )
    install(session, tools=("pytest", "pytest-timeout", "playwright"))
    session.run("pytest", "shared_tests/page", *session.posargs, env={"CHROMIUM": browser})


def framework(session: nox.Session, name: str) -> None:
    """Types and the shared tests of one package, in an environment that has no other framework."""
    install(session, name, tools=(*TEST_TOOLS, *LIBRARIES.get(name, ())))
    session.run("mypy", f"{PACKAGES[name]}/src")
    one_thread = {"OMP_NUM_THREADS": "1"}  # for two processes on two cores
    for tests, corpus in AUDITED[name].items():
        session.run("pytest", f"shared_tests/auditing/{tests}", "-n", "2", env=one_thread)
        session.run("pytest", "shared_tests/auditing/test_corpus.py", "-n", "2", "--corpus", corpus, env=one_thread)
    backends = [part for backend, package in BACKENDS.items() if package == name for part in ("--backend", backend)]
    if backends:
        session.run("pytest", "shared_tests/contract", "-n", "2", *backends, *session.posargs)
    for backend in backends[1::2]:
        session.run("pytest", f"shared_tests/foreign/{backend.replace('-', '_')}")
    if name in BACKENDS.values():
        session.run("pytest", f"shared_tests/formats/{name}", env=one_thread)


@nox.session
def torch(session: nox.Session) -> None:
    """constate-torch."""
    framework(session, "torch")


@nox.session
def jax(session: nox.Session) -> None:
    """constate-jax."""
    framework(session, "jax")


@nox.session
def flax(session: nox.Session) -> None:
    """constate-flax: linen and nnx."""
    framework(session, "flax")


@nox.session
def tensorflow(session: nox.Session) -> None:
    """constate-tensorflow."""
    framework(session, "tensorflow")


@nox.session
def keras(session: nox.Session) -> None:
    """constate-keras."""
    framework(session, "keras")


@nox.session
def port(session: nox.Session) -> None:
    """Weights moved between the frameworks; -- --every-pair tries all pairs of all models, for hours."""
    install(session, "torch", "flax", "keras", tools=TEST_TOOLS)
    session.run("pytest", "shared_tests/porting", *session.posargs)


@nox.session
def dev(session: nox.Session) -> None:
    """The environment with everything, for daily work: .nox/dev/bin/constate."""
    everything(session)
    session.log("ready: .nox/dev/bin/constate compare batch_norm --law P05")


@nox.session
def compare(session: nox.Session) -> None:
    """Every backend in both flavours; with ``--backend``, only the packages of those."""
    parts = [piece for part in session.posargs for piece in part.replace("--backend=", "--backend\n").split("\n")]
    wanted = [parts[i + 1] for i, part in enumerate(parts[:-1]) if part == "--backend"]
    if unknown := [name for name in wanted if name not in BACKENDS]:
        session.error(f"unknown backend {unknown[0]!r}; expected one of {', '.join(BACKENDS)}")
    install(session, *dict.fromkeys(BACKENDS[name] for name in wanted or BACKENDS))
    chosen = [] if wanted else [part for name in BACKENDS for part in ("--backend", name)]
    session.run("constate", "compare", *chosen, *session.posargs)


@nox.session
def accept(session: nox.Session) -> None:
    """Run the contract and write what was found; with names of backends, for those only."""
    everything(session)
    names = session.posargs or list(BACKENDS)
    for name in names:
        session.run("python", "shared_tests/publish.py", name)
    for name in names:
        session.run("pytest", "shared_tests/contract/test_laws.py", "-n", "2", "--backend", name, "--accept")
    session.run("python", "shared_tests/tables.py")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Every reader of checkpoints under a fuzzer: -- [FORMAT...] [SECONDS], ten minutes each by default."""
    everything(session)
    session.install("-c", "constraints.txt", "atheris")
    seconds = next((part for part in session.posargs if part.isdigit()), "600")
    formats = [part for part in session.posargs if not part.isdigit()] or FUZZED
    for name in formats:
        session.run("python", "shared_tests/fuzz/fuzz.py", name, seconds)


@nox.session
def benchmark(session: nox.Session) -> None:
    """What a checkpoint costs beside a plain write and read of the same bytes."""
    install(session, *PACKAGES)
    session.run("python", "benchmarks/run.py", *session.posargs)
