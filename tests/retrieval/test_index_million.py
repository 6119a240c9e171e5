"""What large indexes must hold: recall, time, memory; each in a process of its own. Minutes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("million.py")
pytestmark = pytest.mark.slow


def measured(kind: str, count: int, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), kind, str(count), str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(PROGRAM.parents[2])},
    )
    report: dict[str, Any] = json.loads(done.stdout)
    sys.stdout.write(f"{json.dumps(report, indent=2)}\n")
    return report


def test_a_million_descriptors(tmp_path: Path) -> None:
    report = measured("ivfpq", 1_000_000, tmp_path)
    assert report["left"] == 1_000_000
    assert report["removed"] == 10_000
    assert report["recall"] >= 0.95
    assert report["query_ms"] <= 5
    assert max(value for name, value in report.items() if name.startswith("anonymous_mb")) <= 400
    assert report["open_s"] <= 2
    assert report["one_found"]
    assert report["ratio_to_faiss"] >= 0.9


def test_a_hundred_thousand_descriptors_compared_exactly(tmp_path: Path) -> None:
    report = measured("flat", 100_000, tmp_path)
    assert report["recall"] == 1.0
    assert report["one_found"]
    assert report["save_one_s"] <= 1
    assert report["ratio_to_faiss"] >= 0.9
