"""The index follows the number of vectors, and says what it takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geonav.errors import DatabaseError, UsageError
from geonav.retrieval.choose import choose_kind, footprint, new_index, open_index
from geonav.retrieval.registries import INDEXES


@pytest.mark.parametrize(
    ("count", "kind"), [(0, "flat"), (100_000, "flat"), (100_001, "sq"), (1_000_000, "sq"), (1_000_001, "ivfpq")]
)
def test_auto_goes_by_number_and_a_name_by_itself(count: int, kind: str) -> None:
    assert choose_kind("auto", count) == kind
    assert choose_kind("hnsw", count) == "hnsw"
    with pytest.raises(UsageError, match="did you mean 'ivfpq'"):
        choose_kind("ivfqp", count)


@pytest.mark.parametrize("kind", INDEXES.names())
def test_the_footprint_is_near_what_is_taken(kind: str, tmp_path: Path) -> None:
    index, count, dim = new_index(kind, 64, "aa"), 4000, 64
    index.add(
        [f"some-uid/of-24-letters{i:04}" for i in range(count)],
        np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32),
    )
    index.save(tmp_path)
    index = open_index(tmp_path, "aa")
    said = footprint(kind, count, dim)
    files = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) / 1e6
    assert said.memory_mb == pytest.approx(index.memory_bytes / 1e6, rel=0.5)
    assert said.mapped_mb + said.memory_mb == pytest.approx(files, rel=0.25)
    assert str(count) in str(said)


def test_whatever_lies_there_is_opened_unless_another_is_asked_for(tmp_path: Path) -> None:
    new_index("sq", 4, "aa").save(tmp_path)
    assert open_index(tmp_path, "aa").kind == "sq"
    assert open_index(tmp_path, "aa", "sq").kind == "sq"
    with pytest.raises(DatabaseError, match="made as sq, not as flat"):
        open_index(tmp_path, "aa", "flat")
    stamp = tmp_path / "stamp.json"
    stamp.write_text(stamp.read_text().replace('"sq"', '"tree"'))
    with pytest.raises(DatabaseError, match=r"lacks \(tree\).*index global"):
        open_index(tmp_path, "aa")
