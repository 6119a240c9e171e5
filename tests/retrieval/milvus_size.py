"""Run as a program: a folder of milvus-lite against the flat index, the same vectors; prints one JSON object.

``python milvus_size.py make COUNT FOLDER``, then ``python milvus_size.py ask COUNT FOLDER`` in a process of its own,
which has nothing open yet. Vectors are those of ``million.py``.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from million import DIM, anonymous_mb, blocks, queries, seconds, unit

from geonav.retrieval.registries import INDEXES

ASKED = 100
# So short that to compare them costs nothing: what is left is what milvus-lite spends on rows.
THIN = 8
CHANGED = 1000


def make(count: int, folder: Path) -> dict[str, Any]:
    report = {}
    for kind in ("flat", "milvus"):
        index = INDEXES.load(kind)(DIM, "aa")
        for uids, rows in blocks(0, count):
            index.add(uids, rows)
        took, _ = seconds(index.save, folder / kind)
        report[f"{kind}_rows_per_s"] = count / took
    thin = INDEXES.load("milvus")(THIN, "aa")
    for uids, rows in blocks(0, count):
        thin.add(uids, unit(rows[:, :THIN]))
    thin.save(folder / "thin")
    report["milvus_bytes"] = sum(path.stat().st_size for path in (folder / "milvus").rglob("*") if path.is_file())
    return report


def ask(count: int, folder: Path) -> dict[str, Any]:
    asked, report = queries()[:ASKED], dict[str, Any]()
    start = time.perf_counter()
    cls = INDEXES.load("milvus")
    index = cls.load(folder / "milvus", "aa")
    index.search(asked[0], 10)
    report["open_and_first_query_s"] = time.perf_counter() - start
    flat = INDEXES.load("flat").load(folder / "flat", "aa")
    report |= warm(index, flat, asked)
    report["memory_mb"] = anonymous_mb()
    report["rows_alone_ms"] = rows_alone_ms(folder / "thin", asked)
    report["same"] = agreement(index, flat, asked, None)
    names = index.uids
    few = names[:: len(names) // 500]
    report["same_few_allowed"] = agreement(index, flat, asked[:20], few)
    report["same_many_allowed"] = agreement(index, flat, asked[:20], names[: 3 * len(names) // 4])
    report["vectors_200_s"], found = seconds(index.vectors, names[:200])
    report["vectors_equal"] = bool((found == flat.vectors(names[:200])).all())
    return report | changes(index, flat, asked, count, folder)


def warm(index: Any, flat: Any, asked: np.ndarray) -> dict[str, float]:
    """The median query of each, in turns."""
    ours, theirs = [], []
    for query in asked:
        ours.append(seconds(index.search, query, 10)[0])
        flat.search(query, 10)  # whatever the other left in the processor's memory
        theirs.append(seconds(flat.search, query, 10)[0])
    milvus_s, flat_s = float(np.median(ours)), float(np.median(theirs))
    return {"milvus_ms": 1000 * milvus_s, "flat_ms": 1000 * flat_s, "times_flat": milvus_s / flat_s}


def rows_alone_ms(folder: Path, asked: np.ndarray) -> float:
    """The median query where vectors have next to no numbers."""
    thin = INDEXES.load("milvus").load(folder, "aa")
    return 1000 * float(np.median([seconds(thin.search, unit(query[None, :THIN])[0], 10)[0] for query in asked]))


def changes(index: Any, flat: Any, asked: np.ndarray, count: int, folder: Path) -> dict[str, Any]:
    report = dict[str, Any]()
    uids, rows = next(blocks(count, 10_000))
    for one, kind in ((index, "milvus"), (flat, "flat")):
        one.add(uids[:CHANGED], rows[:CHANGED])
        one.remove([f"city/{number:08}" for number in range(0, count, count // CHANGED)])
        report[f"{kind}_save_changes_s"], _ = seconds(one.save, folder / kind)
    report["same_after_changes"] = agreement(index, flat, np.concatenate([asked[:20], rows[:20]]), None)
    return report


def agreement(index: Any, flat: Any, asked: np.ndarray, allowed: list[str] | None) -> float:
    """The share of queries whose ten hits and their order are the same."""
    same = [
        [uid for uid, _ in index.search(query, 10, allowed=allowed)]
        == [uid for uid, _ in flat.search(query, 10, allowed=allowed)]
        for query in asked
    ]
    return float(np.mean(same))


if __name__ == "__main__":
    work = {"make": make, "ask": ask}[sys.argv[1]]
    sys.stdout.write(json.dumps(work(int(sys.argv[2]), Path(sys.argv[3]))) + "\n")
