"""What a folder of milvus-lite with a hundred thousand vectors must hold against the flat index. Minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.retrieval.measured import measured

PROGRAM = Path(__file__).with_name("milvus_size.py")
COUNT = 100_000
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("milvus")
    measured(PROGRAM, "make", COUNT, folder)
    return measured(PROGRAM, "ask", COUNT, folder)


def test_it_finds_the_same_as_flat(report: dict[str, Any]) -> None:
    assert {value for name, value in report.items() if name.startswith("same")} == {1.0}
    assert report["vectors_equal"]
    assert report["open_and_first_query_s"] <= 5


@pytest.mark.xfail(strict=True, reason="milvus-lite 3.2 walks over all rows in Python, alone 5 times as long as flat")
def test_a_warm_query_takes_three_of_flat(report: dict[str, Any]) -> None:
    assert report["times_flat"] <= 3
