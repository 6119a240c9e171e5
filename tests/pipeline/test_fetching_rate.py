"""How fast metadata is fetched, beside a bare loop of the HTTP library with as many threads."""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests
from shapely.geometry import Point

from geonav.config import GeonavConfig
from geonav.data.survey import SamplePoint
from geonav.pipeline.fetching import fetch_metadata
from geonav.pipeline.sampling import Sampling

CALLS, THREADS = 10_000, 8
ROOT = Path(__file__).parents[2]


@pytest.fixture
def url() -> Iterator[str]:
    """A twin in a process of its own, as the real services are."""
    code = (
        "import time; from geonav.providers.demo.twin import Twin; "
        "from tests.providers.twin.stand_in import StandInCity; "
        "print(Twin(StandInCity()).start(), flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        yield process.stdout.readline().strip()  # type: ignore[union-attr]
        process.kill()


@pytest.mark.slow
def test_ten_thousand_calls_keep_pace_with_a_bare_loop(url: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points = tuple(SamplePoint(48.94 + dy, 8.40 + dx) for dy, dx in rng.uniform(-0.002, 0.002, (CALLS, 2)))
    google = {"url": url, "api_key": "AIzaTest", "requests_per_minute": 10_000_000}
    config = GeonavConfig.model_validate({"fetch": {"provider": "google", "workers": THREADS}, "google": google})
    sampling = Sampling(Point(8.4, 48.94).buffer(0.01), (48.94, 8.4), points, 1.0, "here")
    sessions = threading.local()

    def ask(point: SamplePoint) -> None:
        if not hasattr(sessions, "own"):
            sessions.own = requests.Session()
        where = {"location": f"{point.lat:.7f},{point.lng:.7f}", "radius": 50, "source": "outdoor", "key": "AIzaTest"}
        sessions.own.get(f"{url}/maps/api/streetview/metadata", params=where).json()

    ratios, most_kib = [], []
    for attempt in range(2):
        start = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(ask, points))
        bare_s, start = time.perf_counter() - start, time.perf_counter()
        report = fetch_metadata(tmp_path / str(attempt), sampling, config)
        ratios.append(bare_s / (time.perf_counter() - start))
        assert report.done == CALLS
        most_kib.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert max(ratios) >= 0.8
    assert most_kib[1] - most_kib[0] < 30_000, "memory stays as it is"
