"""A process killed while it saves leaves an index that opens, whole, with what some finished save held."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from geonav.retrieval.registries import INDEXES

ROOT = Path(__file__).parents[2]
# Adds and removes without end: the last thirty rounds of 40 are there, each with vectors of its own.
PROGRAM = """
import sys, numpy as np
from pathlib import Path
from geonav.retrieval.registries import INDEXES
folder, cls = Path(sys.argv[2]), INDEXES.load(sys.argv[1])
index = cls(8, "aa")
for n in range(10**6):
    index.add([f"{40 * n + i:08}" for i in range(40)], np.full((40, 8), n + 1, np.float32))
    index.remove([f"{40 * (n - 30) + i:08}" for i in range(40)])
    index.save(folder)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flat", "ivfpq", "milvus"])
def test_a_kill_at_any_moment_leaves_a_whole_index(kind: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for attempt in range(8):
        folder = tmp_path / str(attempt)
        running = subprocess.Popen([sys.executable, "-c", PROGRAM, kind, str(folder)], env=environment)
        while not (folder / "stamp.json").exists():
            assert running.poll() is None
            time.sleep(0.01)
        time.sleep(0.3 + 0.11 * attempt)
        running.kill()
        running.wait()
        index = INDEXES.load(kind).load(folder, "aa")
        rounds = sorted({int(uid) // 40 for uid in index.uids})
        assert len(index) == 40 * len(rounds)
        assert rounds == list(range(rounds[0], rounds[-1] + 1))
        values = index.vectors(index.uids)[:, 0].tolist()
        assert values == [int(uid) // 40 + 1 for uid in index.uids]
        index.add(["new"], np.full((1, 8), 10_000, np.float32))
        index.save(folder)
        again = INDEXES.load(kind).load(folder, "aa")
        assert again.search(np.ones(8, np.float32), 1, allowed=["new"]) == [("new", 80_000.0)]
        assert len(again) == len(index)
