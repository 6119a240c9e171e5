"""What copies cost, for the manual's table: requests and bytes a million images, files and bytes a second."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.geometry.geodesy import GeoPoint
from geonav.pipeline.syncing import pull_database, push_database
from tests.pipeline.syncing.s3_server import S3Server
from tests.pipeline.syncing.trees import contents, storage

# An entry of 640 x 640 pixels with 2,048 keypoints of DISK and a VLAD of 512 numbers.
ENTRY = {
    "image.jpg": 80_000,
    "metadata.json": 900,
    "disk_keypoints.npy": 16_512,
    "disk_descriptor.npz": 533_000,
    "vlad_descriptor.npy": 2_176,
}


def _fill(folder: Path, entries: int, sizes: dict[str, int]) -> Database:
    database = Database.create(folder, GeoPoint(48.9, 8.4, 100.0))
    rng = np.random.default_rng(0)
    for number in range(entries):
        entry = folder / f"pano-{number:07d}-{number % 8}"
        entry.mkdir()
        for name, size in sizes.items():
            (entry / name).write_bytes(rng.bytes(size))
    return database


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@pytest.mark.slow
def test_a_city_over_loopback(tmp_path: Path, server: S3Server, s3: GeonavConfig) -> None:
    entries = 400
    config = s3.model_copy(update={"storage": s3.storage.model_copy(update={"pack_mb": 32, "timeout_s": 60})})
    database = _fill(tmp_path / "here", entries, ENTRY)
    size, files = entries * sum(ENTRY.values()), entries * len(ENTRY)
    for name, work in (
        ("push", lambda: push_database(database, "s3://bucket/city", config)),
        ("pull", lambda: pull_database(tmp_path / "there", "s3://bucket/city", config)),
        ("nothing new", lambda: push_database(database, "s3://bucket/city", config)),
    ):
        server.requests.clear()
        seconds = _timed(work)
        print(  # noqa: T201
            f"{name}: {seconds:.1f} s, {size / seconds / 1e6:.0f} MB/s, {files / seconds:.0f} files/s, "
            f"{len(server.requests)} requests, {len(server.requests) * 1e6 / entries:.0f} a million images"
        )
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    stored = sum(bytes_ for _, bytes_ in server.written())
    assert stored == 0  # the last push wrote nothing


@pytest.mark.slow
def test_many_files_in_little_memory(tmp_path: Path) -> None:
    entries, config, remote = 20_000, storage(pack_mb=32), tmp_path / "remote"
    database = _fill(tmp_path / "here", entries, dict.fromkeys(ENTRY, 50))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    steps = (
        ("push", lambda: push_database(database, str(remote), config)),
        ("nothing new", lambda: push_database(database, str(remote), config)),
        ("pull", lambda: pull_database(tmp_path / "there", str(remote), config)),
        ("nothing new to pull", lambda: pull_database(tmp_path / "there", str(remote), config)),
    )
    for name, work in steps:
        seconds = _timed(work)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"{name}: {seconds:.1f} s for {5 * entries} files, {grown:.0f} MiB more at the peak")  # noqa: T201
    lists = sum(path.stat().st_size for path in (remote / "shards").iterdir())
    print(f"lists of files: {lists / entries:.0f} bytes an entry")  # noqa: T201
    assert lists < 500 * entries
    (tmp_path / "here" / "pano-0000007-7" / "metadata.json").write_text("{}")
    report = push_database(database, str(remote), config)
    print(f"one changed file: {report.sent_bytes} bytes in {report.requests} requests")  # noqa: T201
    assert report.sent_bytes < 1_000_000
