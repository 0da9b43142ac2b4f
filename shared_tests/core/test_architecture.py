"""Who may know whom: read from the sources, without importing a framework."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from constate.backend import KNOWN
from constate.catalog import CATALOG

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "packages"
CORE = PACKAGES / "constate" / "src" / "constate"
FRAMEWORKS = {"torch", "jax", "jaxlib", "flax", "optax", "orbax", "tensorflow", "keras", "tf_keras"}

MAY_KNOW = {
    "state": set(),
    "errors": set(),
    "reach": set(),
    "refusals": {"errors"},
    "backend": {"state", "errors"},
    "checkpoint": {"state", "errors"},
    "catalog": {"state", "errors"},
    "verdicts": set(),
    "subject": {"backend", "catalog", "errors", "state"},
    "laws": {"subject", "backend", "catalog", "state", "errors"},
    "checking": {"laws", "subject", "backend", "catalog", "verdicts", "errors"},
    "memory": set(),
    "workers": {"memory"},
    "worker": {"backend", "catalog", "checking", "laws", "subject", "workers"},
    "comparing": {"laws", "verdicts", "workers"},
    "instruments": {"backend", "errors", "state"},
    "auditing": {"errors", "instruments", "laws", "memory", "reach", "state", "verdicts", "workers"},
    "porting": {"auditing", "checkpoint", "errors", "instruments", "state", "workers"},
    "parametrizing": {"auditing", "errors", "laws", "verdicts"},
    "pytest_plugin": {"auditing", "errors", "instruments", "parametrizing"},
    "reporting": {"verdicts", "laws", "catalog", "auditing"},
}
"""What each part of the core may import from the core; ``cli`` may import everything."""

REPORTED = {"Audited", "Stage", "Finding", "Severity", "Outcome", "Rule"}
"""What reports know of an audit: what it found, and the words for it."""

OWN = {
    "torch": {"torch"},
    "jax": {"jax", "optax"},
    "flax": {"jax", "flax", "optax", "orbax"},
    "tensorflow": {"tensorflow", "keras"},
    "keras": {"keras", "tensorflow"},
}
"""The frameworks that each backend package may import."""

BUILT_ON = {"flax": {"constate_jax"}, "keras": {"constate_tensorflow"}}
"""The backend packages that another one is built on, as its framework is on theirs."""

FROM_CORE = {"state", "backend", "checkpoint", "errors", "instruments", "porting", "reach", "refusals"}
"""What a backend package may import from the core."""


def imports(path: Path) -> Iterator[str]:
    """Every imported module, with ``from a import b`` as ``a.b``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources(folder: Path) -> list[Path]:
    """The Python files below a folder; at least one."""
    found = sorted(folder.rglob("*.py"))
    assert found, folder
    return found


@pytest.mark.parametrize("path", sources(CORE), ids=lambda path: str(path.relative_to(CORE)))
def test_core_layers(path: Path) -> None:
    part = path.relative_to(CORE).parts[0].removesuffix(".py")
    for name in imports(path):
        top, *below = name.split(".")
        assert top not in FRAMEWORKS, f"the core imports {top}"
        if top == "constate" and below and part in MAY_KNOW:
            assert below[0] in MAY_KNOW[part] | {part}, f"{part} must not know {below[0]}"


def test_every_part_of_the_core_has_its_place() -> None:
    parts = {path.relative_to(CORE).parts[0].removesuffix(".py") for path in sources(CORE)}
    assert parts == MAY_KNOW.keys() | {"cli", "__init__", "__main__"}


@pytest.mark.parametrize("path", sources(CORE / "reporting"), ids=lambda path: path.stem)
def test_reports_know_an_audit_as_data(path: Path) -> None:
    for name in imports(path):
        assert not name.startswith("constate.auditing.") or name.rpartition(".")[2] in REPORTED, name


def test_importing_constate_is_quick() -> None:
    """Nothing heavy: neither arrays nor what only reports need."""
    program = "import sys; import constate; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "rich", "typer", "jinja2", "safetensors", "pytest"} & set(loaded)


def test_importing_the_core_imports_no_framework() -> None:
    modules = [
        ".".join(("constate", *path.relative_to(CORE).with_suffix("").parts)).removesuffix(".__init__")
        for path in sources(CORE)
    ]
    program = f"import sys; import {', '.join(modules)}; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not FRAMEWORKS & set(loaded)


@pytest.mark.parametrize("package", OWN)
def test_a_package_knows_its_own_framework_and_little_of_the_core(package: str) -> None:
    for path in sources(PACKAGES / f"constate-{package}" / "src"):
        for name in imports(path):
            top, *below = name.split(".")
            assert top not in FRAMEWORKS - OWN[package], f"{path}: {name}"
            known = {f"constate_{package}"} | BUILT_ON.get(package, set())
            assert not top.startswith("constate_") or top in known, f"{path}: {name}"
            assert top != "constate" or below[0] in FROM_CORE, f"{path}: {name}"


def module_files() -> list[Path]:
    """The catalogue's modules in every package."""
    return [path for path in sources(PACKAGES) if path.parent.name == "modules" and path.stem in CATALOG]


def test_every_package_writes_every_module() -> None:
    folders = {path.parent for path in module_files()}
    assert len(folders) == len({*KNOWN} - {name for name in KNOWN if name.startswith("keras")}) + 1
    for folder in folders:
        assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == CATALOG.keys(), folder


@pytest.mark.parametrize("path", module_files(), ids=lambda path: "/".join(path.parts[-4:]))
def test_a_module_file_can_be_copied_out(path: Path) -> None:
    """It imports its framework and, where the framework lacks a word, its own package's ``state``."""
    package = path.relative_to(PACKAGES).parts[0].removeprefix("constate-")
    for name in imports(path):
        top, *below = name.split(".")
        own = top == f"constate_{package}" and "state" in below
        plain = top in OWN[package] | {"numpy", "collections", "typing", "math"}
        assert own or plain, f"{path}: {name}"


@pytest.mark.parametrize("module", CATALOG)
def test_a_module_is_the_same_in_every_package(module: str) -> None:
    """The same class name, the same arguments in the same order, and every entry named in its docstring."""
    cls = "".join(word.title() for word in module.split("_"))
    expected = list(CATALOG[module]().config)
    for path in module_files():
        if path.stem != module:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        (found,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == cls)
        init = next((n for n in found.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        if init is not None:
            arguments = [argument.arg for argument in init.args.args[1:]]
        else:
            arguments = [
                n.target.id for n in found.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
            ]
        assert arguments == expected, path
        text = ast.get_docstring(found) or ""
        for entry in CATALOG[module]().entries():
            name = entry.path.split("/")[-1]
            assert f"``{name}``" in text or "/" in entry.path, f"{path}: {name}"


def test_no_code_asks_which_backend_it_is() -> None:
    """A difference between backends belongs in a backend package."""
    for path in sources(CORE):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                for side in (node.left, *node.comparators):
                    assert not (isinstance(side, ast.Constant) and side.value in KNOWN), f"{path}:{node.lineno}"


@pytest.mark.parametrize("path", sources(PACKAGES), ids=lambda path: "/".join(path.parts[-3:]))
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 370
