"""Whether reported uncertainty is true, and what photos of another city get; `-s` prints what README says of it.

GEONAV_TEST_CITY names a folder to keep cities and run in; a test that was interrupted goes on from there. Making the
cities takes most of an hour, locating some hours. GEONAV_TEST_CITY_QUERIES=3 tries the way with a city of that size,
whose figures mean nothing and are not compared.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.results import LocalizationResult
from geonav.evaluation.experiment import Experiment, evaluate
from geonav.evaluation.record import QueryRecord
from geonav.evaluation.run_folder import read_run
from geonav.evaluation.scoring import score_run
from geonav.evaluation.threshold import derive_threshold
from geonav.pipeline.importing import ColmapImport, import_colmap
from geonav.pipeline.index import index_global
from geonav.pipeline.localize import Localizer
from geonav.providers.demo.city import CityPlan, DemoCity
from tests.demo_city import CityPhotos

pytestmark = pytest.mark.slow

NUM_PLACES, NUM_QUERIES, OTHER_SEED = 300, 200, 1
# No smaller city has streets enough for a photo to be located in.
FEWEST_PLACES = 12
# As low as the setting goes: what each threshold above would have given can then be read off the run.
LOWEST_INLIERS = 6


@dataclass(frozen=True)
class Located:
    """A finished run of the demo city with the default settings."""

    num_queries: int
    folder: Path
    summary: dict[str, Any]


@pytest.fixture(scope="module")
def num_queries() -> int:
    return int(os.environ.get("GEONAV_TEST_CITY_QUERIES", NUM_QUERIES))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = os.environ.get("GEONAV_TEST_CITY")
    return Path(kept) if kept else tmp_path_factory.mktemp("city")


@pytest.fixture(scope="module")
def sets(folder: Path, num_queries: int) -> tuple[CityPhotos, Path]:
    """References and queries of one city, and a database of photos of another."""
    num_places = NUM_PLACES if num_queries == NUM_QUERIES else FEWEST_PLACES
    city, elsewhere = CityPhotos.made(folder, num_places, num_queries), folder / "elsewhere"
    index_global(Database.open(city.references), GeonavConfig())
    other = DemoCity(CityPlan(num_panoramas=num_places, seed=OTHER_SEED))
    photos = folder / "elsewhere-photos"
    if not (photos / "poses.json").exists():
        other.write_queries(photos, num_queries)
    if not elsewhere.exists():
        # Their cameras are known like those of the queries: no answer is refused for want of a focal length.
        import_colmap(elsewhere, photos / "colmap", ColmapImport(images=photos / "images", origin=other.plan.origin))
    return city, elsewhere


@pytest.fixture(scope="module")
def located(sets: tuple[CityPhotos, Path], folder: Path, num_queries: int) -> Located:
    """The run with default settings."""
    city, elsewhere = sets
    references = Database.open(city.references)
    run = folder / "run"
    report = evaluate(city.queries, references, GeonavConfig(), experiment=Experiment("city", [elsewhere]), output=run)
    return Located(num_queries, run, report.summary)


def say(capsys: pytest.CaptureFixture[str], lines: dict[str, object]) -> None:
    with capsys.disabled():
        for name, value in lines.items():
            sys.stdout.write(f"\n{name}: {value}")


def check_size(located: Located) -> None:
    if located.num_queries != NUM_QUERIES:
        pytest.skip(f"a city of {located.num_queries} queries shows that it runs, not what it gives")


def test_no_photo_of_another_city_is_answered(located: Located, capsys: pytest.CaptureFixture[str]) -> None:
    found = located.summary["open_set"]
    assert (found["num_queries"], found["num_distractors"]) == (located.num_queries, located.num_queries)
    names = ("answered", "num_false_accepts", "false_accepts", "false_accepts_at_most", "area_under_curve")
    say(capsys, {name: found[name] for name in names})
    check_size(located)
    assert found["answered"]["value"] >= 0.9
    assert found["false_accepts"]["value"] <= 0.01


def test_reported_uncertainty_is_true(located: Located, capsys: pytest.CaptureFixture[str]) -> None:
    found = located.summary["trust"]
    assert found["num_located"] == located.summary["num_located"]
    say(capsys, {name: value for name, value in found.items() if name != "calibration"})
    for name, curve in found["calibration"].items():
        say(capsys, {name: ", ".join(f"{each['claimed']:g}: {each['observed']:.3f}" for each in curve)})
    say(capsys, {name: located.summary[name] for name in ("median_m", "worst_m", "median_deg", "median_seconds")})
    check_size(located)
    assert found["ellipse_coverage"]["value"] >= 0.88
    assert 0.4 <= found["mean_horizontal_nes"] <= 2.5
    assert 0.4 <= found["mean_position_nes"] <= 2.5
    assert found["semi_major_over_error"] <= 4.0


def test_the_default_threshold_is_what_the_city_asks_for(
    located: Located, sets: tuple[CityPhotos, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Fewer agreeing keypoints than the default would let false answers in, or would answer hardly more.

    A lower threshold changes nothing for the photos that were not refused for too few keypoints: only those are
    located again.
    """
    run = read_run(located.folder)
    localizer = Localizer(Database.open(sets[0].references), GeonavConfig(localize={"min_inliers": LOWEST_INLIERS}))

    def anew(record: QueryRecord, result: LocalizationResult) -> LocalizationResult:
        if not re.match(r"only \d+ keypoints agree", result.reason or ""):
            return result
        entry = Path(record.photo).parent
        camera = Database.open(entry.parent).metadata(entry.name).camera
        return localizer.locate(record.photo, camera=camera, camera_source="metadata")

    lowest = replace(run, results=tuple(map(anew, run.records, run.results)))
    derived = derive_threshold(score_run(lowest), 0.01, LOWEST_INLIERS)
    default = GeonavConfig().localize.min_inliers
    num_again = sum(a is not b for a, b in zip(run.results, lowest.results, strict=True))
    say(capsys, {"located again": num_again, "default": default, "derived": derived.min_inliers})
    say(capsys, {"chosen": derived.chosen, "curve from": derived.curve[:3]})
    check_size(located)
    assert derived.min_inliers <= default
