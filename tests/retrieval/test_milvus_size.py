"""What a folder of milvus-lite with a hundred thousand vectors must hold against the flat index. Minutes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("milvus_size.py")
COUNT = 100_000
pytestmark = pytest.mark.slow


def measured(step: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), step, str(COUNT), str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(PROGRAM.parents[2])},
    )
    report: dict[str, Any] = json.loads(done.stdout)
    sys.stdout.write(f"{json.dumps(report, indent=2)}\n")
    return report


def test_it_finds_the_same_as_flat_and_nearly_as_fast(tmp_path: Path) -> None:
    measured("make", tmp_path)
    report = measured("ask", tmp_path)
    assert {value for name, value in report.items() if name.startswith("same")} == {1.0}
    assert report["vectors_equal"]
    assert report["open_and_first_query_s"] <= 5
    assert report["times_flat"] <= 3
