"""Models as people write them in each framework, from one into another."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from constate.porting import port
from constate.state import Array
from porting.twins import MODELS

Train = Callable[..., Path]
Compute = Callable[[str, str, Path], list[Array]]


def ported(name: str, source: str, target: str, out: Path, weights: Path | None = None) -> Path:
    twins = MODELS[name]
    proved = port(twins.factory(source), twins.factory(target), out, weights=weights, inputs=twins.called_with(source))
    assert proved.holds and out.exists()
    return out


@pytest.mark.pairs(
    ("gru_tagger", "keras", "torch"),
    ("mobilenet_v2", "torch", "keras"),
    of=MODELS,
)
def test_the_weights_of_a_factory(pair: tuple[str, str, str], tmp_path: Path) -> None:
    ported(*pair, tmp_path / "out.safetensors")


@pytest.mark.pairs(
    ("lenet", "linen", "keras"),
    ("resnet18", "torch", "keras"),
    ("transformer", "keras", "torch"),
    ("lstm_tagger", "keras", "torch"),
    ("unet", "torch", "keras"),
    of=MODELS,
)
def test_what_was_trained_computes_the_same_elsewhere(
    pair: tuple[str, str, str], tmp_path: Path, trained: Train, computed: Compute
) -> None:
    name, source, target = pair
    weights = trained(name, source)
    out = ported(*pair, tmp_path / "out.safetensors", weights)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda side: computed(name, *side), [(source, weights), (target, out)]))
    for ours, theirs in zip(*found, strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours).max() > 1e-2
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-5 * float(np.abs(ours).max()))


@pytest.mark.pairs(("lenet", "torch", "keras"), of={})
def test_there_and_back_not_a_bit_has_changed(pair: tuple[str, str, str], tmp_path: Path, trained: Train) -> None:
    name, here, there = pair
    weights = trained(name, here, ".safetensors")
    away = ported(name, here, there, tmp_path / "away.safetensors", weights)
    back = ported(name, there, here, tmp_path / "back.safetensors", away)
    assert back.read_bytes() == weights.read_bytes()
    assert away.read_bytes() != weights.read_bytes()
