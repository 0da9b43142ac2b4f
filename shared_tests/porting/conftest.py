"""Moving weights between frameworks, each of which runs in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from constate.instruments.inputs import parse_all
from constate.state import Array
from porting.twins import MODELS, ZOO

HERE = Path(__file__).parent
SUFFIXES = {"torch": ".pt", "linen": ".msgpack", "nnx": ".safetensors", "keras": ".weights.h5"}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("constate")
    group.addoption("--every-pair", action="store_true", help="port every module between every two frameworks")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that names a ``pair`` runs on those that it is marked with, or on all."""
    if "pair" not in metafunc.fixturenames:
        return
    (mark,) = metafunc.definition.iter_markers("pairs")
    pairs = list(mark.args)
    if metafunc.config.getoption("--every-pair", default=False):
        every = {name: twins.pairs() for name, twins in mark.kwargs["of"].items()}
        pairs += [(name, *both) for name, found in every.items() for both in found if (name, *both) not in pairs]
    metafunc.parametrize("pair", pairs, ids=["-".join(pair) for pair in pairs])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "pairs(*pairs, of): module, source and target of what runs by default")


@pytest.fixture(scope="session", autouse=True)
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The modules can be imported, and what JAX compiles is kept from one process to the next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")])))
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
        yield


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, str], Path]:
    """A checkpoint of a module of some framework that was trained for a few steps; each is made once."""
    made: dict[tuple[str, str, str], Path] = {}

    def train(name: str, framework: str, suffix: str = "") -> Path:
        key = name, framework, suffix or SUFFIXES[framework]
        if key not in made:
            file = tmp_path_factory.mktemp("trained") / f"{name}{key[2]}"
            twins = (MODELS | ZOO)[name]
            script("training.py", twins.factory(framework), str(file), *twins.called_with(framework))
            made[key] = file
        return made[key]

    return train


@pytest.fixture
def computed(tmp_path: Path) -> Callable[[str, str, Path], list[Array]]:
    """What a module computes from the weights in a checkpoint, in the plain words of its framework; images with their
    channels last."""

    def run(name: str, framework: str, file: Path) -> list[Array]:
        twins = (MODELS | ZOO)[name]
        arrays = list(parse_all(twins.called_with("torch")).other(5).args)
        if twins.images and framework != "torch":
            arrays = [np.moveaxis(array, 1, -1) for array in arrays]
        taken, given = tmp_path / f"{framework}-taken.npz", tmp_path / f"{framework}-given.npz"
        np.savez(taken, *arrays)
        script("running.py", framework, twins.factory(framework), str(file), str(taken), str(given))
        with np.load(given) as outputs:
            found = [outputs[name] for name in outputs.files]
        images = twins.images and framework == "torch"
        return [np.moveaxis(array, 1, -1) if images and array.ndim > 2 else array for array in found]

    return run


def script(name: str, *arguments: str) -> None:
    """Run a file of this folder in a process of its own."""
    done = subprocess.run([sys.executable, str(HERE / name), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
