"""What `index global` and a locate cost in a large database: a rendered city, alone and among a million. Minutes.

GEONAV_TEST_CITY_MAP names a folder to keep the city and its features in, the one of test_map_city.py.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.pipeline.index import index_global
from tests.demo_city import CityPhotos
from tests.retrieval.measured import measured
from tests.retrieval.million import seconds

PROGRAM = Path(__file__).with_name("million_city.py")
NUM_PLACES, NUM_QUERIES, COUNT = 75, 40, 1_000_000
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> CityPhotos:
    kept = os.environ.get("GEONAV_TEST_CITY_MAP")
    return CityPhotos.made(Path(kept) if kept else tmp_path_factory.mktemp("city"), NUM_PLACES, NUM_QUERIES)


@pytest.fixture(scope="module")
def indexed(city: CityPhotos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The references with an index of them."""
    path = tmp_path_factory.mktemp("indexed") / "db"
    shutil.copytree(city.references, path)
    took_s, report = seconds(index_global, Database.open(path), GeonavConfig())
    sys.stdout.write(f"\nindex global of {report.computed}: {took_s:.1f} s\n")
    return path


def test_what_is_added_costs_its_own_description(indexed: Path, tmp_path: Path) -> None:
    path = tmp_path / "db"
    shutil.copytree(indexed, path)
    uids = Database.open(path).uids()
    for uid in uids:
        shutil.copytree(path / uid, path / f"{uid}-again")
        (path / f"{uid}-again" / "vlad_descriptor.npy").unlink(missing_ok=True)
    took_s, report = seconds(index_global, Database.open(path), GeonavConfig())
    sys.stdout.write(f"\nindex global of {len(uids)} more: {1000 * took_s / len(uids):.1f} ms each\n")
    assert (report.computed, report.reused, report.failed) == (len(uids), len(uids), [])
    assert report.index is not None
    assert report.index.count == 2 * len(uids)


def test_a_photo_is_located_among_a_million(city: CityPhotos, indexed: Path, tmp_path: Path) -> None:
    alone = measured(PROGRAM, "ask", indexed, city.queries)
    measured(PROGRAM, "grow", indexed, tmp_path / "large", COUNT)
    among = measured(PROGRAM, "ask", tmp_path / "large", city.queries)
    assert among["located"]
    assert set(among["located"]) == set(alone["located"])
    assert among["VmHWM_mb"] <= 4000
