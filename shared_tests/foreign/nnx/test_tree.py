"""What is found in a module without NNX's own listing is what that lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import pytest
from flax import nnx

from constate_flax import nnx as verbs
from constate_flax.nnx.tree import commit, located, values


class Holding(nnx.Module):
    """A module with these attributes."""

    def __init__(self, **attributes: Any) -> None:
        for name, value in attributes.items():
            setattr(self, name, value)


class NoTree(nnx.Object):
    """What JAX takes for a leaf."""

    def __init__(self) -> None:
        self.w = param(1)


class Doubled(nnx.Param[Any]):
    """A variable with a ``get_value`` of its own."""

    def get_value(self, *, index: Any = None) -> Any:
        return 2 * self.get_raw_value()


def param(value: float) -> Any:
    return nnx.Param(jnp.full(2, value))


def cycle() -> Holding:
    whole = Holding(w=param(1), inner=Holding(b=param(2)))
    whole.inner.whole = whole
    return whole


def twice() -> Holding:
    part = Holding(b=param(1))
    return Holding(first=part, second=part, w=param(2))


def twice_bare() -> Holding:
    part = Holding(b=jnp.ones(2))
    return Holding(first=part, second=part)


def references() -> Holding:
    module = Holding(a=nnx.Param(jnp.ones(2), ref=True), b=nnx.Param(jnp.ones(2), ref=True), c=param(1))
    module.b.set_raw_value(module.a.get_raw_value())
    return module


MODULES: dict[str, Any] = {
    "names": lambda: Holding(b=param(1), a=param(2), n=3, what=jnp.sin, none=nnx.data(None)),
    "list": lambda: Holding(layers=nnx.List([param(number) for number in range(12)])),
    "sequential": lambda: nnx.Sequential(*(nnx.Linear(2, 2, rngs=nnx.Rngs(0)) for _ in range(12))),
    "dictionaries": lambda: Holding(d=nnx.Dict({"b": param(1), "a": param(2)}), p=nnx.data({"y": [param(3)], "x": ()})),
    "bare": lambda: Holding(a=jnp.ones(2), w=param(1)),
    "number": lambda: Holding(a=nnx.data(1.5), w=param(1)),
    "static": lambda: Holding(a=nnx.static((1, 2)), w=param(1)),
    "no tree": lambda: Holding(inner=NoTree(), w=param(2)),
    "cycle": cycle,
    "twice": twice,
    "twice, bare": twice_bare,
    "references": references,
    "dropout": lambda: nnx.Dropout(0.5, rngs=nnx.Rngs(0)),
    "empty": Holding,
}


@pytest.mark.parametrize("name", MODULES)
def test_found_as_nnx_lists_it(name: str) -> None:
    module = MODULES[name]()
    found = [(keys, id(leaf)) for keys, leaf in located(module).entries.values()]
    assert found == [(keys, id(leaf)) for keys, leaf in nnx.to_flat_state(nnx.state(module))]


@pytest.mark.parametrize("name", ["cycle", "twice", "twice, bare", "references"])
def test_what_is_in_two_places_is_no_tree(name: str) -> None:
    assert not located(MODULES[name]()).tree
    assert located(MODULES["sequential"]()).tree


def test_a_value_is_what_the_variable_says() -> None:
    module = Holding(a=Doubled(jnp.full(2, 3.0)), b=param(3))
    assert {path: value.tolist() for path, value in values(module).items()} == {"a": [6, 6], "b": [3, 3]}


@pytest.mark.parametrize("name", ["names", "bare", "references", "twice"])
def test_committed_as_nnx_does(name: str) -> None:
    ours, theirs = MODULES[name](), MODULES[name]()
    entries = located(ours).entries
    new = {path: jnp.full(2, float(number)) for number, path in enumerate(entries)}
    commit(ours, new)
    nnx.update(theirs, nnx.from_flat_state({keys: new[path] for path, (keys, _) in entries.items()}))
    assert {path: value.tolist() for path, value in values(ours).items()} == {
        path: value.tolist() for path, value in values(theirs).items()
    }
    assert [id(leaf) for _, leaf in located(ours).entries.values() if isinstance(leaf, nnx.Variable)] == [
        id(leaf) for _, leaf in entries.values() if isinstance(leaf, nnx.Variable)
    ]


def test_a_module_within_itself(tmp_path: Path) -> None:
    saved, target = cycle(), cycle()
    saved.w[...] = jnp.full(2, 7.0)
    verbs.save(saved, tmp_path / "m")
    verbs.load(target, tmp_path / "m")
    assert target.w[...].tolist() == [7, 7]
    assert target.inner.whole is target
