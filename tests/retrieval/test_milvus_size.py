"""What a folder of milvus-lite with a hundred thousand vectors must hold against the flat index. Minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.retrieval.measured import measured

PROGRAM = Path(__file__).with_name("milvus_size.py")
COUNT = 100_000
pytestmark = pytest.mark.slow


def test_it_finds_the_same_as_flat_and_nearly_as_fast(tmp_path: Path) -> None:
    measured(PROGRAM, "make", COUNT, tmp_path)
    report = measured(PROGRAM, "ask", COUNT, tmp_path)
    assert {value for name, value in report.items() if name.startswith("same")} == {1.0}
    assert report["vectors_equal"]
    assert report["open_and_first_query_s"] <= 5
    assert report["times_flat"] <= 3
