"""Fetching from the local twin of the services: every provider, kills and faults; nothing lost, doubled or halved."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.files import is_temporary
from geonav.data.manifest import manifest_path
from geonav.errors import AuthError
from geonav.pipeline.check import check_database
from geonav.pipeline.fetching import FetchOptions, fetch_elevation, fetch_metadata, fetch_panoramas
from geonav.pipeline.sampling import SampleRequest, sample
from geonav.providers.demo.city import CityPlan, DemoCity
from geonav.providers.demo.twin import FaultKind, Faults, Twin
from geonav.providers.demo.twin.city import City
from tests.providers.twin.stand_in import StandInCity, StandInPanorama

ROOT = Path(__file__).parents[2]
KEY = "AIzaAKeyThatNobodyMaySee"
WORKERS = 4
NUM_DIRECTIONS = 4
State = tuple[list[str], dict[str, bytes]]


class LongStreet(StandInCity):
    """A panorama every 10 m."""

    @cached_property
    def panoramas(self) -> list[StandInPanorama]:
        made = []
        for index in range(12):
            lat, lng, alt = (float(v) for v in self.frame.geo_from_enu([10.0 * index - 60.0, 0.0, 2.5]))
            made.append(StandInPanorama(f"a{index:02d}", lat, lng, alt, 90.0, "2024-05-17", "Lange Gasse"))
        return made


class Fetcher:
    """Runs the one command that does everything, as Google's service, which is paid."""

    def __init__(self, twin: Twin, city: City, folder: Path) -> None:
        self.output = b""
        self._place = city.name
        self._environment = {
            **os.environ,
            "GEONAV_FETCH__PROVIDER": "google",
            "GEONAV_FETCH__SIZE_PX": "64",
            "GEONAV_FETCH__WORKERS": str(WORKERS),
            "GEONAV_FETCH__BACKOFF_S": "0.001",
            "GEONAV_FETCH__TIMEOUT_S": "60",
            "GEONAV_GOOGLE__URL": twin.base_url,
            "GEONAV_OSM__NOMINATIM_URL": twin.base_url,
            "GEONAV_OSM__MIN_INTERVAL_S": "0",
            "GEONAV_CACHE_DIR": str(folder / "cache"),
            "GOOGLE_MAPS_API_KEY": KEY,
        }

    def __call__(self, path: Path, kill_after_s: float = 0.0, *options: str) -> int:
        where = ["--database", str(path), "--place", self._place]
        ended = subprocess.run(
            [sys.executable, "-m", "tests.pipeline.twin_run", str(kill_after_s), *where, *options],
            cwd=ROOT, env=self._environment, check=False, timeout=300, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.output += ended.stdout
        return ended.returncode


def state_of(path: Path) -> State:
    """Rows of the manifest, and all other files."""
    with sqlite3.connect(manifest_path(path)) as connection:
        rows = list(connection.iterdump())
    connection.close()
    files = (file for file in path.rglob("*") if file.is_file() and not file.name.startswith(("manifest.", "lock")))
    return rows, {str(file.relative_to(path)): file.read_bytes() for file in files}


def check_kills(folder: Path, city: City, count: int, slow_s: float) -> None:
    # Slow enough for kills to find the work at every stage.
    with Twin(city, Faults({FaultKind.SLOW: 1.0}, slow_s=slow_s)) as twin:
        fetch, once = Fetcher(twin, city, folder), NUM_DIRECTIONS * len(city.panoramas)
        assert fetch(folder / "whole") == 0, fetch.output
        assert twin.calls.billed_images == once
        whole = state_of(folder / "whole")
        began = time.monotonic()  # now that the city has built what is seen
        assert fetch(folder / "again") == 0, fetch.output
        whole_s = time.monotonic() - began
        assert state_of(folder / "again") == whole
        rng, left, rounds, found = np.random.default_rng(0), count, 0, set()
        while left:
            path, kills, before = folder / f"killed{rounds}", 0, twin.calls.billed_images
            rounds += 1
            # The program counts from when it has started.
            while kills < left and fetch(path, rng.uniform(0.02, 0.9) * whole_s) == -signal.SIGKILL:
                kills += 1
                found.add(sum(file.is_file() for file in path.rglob("*")))
            left -= kills
            assert fetch(path) == 0, fetch.output
            assert state_of(path) == whole
            assert twin.calls.billed_images - before <= once + kills * WORKERS, "paid twice beyond what was in flight"
    assert len(found) > 1, f"every kill found the same work done: {found} files"
    assert KEY.encode() not in fetch.output + b"".join(whole[1].values()) + "\n".join(whole[0]).encode()


@pytest.mark.slow
def test_fifty_killed_fetches_end_as_uninterrupted_ones(tmp_path: Path) -> None:
    check_kills(tmp_path, LongStreet(), 50, 0.02)


@pytest.mark.slow
def test_killed_fetches_of_rendered_pictures_end_as_uninterrupted_ones(tmp_path: Path) -> None:
    check_kills(tmp_path, DemoCity(CityPlan(num_panoramas=3, num_prototypes=2, texel_m=0.08)), 6, 0.2)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files that a fetch without faults makes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with Twin(LongStreet()) as twin:
        fetch = Fetcher(twin, LongStreet(), folder)
        assert fetch(folder / "db") == 0, fetch.output
    files = state_of(folder / "db")[1]
    assert sum(name.endswith(".jpg") for name in files) == 12 * NUM_DIRECTIONS
    return files


def check_faults(folder: Path, faults: Faults, undisturbed: dict[str, bytes]) -> set[int]:
    """Fetch until everything is there; the exit codes on the way."""
    path, codes = folder / "db", []
    with Twin(LongStreet(), faults) as twin:
        fetch = Fetcher(twin, LongStreet(), folder)
        for _ in range(40):
            codes.append(fetch(path, 0.0, "--retry-failed"))
            assert b"Traceback" not in fetch.output
            assert fetch.output.rstrip().rpartition(b"\n")[2].startswith(b"error: ") == (codes[-1] != 0)
            if (path / ".geonav" / "database.json").exists():
                assert check_database(Database.open(path)).is_sound, "nothing is half written"
            if codes[-1] == 0:
                break
        assert all(twin.calls.faults[kind] for kind in faults.rates)
    assert codes[-1] == 0, fetch.output
    assert state_of(path)[1] == undisturbed
    assert not [file for file in path.rglob("*") if is_temporary(file.name)]
    assert KEY.encode() not in fetch.output
    return set(codes)


def test_faults_end_with_everything_fetched(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    mixed = dict.fromkeys(("500", "truncated", "grey", "unknown-error", "redirect"), 0.1)
    assert check_faults(tmp_path, Faults(mixed, only="streetview", seed=1), undisturbed) <= {0, 6}


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
def test_a_third_of_calls_failing(kind: str, codes: set[int], tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    rate = 0.3 if kind != "request-denied" else 0.02  # each one stops the run, so that 30 % would take all day
    assert check_faults(tmp_path, Faults({kind: rate}, slow_s=0.05), undisturbed) <= codes


def fetch_here(path: Path, twin: Twin, provider: str = "google") -> list[tuple[str, str]]:
    """Fetch everything in this process; what failed."""
    quick = {"size_px": 64, "n_directions": 2, "backoff_s": 0.001, "timeout_s": 3.0, "workers": WORKERS}
    settings = {**twin.settings(), "fetch": {**quick, "provider": provider}, "cache_dir": path.parent / "cache"}
    config = GeonavConfig.model_validate({**settings, "sampling": {"spacing_m": 25.0}})
    options = FetchOptions()
    reports = [fetch_metadata(path, sample(SampleRequest(place="Standdorf"), config), config, options=options)]
    database = Database.open(path)
    reports.append(fetch_elevation(database, config, options=options))
    reports.append(fetch_panoramas(database, config, options=options))
    assert check_database(database).findings == []
    return [failure for report in reports for failure in report.failed]


@pytest.mark.parametrize("provider", ["google", "mapillary", "panoramax", "demo"])
def test_every_provider_fills_a_database(tmp_path: Path, provider: str) -> None:
    with Twin(StandInCity(), panorama_width=256) as twin:
        assert fetch_here(tmp_path / "db", twin, provider) == []
    assert len(list((tmp_path / "db").glob("*/image.jpg"))) == 4 * 2


def test_a_refused_key_stops_at_once_and_keeps_what_there_is(tmp_path: Path) -> None:
    denied = Faults({FaultKind.REQUEST_DENIED: 0.5}, only="streetview$")
    with Twin(StandInCity(), denied) as twin:
        with pytest.raises(AuthError):
            fetch_here(tmp_path / "db", twin)
        assert 1 <= twin.calls.faults.total() <= WORKERS
        paid = twin.calls.billed_images
    kept = {file: file.read_bytes() for file in (tmp_path / "db").glob("*/image.jpg")}
    with Twin(StandInCity()) as twin:
        assert fetch_here(tmp_path / "db", twin) == []
        assert twin.calls.billed_images == 4 * 2 - len(kept)
    assert len(kept) <= paid
    assert {file: file.read_bytes() for file in kept} == kept
