"""Run as a program: build a large index, change it, open it again and measure it; prints one JSON object.

``python million.py KIND COUNT FOLDER``. Vectors have 512 numbers, a covariance spectrum falling as 1/i, and come as
places of 20 views at cosine 0.5 to 0.9 to their place. The effort of a search (nprobe) is chosen on one half of the
queries and reported on the other.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from geonav.retrieval.registries import INDEXES

DIM = 512
VIEWS = 20
QUERIES = 400
PLACES_AT_ONCE = 500
CHANGED = 10_000
AIM = 0.955
EFFORTS = (64, 128, 256, 384, 512, 640, 768, 896, 1024, 1536)

_STD = (1 / np.sqrt(np.arange(1, DIM + 1))).astype(np.float32)
_TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(DIM, DIM)))[0].astype(np.float32)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def views(centres: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One view of each centre, at cosine 0.5 to 0.9."""
    away = rng.standard_normal(centres.shape, np.float32) * _STD
    away = unit(away - (away * centres).sum(1, keepdims=True) * centres)
    cos = rng.uniform(0.5, 0.9, (len(centres), 1)).astype(np.float32)
    return cos * centres + np.sqrt(1 - cos**2) * away


def centres_of(block: int) -> tuple[np.ndarray, np.random.Generator]:
    rng = np.random.default_rng([1, block])
    return unit(rng.standard_normal((PLACES_AT_ONCE, DIM), np.float32) * _STD), rng


def blocks(first: int, count: int) -> Iterator[tuple[list[str], np.ndarray]]:
    """``count`` vectors from row ``first`` on; both are multiples of a block."""
    size = PLACES_AT_ONCE * VIEWS
    for block in range(first // size, (first + count) // size):
        centres, rng = centres_of(block)
        rows = views(np.repeat(centres, VIEWS, 0), rng) @ _TURN
        yield [f"city/{number:08}" for number in range(block * size, (block + 1) * size)], rows


def queries() -> np.ndarray:
    centres, _ = centres_of(0)
    return views(centres[:QUERIES], np.random.default_rng(2)) @ _TURN


def is_gone(uid: str, count: int) -> bool:
    return int(uid[5:]) < count and int(uid[5:]) % (count // CHANGED) == 1


class Truth:
    """The exact ten nearest of what is in the index at the end."""

    def __init__(self, asked: np.ndarray, count: int) -> None:
        self.asked, self.count = asked, count
        self.scores = np.full((len(asked), 10), -9.0, np.float32)
        self.numbers = np.zeros((len(asked), 10), np.int64)

    def see(self, uids: list[str], rows: np.ndarray) -> None:
        products = self.asked @ rows.T
        products[:, [is_gone(uid, self.count) for uid in uids]] = -9
        numbers = np.broadcast_to([int(uid[5:]) for uid in uids], products.shape)
        scores = np.concatenate([self.scores, products], 1)
        numbers = np.concatenate([self.numbers, numbers], 1)
        keep = np.argpartition(-scores, 10, 1)[:, :10]
        self.scores, self.numbers = np.take_along_axis(scores, keep, 1), np.take_along_axis(numbers, keep, 1)

    def recall(self, index: Any, which: slice) -> float:
        found = [{int(uid[5:]) for uid, _ in index.search(query, 10)} for query in self.asked[which]]
        return float(
            np.mean([len(set(row.tolist()) & hits) / 10 for row, hits in zip(self.numbers[which], found, strict=True)])
        )


def held_mb(name: str) -> float:
    """What this process holds: ``RssAnon`` of its own, ``RssFile`` mapped from files, ``VmHWM`` in all at most."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(name))


def anonymous_mb() -> float:
    return held_mb("RssAnon")


def seconds(work: Any, *args: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work(*args)
    return time.perf_counter() - start, result


def per_query_ms(search: Any, asked: np.ndarray) -> float:
    for query in asked:
        search(query)
    start = time.perf_counter()
    for query in asked:
        search(query)
    return 1000 * (time.perf_counter() - start) / len(asked)


def measure(kind: str, count: int, folder: Path) -> dict[str, Any]:
    cls, asked = INDEXES.load(kind), queries()
    truth, report = Truth(asked, count), dict[str, Any](kind=kind, count=count)
    index = cls(DIM, "aa")
    for uids, rows in blocks(0, count):
        index.add(uids, rows)
        truth.see(uids, rows)
    report["anonymous_mb_added"] = anonymous_mb()
    report["build_s"], _ = seconds(index.save, folder)
    report["anonymous_mb_built"] = anonymous_mb()
    for uids, rows in blocks(count, CHANGED):
        report["add_10000_s"], _ = seconds(index.add, uids, rows)
        truth.see(uids, rows)
    report["save_added_s"], _ = seconds(index.save, folder)
    gone = [f"city/{number:08}" for number in range(count) if is_gone(f"city/{number:08}", count)]
    report["remove_10000_s"], report["removed"] = seconds(index.remove, gone)
    report["save_removed_s"], _ = seconds(index.save, folder)
    index.add(["one"], asked[:1])
    report["save_one_s"], _ = seconds(index.save, folder)
    report["one_found"] = index.search(asked[0], 1)[0][0] == "one"
    index.remove(["one"])
    index.save(folder)
    del index
    report["open_s"], index = seconds(cls.load, folder, "aa")
    report["left"] = len(index)
    report["anonymous_mb_opened"] = anonymous_mb()
    half = QUERIES // 2
    if getattr(index, "refined", None) is not None:
        report["recall_as_opened"] = truth.recall(index, slice(half, None))
        effort = next((n for n in EFFORTS if _reaches(index, n, truth, half)), EFFORTS[-1])
        report["effort"] = index.effort = effort
    report["recall"] = truth.recall(index, slice(half, None))
    start = time.process_time()
    report["query_ms"] = per_query_ms(lambda query: index.search(query, 10), asked[half:])
    report["query_cpu_ms"] = 1000 * (time.process_time() - start) / (2 * half)
    report["anonymous_mb"] = anonymous_mb()
    report["memory_mb_said"] = index.memory_bytes / 1e6
    report["ratio_to_faiss"] = ratio(index, asked[half:])
    return report


def ratio(index: Any, asked: np.ndarray) -> float:
    """Our queries a second over those of the same faiss index asked without us, in turns, by the median query."""
    refined = getattr(index, "refined", None)
    (chosen,) = index._chosen(None)
    if refined is None:
        bare, parameters = index._saved.searcher, faiss.SearchParameters(sel=chosen.sieve)
    else:
        bare, parameters = refined, index.parameters(10, chosen.sieve)
    ours, theirs = [], []
    for query in asked:
        index.search(query, 10)
        ours.append(seconds(index.search, query, 10)[0])
        theirs.append(seconds(lambda one: bare.search(one, 10, params=parameters), query[None])[0])
    return float(np.median(theirs) / np.median(ours))


def _reaches(index: Any, effort: int, truth: Truth, half: int) -> bool:
    index.effort = effort
    return truth.recall(index, slice(0, half)) >= AIM


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))) + "\n")
