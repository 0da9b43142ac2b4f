"""Queries, keys and values that one author keeps in one layer and the other in three."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from constate.porting import map_files, opened
from constate.porting.rows import Row

SERIES = "f32[2,5,8]"


def torch(name: str) -> str:
    return f"porting.fused_torch:{name}"


def test_in_blocks() -> None:
    with opened(torch("in_blocks"), torch("apart"), inputs=[SERIES]) as twins:
        weights = twins.infer()
        assert twins.prove(weights).holds
    assert Row("key/weight", ("qkv/weight[8:16]",)) in weights.rows


def test_head_by_head() -> None:
    with opened(torch("apart"), torch("by_heads"), inputs=[SERIES]) as twins:
        weights = twins.infer()
        assert twins.prove(weights).holds
    place = "qkv/weight.reshape(4, 3, 2, 8)[:, 1]"
    assert Row(place, ("key/weight",), "(heads dim) i -> heads dim i", {"heads": 4}) in weights.rows


def test_in_another_order_by_a_map_that_a_person_writes(tmp_path: Path) -> None:
    file = tmp_path / "map.toml"
    with opened(torch("otherwise"), torch("apart"), inputs=[SERIES]) as twins:
        inferred = twins.infer()
        assert not twins.prove(inferred).holds
        rest = tuple(row for row in inferred.rows if not row.sources[0].startswith("qkv/"))
        assert len(rest) == len(inferred.rows) - 6
        file.write_text(map_files.to_text(replace(inferred, rows=rest), "by hand").replace("rows = [", ROWS))
        assert twins.prove(map_files.read(file)).holds


ROWS = """rows = [
  { target = "query/weight", source = "qkv/weight.reshape(2, 3, 4, 8)[:, 0]", rearrange = "d h i -> (h d) i" },
  { target = "key/weight", source = "qkv/weight.reshape(2, 3, 4, 8)[:, 1]", rearrange = "d h i -> (h d) i" },
  { target = "value/weight", source = "qkv/weight.reshape(2, 3, 4, 8)[:, 2]", rearrange = "d h i -> (h d) i" },
  { target = "query/bias", source = "qkv/bias.reshape(2, 3, 4)[:, 0]", rearrange = "d h -> (h d)" },
  { target = "key/bias", source = "qkv/bias.reshape(2, 3, 4)[:, 1]", rearrange = "d h -> (h d)" },
  { target = "value/bias", source = "qkv/bias.reshape(2, 3, 4)[:, 2]", rearrange = "d h -> (h d)" },
"""
