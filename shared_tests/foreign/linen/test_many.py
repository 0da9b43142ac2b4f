"""So many arrays of one form that they are copied by compiled programs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from constate.checkpoint.layout import DTYPES
from constate.state import Array, dtype_named
from constate_flax import linen as verbs
from constate_flax.arrays import from_numpy, to_numpy
from constate_jax.placing import PACK, WORTH_COMPILING, all_like

COUNT = WORTH_COMPILING + PACK // 2
"""With a pack that is not full."""


def drawn(dtype: str, shape: tuple[int, ...] = (3,), count: int = COUNT) -> dict[str, Array]:
    """Any bits, those of NaNs among them."""
    form = dtype_named(dtype)
    size = int(np.prod((count, *shape))) * form.itemsize
    data = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 256, size, np.uint8)
    return {f"w{number}": part for number, part in enumerate(data.view(form).reshape(count, *shape))}


def variables(state: dict[str, Array], where: Callable[[int], Any] = lambda number: None) -> dict[str, Any]:
    return {"params": {name: from_numpy(array, where(n)) for n, (name, array) in enumerate(state.items())}}


def bits(state: Any) -> dict[str, tuple[str, bytes]]:
    return {name: (str(array.dtype), to_numpy(array).tobytes()) for name, array in state.items()}


@pytest.mark.parametrize("dtype", DTYPES.values())
@pytest.mark.parametrize("shape", [(3,), (), (2, 0)])
def test_every_bit_comes_back(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    state = drawn(dtype, shape)
    verbs.save(variables(state), tmp_path / "m")
    empty = {name: jax.ShapeDtypeStruct(shape, dtype_named(dtype)) for name in state}
    assert bits(verbs.load({"params": empty}, tmp_path / "m")["params"]) == bits(state)


def test_strided_arrays() -> None:
    state = {name: array[:, ::2].T for name, array in drawn("float32", (4, 6)).items()}
    assert bits(all_like(state, variables(state)["params"])) == bits(state)


def test_each_stays_on_its_device(tmp_path: Path) -> None:
    devices = jax.devices()
    halves = jax.sharding.NamedSharding(jax.make_mesh((2,), ("a",)), jax.sharding.PartitionSpec("a"))
    places = [devices[0], devices[3], devices[5], halves]
    state = drawn("float32", (2,), len(places) * COUNT)
    target = variables(state, lambda number: places[number % len(places)])
    verbs.save(target, tmp_path / "m")
    loaded = verbs.load(target, tmp_path / "m")["params"]
    assert bits(loaded) == bits(state)
    assert {name: a.sharding for name, a in loaded.items()} == {n: a.sharding for n, a in target["params"].items()}
    assert all(array.committed for array in loaded.values())


def test_the_memory_is_their_own(tmp_path: Path) -> None:
    state = drawn("float32", (1024,))
    target = variables(state)
    verbs.save(target, tmp_path / "m")
    loaded = verbs.load(target, tmp_path / "m")["params"]
    with (tmp_path / "m").open("r+b") as file:  # what is not read of a map of it would change
        file.write(bytes((tmp_path / "m").stat().st_size))
    assert bits(loaded) == bits(state)
    arrays = [*loaded.values(), *target["params"].values()]
    assert len({array.unsafe_buffer_pointer() for array in arrays}) == len(arrays)


def test_what_they_were_made_of_may_change() -> None:
    state = drawn("float32", (1024,))
    before, placed = bits(state), all_like(state, variables(state)["params"])
    for array in state.values():
        array[...] = 0
    assert bits(placed) == before


@pytest.mark.parametrize("setting", [jax.debug_nans, jax.debug_infs, jax.disable_jit, jax.enable_x64])
def test_settings_for_a_users_own_programs(setting: Callable[[bool], AbstractContextManager[Any]]) -> None:
    state = drawn("float32")
    state["w0"][...] = np.nan, np.inf, -np.inf
    old = variables(state, lambda number: jax.devices()[1])["params"]
    with setting(True):
        placed = all_like(state, old)
    assert bits(placed) == bits(state)
    assert {device for array in placed.values() for device in array.devices()} == {jax.devices()[1]}


def test_within_a_program() -> None:
    state = drawn("float32")
    old = variables(state)["params"]
    placed: list[dict[str, Any]] = []

    def traced(x: jax.Array) -> jax.Array:
        placed.append(all_like(state, old))
        return x

    jax.jit(traced)(jnp.ones(()))
    assert bits(placed[0]) == bits(state)
