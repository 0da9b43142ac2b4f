"""What the laws of interchange make of a backend that did not come to write its files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from constate.catalog import get_reference
from constate.laws import Untested, get_law

MODULE = "batch_norm"


def subject(exchange: Path | None) -> Any:
    """As much of a subject as is asked for before a file is read."""
    backend = SimpleNamespace(name="one", flavour="native", exchange_format="any")
    persistent = ["mean"]
    return SimpleNamespace(
        backend=backend, reference=get_reference(MODULE), exchange=exchange, persistent=persistent, state={"mean": 0}
    )


@pytest.mark.parametrize("there", [None, "one", ""])
def test_no_peer(tmp_path: Path, there: str | None) -> None:
    if there is not None:
        (tmp_path / "native" / there).mkdir(parents=True)
    with pytest.raises(Untested, match="no other backend took part"):
        get_law("X01").check(subject(tmp_path if there else None if there is None else tmp_path / "nowhere"))


def test_a_peer_that_was_lost_is_no_fault_of_the_others(tmp_path: Path) -> None:
    """Half a file of a worker that was killed is not read."""
    (tmp_path / "native" / "two").mkdir(parents=True)
    (tmp_path / "native" / "two" / f"{MODULE}.safetensors").write_bytes(b"half")
    with pytest.raises(Untested, match="two did not come to write this module"):
        get_law("X01").check(subject(tmp_path))
