"""What is broken and what is not, on pytrees that lie close to the line between the two."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import constate
from constate.auditing.finding import Finding
from constate.auditing.targets import is_module_class, required
from constate.verdicts import Verdict
from constate_jax.arrays import split_host
from constate_jax.auditing.compiling import compiled_once

split_host()  # before anything starts JAX


def found(factory: Any, law: str, *inputs: str) -> tuple[Verdict, list[Finding]]:
    report = constate.check(factory, list(inputs), laws=[law])
    return report.verdicts[law], report.findings


class Rotary(eqx.Module):
    """No array of its own: the table is made when it is called."""

    width: int = eqx.field(static=True)

    def __call__(self, x: jax.Array) -> jax.Array:
        return x * jnp.cos(jnp.arange(self.width))


def test_a_module_without_arrays_is_one() -> None:
    report = constate.check(lambda: Rotary(4), ["f32[2,4]"])
    assert report.backend == "jax" and not report.findings


def test_the_table_that_a_library_keeps_is_named() -> None:
    verdict, findings = found(lambda: eqx.nn.RotaryPositionalEmbedding(64), "C06", "f32[32,64]")
    assert verdict is Verdict.BROKEN
    assert findings and all("internal_rope_embedding_cache" in finding.entry for finding in findings)


def test_an_activation_that_pickle_cannot_find_is_a_warning() -> None:
    verdict, (finding,) = found(lambda: eqx.nn.MLP(4, 4, 8, 1, key=jax.random.key(0)), "P07", "f32[4]")
    assert (verdict, finding.severity.value, finding.entry) == (Verdict.BROKEN, "warn", "activation")


class Rebuilt(eqx.Module):
    """A function that closes over an array, which passes read or do not."""

    linear: eqx.nn.Linear
    rebuild: Callable[[jax.Array], jax.Array] = eqx.field(static=True)
    read: bool = eqx.field(static=True)

    def __init__(self, read: bool, key: jax.Array) -> None:
        start = jnp.arange(4.0)
        self.linear, self.read = eqx.nn.Linear(4, 4, key=key), read
        self.rebuild = lambda x: x + start

    def __call__(self, x: jax.Array) -> jax.Array:
        y: jax.Array = self.linear(x)
        return self.rebuild(y) if self.read else y


@pytest.mark.parametrize(("read", "severity"), [(True, "fail"), (False, "info")])
def test_what_is_kept_of_a_trace(read: bool, severity: str) -> None:
    _, (finding,) = found(lambda: Rebuilt(read, jax.random.key(0)), "P11", "f32[4]")
    assert (finding.severity.value, finding.entry) == (severity, "rebuild.<lambda>.<closure>.start")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "with_a_key.py").write_text(
        "import equinox as eqx, jax, jax.numpy as jnp\nTABLE = jnp.arange(4.0)\n"
        "class Shifted(eqx.nn.Linear):\n"
        "    def __call__(self, x):\n        return super().__call__(x) + TABLE\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "with_a_key"
    sys.modules.pop("with_a_key", None)


def test_what_a_factory_imports_is_not_traced(package: str) -> None:
    def build() -> Any:
        import with_a_key  # type: ignore[import-not-found]

        return with_a_key.Shifted(4, 4, key=jax.random.key(0))

    assert found(build, "P11", "f32[4]") == (Verdict.HOLDS, [])


class Keyed(eqx.Module):
    """A class that takes a key and nothing else."""

    linear: eqx.nn.Linear

    def __init__(self, key: jax.Array) -> None:
        self.linear = eqx.nn.Linear(4, 4, key=key)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.linear(x)


def test_a_class_of_equinox_that_wants_a_key_is_found_and_built() -> None:
    assert is_module_class(Keyed) and not is_module_class(eqx.Module)
    assert required(Keyed) == [] and required(eqx.nn.Linear) == ["in_features", "out_features", "key"]
    assert required(functools.partial(eqx.nn.Linear, 4, 4)) == []
    assert constate.check(Keyed, ["f32[4]"], laws=["P01"]).verdicts["P01"] is Verdict.HOLDS


def test_the_cache_of_programs_is_put_back(tmp_path: Path) -> None:
    """Nothing of a check is left in the settings, and a cache of the user's own is not touched."""
    from jax.experimental.compilation_cache import compilation_cache

    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = [getattr(jax.config, name) for name in names]
    assert found(lambda: Keyed(jax.random.key(0)), "P09", "f32[4]") == (Verdict.HOLDS, [])
    assert [getattr(jax.config, name) for name in names] == before
    jax.config.update(names[0], str(tmp_path))
    try:
        with compiled_once(str(tmp_path / "other")):
            assert getattr(jax.config, names[0]) == str(tmp_path)
    finally:
        jax.config.update(names[0], before[0])
        compilation_cache.reset_cache()
    kept = []
    with compiled_once(str(tmp_path / "kept")):
        for _ in range(3):  # another function each time, and one program
            jax.jit(lambda x: x * 3.25 + 1)(jnp.ones(7)).block_until_ready()
            kept.append(len(list((tmp_path / "kept").glob("*-cache"))))
    assert kept[0] and kept[0] == kept[1] == kept[2]
