"""Fetching through the program from the local twin of Google's services: kills and faults."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from geonav.data.database import Database
from geonav.data.manifest import manifest_path
from geonav.pipeline.check import check_database
from geonav.providers.demo.twin import Faults, Twin
from tests.providers.twin.stand_in import StandInCity, StandInPanorama

ROOT = Path(__file__).parents[2]
KEY = "AIzaAKeyThatNobodyMaySee"
WORKERS = 4
NUM_PANORAMAS, NUM_VIEWS = 12, 48

TwinOf = Callable[[Faults], Twin]


class LongStreet(StandInCity):
    """A panorama every 10 m."""

    @cached_property
    def panoramas(self) -> list[StandInPanorama]:
        made = []
        for index in range(NUM_PANORAMAS):
            lat, lng, alt = (float(v) for v in self.frame.geo_from_enu([10.0 * index - 60.0, 0.0, 2.5]))
            made.append(StandInPanorama(f"a{index:02d}", lat, lng, alt, 90.0, "2024-05-17", "Lange Gasse"))
        return made


@pytest.fixture
def twin_of() -> Iterator[TwinOf]:
    with ExitStack() as stack:
        yield lambda faults: stack.enter_context(Twin(LongStreet(), faults))


class Fetcher:
    """Runs the one command that does everything, as Google's service, which is paid."""

    def __init__(self, twin: Twin, folder: Path) -> None:
        self.output = b""
        self._environment = {
            **os.environ,
            "GEONAV_FETCH__PROVIDER": "google",
            "GEONAV_FETCH__SIZE_PX": "64",
            "GEONAV_FETCH__WORKERS": str(WORKERS),
            "GEONAV_FETCH__BACKOFF_S": "0.001",
            "GEONAV_FETCH__TIMEOUT_S": "3",
            "GEONAV_GOOGLE__URL": twin.base_url,
            "GEONAV_OSM__NOMINATIM_URL": twin.base_url,
            "GEONAV_OSM__MIN_INTERVAL_S": "0",
            "GEONAV_CACHE_DIR": str(folder / "cache"),
            "GOOGLE_MAPS_API_KEY": KEY,
        }

    def __call__(self, path: Path, kill_after_s: float = 0.0, *options: str) -> int:
        command = [sys.executable, "-m", "tests.pipeline.twin_run", str(path), str(kill_after_s), *options]
        ended = subprocess.run(
            command, cwd=ROOT, env=self._environment, check=False, timeout=120, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.output += ended.stdout
        return ended.returncode


def state_of(path: Path) -> tuple[list[str], dict[str, bytes]]:
    """Rows of the manifest, and all other files."""
    with sqlite3.connect(manifest_path(path)) as connection:
        rows = list(connection.iterdump())
    connection.close()
    files = (file for file in path.rglob("*") if file.is_file() and not file.name.startswith(("manifest.", "lock")))
    return rows, {str(file.relative_to(path)): file.read_bytes() for file in files}


def check_kills(folder: Path, twin: Twin, count: int) -> None:
    fetch = Fetcher(twin, folder)
    assert fetch(folder / "whole") == 0, fetch.output
    once = twin.calls.billed_images
    assert once == NUM_VIEWS
    whole = state_of(folder / "whole")
    rng, left = np.random.default_rng(0), count
    while left:
        path, kills, before = folder / f"killed{left}", 0, twin.calls.billed_images
        while kills < left and fetch(path, rng.uniform(0.4, 1.6)) == -signal.SIGKILL:
            kills += 1
        left -= kills
        assert fetch(path) == 0, fetch.output
        assert state_of(path) == whole
        assert twin.calls.billed_images - before <= once + kills * WORKERS, "paid twice beyond what was in flight"
    assert KEY.encode() not in fetch.output + b"".join(whole[1].values()) + "\n".join(whole[0]).encode()


@pytest.mark.slow
def test_fifty_killed_fetches_end_as_uninterrupted_ones(tmp_path: Path, twin_of: TwinOf) -> None:
    check_kills(tmp_path, twin_of(Faults({"slow": 1.0}, slow_s=0.02)), 50)


def check_faults(folder: Path, twin: Twin) -> set[int]:
    """Fetch until everything is there; the exit codes on the way."""
    fetch, codes = Fetcher(twin, folder), []
    path = folder / "db"
    for _ in range(40):
        codes.append(fetch(path, 0.0, "--retry-failed"))
        assert b"Traceback" not in fetch.output
        assert fetch.output.rstrip().rpartition(b"\n")[2].startswith(b"error: ") == (codes[-1] != 0)
        if (path / ".geonav" / "database.json").exists():
            assert check_database(Database.open(path)).is_sound, "nothing is half written"
        if codes[-1] == 0:
            break
    assert codes[-1] == 0, fetch.output
    assert len(Database.open(path)) == NUM_VIEWS
    assert KEY.encode() not in fetch.output
    return set(codes)


def test_faults_end_with_everything_fetched(tmp_path: Path, twin_of: TwinOf) -> None:
    mixed = dict.fromkeys(("500", "truncated", "grey", "unknown-error", "redirect"), 0.1)
    assert check_faults(tmp_path, twin_of(Faults(mixed, only="streetview", seed=1))) <= {0, 6}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        ("429", {0, 5}),
        ("500", {0, 5, 6}),
        ("503", {0, 5, 6}),
        ("slow", {0}),
        ("truncated", {0, 5, 6}),
        ("wrong-length", {0, 5, 6}),
        ("grey", {0, 6}),
        ("request-denied", {0, 4}),
        ("over-query-limit", {0, 5}),
        ("unknown-error", {0, 5, 6}),
        ("redirect", {0}),
    ],
)
def test_a_third_of_calls_failing(kind: str, codes: set[int], tmp_path: Path, twin_of: TwinOf) -> None:
    rate = 0.3 if kind != "request-denied" else 0.02  # each one stops the run, so that 30 % would take all day
    assert check_faults(tmp_path, twin_of(Faults({kind: rate}, slow_s=0.05))) <= codes
