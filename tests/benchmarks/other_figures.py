"""What is timed besides the networks: starting, reading, solving, indexing, memory, and a machine of ten years ago."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.pipeline.stages import load_features
from geonav.pose.solver import SolveOptions, solve
from geonav.vision.registries import EXTRACTORS
from tests.benchmarks.many import make_many
from tests.benchmarks.measure import Figure, seconds
from tests.benchmarks.plain import SIDE_PX
from tests.benchmarks.scene import Photos, pixels_at
from tests.pose.worlds import Plan, make_world

_GIB = float(1 << 30)
# Photos that tell the bare network's rate.
_BARE = 60
_FIVE_PLACES = tuple((2.5 * number, 0.0, 1.6) for number in range(5))
_OLD_MACHINE = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


def starting(photos: Photos, query: Path, warm_s: float, turns: int) -> Iterator[Figure]:
    """Processes of their own: a first locate, and help."""
    arguments = ["localize", str(query), "--database", str(photos.database.path), "--top-k", "5"]
    torch_s = min(seconds(lambda: _python("-c", "import torch")) for _ in range(2))
    cold_s = min(seconds(lambda: _python("-m", "geonav", *arguments)) for _ in range(2))
    yield Figure(
        f"cold `geonav localize photo.jpg`, against 2.5 warm ({warm_s:.2f} s) and importing torch ({torch_s:.2f} s)",
        cold_s, 2.5 * warm_s + torch_s, 1.0,
    )  # fmt: skip
    for command in (["--help"], ["localize", "--help"]):
        taken = [seconds(lambda: _python("-m", "geonav", *command)) for _ in range(turns)]  # noqa: B023 - called at once
        yield Figure(f"`geonav {' '.join(command)}`, against 0.35 s", float(np.median(taken)), 0.35, 1.0)


def reading(photos: Photos) -> Figure:
    """What a query needs of one reference."""
    stored, uids = load_features(photos.database, GeonavConfig()), photos.database.uids()

    def one(uid: str) -> None:
        photos.database.metadata(uid)
        np.array(stored.read(uid).descriptors, np.float32)

    taken = [seconds(lambda: one(uid)) for uid in uids * 3]  # noqa: B023 - called at once
    return Figure("reading a reference, against 3 ms", float(np.median(taken)), 0.003, 1.0)


def opening(photos: Photos, folder: Path, count: int) -> Figure:
    """Opening a database of many entries with their index, in a process of its own."""
    path = make_many(photos.database, folder / "many", count)
    code = (
        "import time, sys; import geonav.pipeline.localize, geonav.pipeline.stages as s; from geonav.config import "
        "GeonavConfig; from geonav.data.database import Database; import faiss, torch; start = time.perf_counter(); "
        "d = Database.open(sys.argv[1]); p = s.load_global(d, GeonavConfig()); assert len(p.index) > 99; "
        "print(time.perf_counter() - start)"
    )
    taken = [float(_python("-c", code, str(path))) for _ in range(3)]
    return Figure(f"opening a database of {count:,} entries, against 2 s", float(np.median(taken)), 2.0, 1.0)


def milvus(folder: Path, count: int) -> Iterator[Figure]:
    """A folder of milvus-lite, opened in a process of its own and asked, beside the flat index."""
    given = (str(count), str(folder / "milvus"))
    _python("-m", "tests.retrieval.milvus_size", "make", *given)
    report = json.loads(_python("-m", "tests.retrieval.milvus_size", "ask", *given))
    yield Figure(
        f"opening {count:,} vectors in milvus-lite and a first query, against 5 s",
        report["open_and_first_query_s"], 5.0, 1.0,
    )  # fmt: skip
    yield Figure(
        "a warm query of milvus-lite, against 3 of the flat index",
        report["milvus_ms"] / 1000, 3 * report["flat_ms"] / 1000, 1.0,
    )  # fmt: skip


def solving(turns: int) -> Figure:
    """Triangulation, first pose, gating and adjustment of 2,000 keypoints that five references saw."""
    world = make_world(Plan(seed=1, num_points=4000, outliers=0.1, centers_m=_FIVE_PLACES))
    query = world.query()

    def once() -> None:
        if solve(query, world.views, SolveOptions()) is None:
            msg = "no pose"
            raise AssertionError(msg)

    once()
    tracks = len(np.unique(np.concatenate([view.query_index for view in world.views])))
    seen = sum(len(view.query_index) for view in world.views)
    taken = [seconds(once) for _ in range(max(3, turns))]
    name = f"triangulation and pose, {tracks:,} tracks, {seen:,} observations of 5 references, against 60 ms"
    return Figure(name, float(np.median(taken)), 0.06, 1.0)


def indexing(photos: Photos, folder: Path, count: int) -> Iterator[Figure]:
    """``index local`` over many photos against the bare network over the same, and its memory."""
    path = _repeated(photos.database, folder / "indexed", count)
    done = json.loads(_python("-m", "tests.benchmarks.child", "index", str(path)))
    extractor = EXTRACTORS.load("disk").from_config(GeonavConfig())
    uids = photos.database.uids()
    small = [pixels_at(photos.database.image_path(uid), SIDE_PX) for uid in uids]
    extractor.extract([small[0]])
    few = min(count, _BARE)
    bare_s = count / few * seconds(lambda: [extractor.extract([small[number % len(small)]]) for number in range(few)])
    yield Figure(f"index local over {count} photos, against our bare network", done["seconds"], bare_s, 0.9)
    yield Figure(f"memory of indexing {count} photos, GiB, against 2.5", done["peak_bytes"] / _GIB, 2.5, 1.0)
    yield Figure(
        f"memory after {count} photos, GiB, against 1.1 times that after {count // 2}",
        done["last_bytes"] / _GIB, 1.1 * done["middle_bytes"] / _GIB, 1.0,
    )  # fmt: skip


def by_ray(photos: Photos, folder: Path, count: int) -> Figure:
    """``index local`` by two workers of a Ray cluster against this process with as many threads as there are cores."""
    done = {}
    for engine in ("local", "ray"):
        path = _repeated(photos.database, folder / f"by-{engine}", count)
        done[engine] = json.loads(_python("-m", "tests.benchmarks.child", "index", str(path), engine))
    start_s = done["ray"]["whole_s"] - done["ray"]["seconds"]
    name = f"index local over {count} photos by 2 workers of Ray, started in {start_s:.0f} s, against the local engine"
    return Figure(name, done["ray"]["seconds"], done["local"]["seconds"], 0.85)


def memory(photos: Photos, count: int) -> Figure:
    """Of locating photos in one process."""
    queries = [str(query.path) for query in photos.queries]
    done = json.loads(
        _python("-m", "tests.benchmarks.child", "locate", str(photos.database.path), str(count), *queries)
    )
    return Figure(f"memory of locating {count} photos, GiB, against 1.5", done["peak_bytes"] / _GIB, 1.5, 1.0)


def old_machine(turns: int) -> Iterator[Figure]:
    """Locating where neither AVX-512 nor AMX may be used, against the plain pipeline there."""
    found = json.loads(_python("-m", "tests.benchmarks", "--only-locate", str(turns), **_OLD_MACHINE))
    for item in found:
        yield Figure(f"AVX2 only: {item['name']}", item["ours_s"], item["baseline_s"], item["must"], item["noise"])


def _repeated(database: Database, folder: Path, count: int) -> Path:
    """A database of so many entries, the pictures of another over and over."""
    made = Database.create(folder, database.origin, database.alt_datum)
    uids = database.uids()
    for number in range(count):
        uid = uids[number % len(uids)]
        made.add_entry(f"{number:05d}", database.image_path(uid).read_bytes(), database.metadata(uid))
    return folder


def _python(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], check=False, capture_output=True, text=True, env={**os.environ, **environment}
    )
    if done.returncode not in (0, 6, 7):
        raise RuntimeError(done.stderr)
    return done.stdout
