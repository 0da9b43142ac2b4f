"""Every layer that is known, from every framework and into every one."""

from __future__ import annotations

from pathlib import Path

import pytest

from constate.porting import port
from porting.twins import ZOO


@pytest.mark.pairs(
    ("dense", "nnx", "torch"),
    ("convolutions", "torch", "linen"),
    ("recurrent", "keras", "nnx"),
    ("attention", "linen", "torch"),
    ("convolutions", "keras", "torch"),
    ("nameless", "torch", "nnx"),
    ("without_nnx", "torch", "keras"),
    ("without_flax", "keras", "torch"),
    of=ZOO,
)
def test_every_layer_gets_its_weights(pair: tuple[str, str, str], tmp_path: Path) -> None:
    name, source, target = pair
    twins = ZOO[name]
    out = tmp_path / "out.safetensors"
    proved = port(twins.factory(source), twins.factory(target), out, inputs=twins.called_with(source))
    assert proved.holds and out.exists()
    outputs, made_up, gradients, statistics = proved.proofs
    assert outputs.count == made_up.count == OUTPUTS[name]
    assert gradients.count > 0
    assert statistics.count == (4 if name == "dense" else 0)


OUTPUTS = {
    "dense": 3,
    "convolutions": 6,
    "recurrent": 3,
    "attention": 3,
    "nameless": 1,
    "without_nnx": 2,
    "without_flax": 1,
}
