"""What large indexes must hold: recall, time, memory; each in a process of its own. Minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.retrieval.measured import measured

PROGRAM = Path(__file__).with_name("million.py")
pytestmark = pytest.mark.slow


def test_a_million_descriptors(tmp_path: Path) -> None:
    report = measured(PROGRAM, "ivfpq", 1_000_000, tmp_path)
    assert report["left"] == 1_000_000
    assert report["removed"] == 10_000
    assert report["recall"] >= 0.95
    assert report["query_ms"] <= 5
    assert max(value for name, value in report.items() if name.startswith("anonymous_mb")) <= 400
    assert report["open_s"] <= 2
    assert report["one_found"]
    assert report["ratio_to_faiss"] >= 0.9


def test_a_hundred_thousand_descriptors_compared_exactly(tmp_path: Path) -> None:
    report = measured(PROGRAM, "flat", 100_000, tmp_path)
    assert report["recall"] == 1.0
    assert report["one_found"]
    assert report["save_one_s"] <= 1
    assert report["ratio_to_faiss"] >= 0.9
