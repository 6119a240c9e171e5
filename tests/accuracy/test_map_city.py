"""A rendered city of 300 views whose panoramas are a metre and two degrees off: mapped, and photos located against it.

GEONAV_TEST_CITY_MAP names a folder to keep the city, its matches and its map in; what was interrupted goes on there.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.metadata import pose_fields
from geonav.geometry.pose import camera_center, pose_from_center, rotations_from_vectors
from geonav.pipeline.localize import Localizer
from geonav.pipeline.mapping.build import build_map
from geonav.pipeline.mapping.report import MapReport
from geonav.pose.alignment import align
from geonav.pose.priors import PosePrior, Priors
from tests.demo_city import NUM_VIEWS, CityPhotos, center_of

pytestmark = pytest.mark.slow

NUM_PLACES, NUM_QUERIES = 75, 40
SIGMA_M, SIGMA_DEG = 1.0, 2.0
MAX_MINUTES = 40.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = os.environ.get("GEONAV_TEST_CITY_MAP")
    return Path(kept) if kept else tmp_path_factory.mktemp("city")


@pytest.fixture(scope="module")
def city(folder: Path) -> CityPhotos:
    return CityPhotos.made(folder, NUM_PLACES, NUM_QUERIES)


@pytest.fixture(scope="module")
def noisy(folder: Path, city: CityPhotos) -> Database:
    """The references, each panorama moved and turned as a whole."""
    target = folder / "noisy"
    if not target.exists():
        shutil.copytree(city.references, folder / "draft")
        database, rng = Database.open(folder / "draft"), np.random.default_rng(0)
        for first in range(0, len(database), NUM_VIEWS):
            shift = rng.normal(0, [SIGMA_M, SIGMA_M, SIGMA_M / 2])
            turn = rotations_from_vectors([[0.0, 0.0, rng.normal(0, np.radians(SIGMA_DEG))]])[0]
            for uid in database.uids()[first : first + NUM_VIEWS]:
                make_wrong(database, uid, shift, turn)
        (folder / "draft").rename(target)
    return Database.open(target)


def make_wrong(database: Database, uid: str, shift: np.ndarray, turn: np.ndarray) -> None:
    metadata = database.metadata(uid)
    pose = np.array(metadata.E, float)
    wrong = pose_from_center(pose[:3, :3] @ turn.T, camera_center(pose) + shift)
    said = {"position_std_m": SIGMA_M, "heading_std_deg": SIGMA_DEG, "pano_id": uid.rsplit("_", 1)[0]}
    data = metadata.model_dump() | pose_fields(wrong, database.frame) | said
    database.replace_metadata(uid, type(metadata).model_validate(data))


@pytest.fixture(scope="module")
def mapped(noisy: Database) -> tuple[MapReport, float]:
    start = time.perf_counter()
    report = build_map(noisy, GeonavConfig())
    return report, (time.perf_counter() - start) / 60


def floor_m(city: CityPhotos, noisy: Database) -> float:
    """What is left of the photos' positions when the true geometry is laid over the noisy poses as well as can be."""
    truth, queries = Database.open(city.references), Database.open(city.queries)
    first = truth.uids()[::NUM_VIEWS]
    poses = np.array([truth.metadata(uid).E for uid in first], float)
    said = [np.array(noisy.metadata(uid).E, float) for uid in first]
    stds = np.array([SIGMA_M, SIGMA_M, SIGMA_M / 2])
    priors = [PosePrior(camera_center(pose), stds, pose[:3, :3], SIGMA_DEG, (0.01, 0.01)) for pose in said]
    aligned = align(poses[:, :3, :3], camera_center(poses), Priors.of(priors, 1.0))
    assert aligned is not None
    places = np.array([center_of(queries, uid) for uid in queries.uids()])
    return float(np.median(np.linalg.norm(aligned.similarity.points(places) - places, axis=1)))


def test_a_city_is_mapped_in_time(mapped: tuple[MapReport, float], capsys: pytest.CaptureFixture[str]) -> None:
    report, minutes = mapped
    with capsys.disabled():
        sizes = [part.num_views for part in report.parts]
        sys.stdout.write(f"\n{minutes:.1f} minutes, {report.seconds}, {report.num_pairs} pairs, parts of {sizes}")
    assert report.num_mapped >= 0.95 * NUM_PLACES * NUM_VIEWS
    assert minutes <= MAX_MINUTES


def test_photos_are_located_as_well_as_the_sources_allow(
    city: CityPhotos, noisy: Database, mapped: tuple[MapReport, float], capsys: pytest.CaptureFixture[str]
) -> None:
    queries, localizer = Database.open(city.queries), Localizer(noisy)
    errors, inside = [], []
    for uid in queries.uids():
        metadata = queries.metadata(uid)
        result = localizer.locate(queries.image_path(uid), camera=metadata.camera)
        if result.E is not None and result.position_std_m is not None:
            error = camera_center(np.array(result.E)) - center_of(queries, uid)
            errors.append(float(np.linalg.norm(error)))
            std = result.position_std_m
            inside.append(bool(abs(error[0]) < 2 * std.east and abs(error[1]) < 2 * std.north))
    floor = floor_m(city, noisy)
    figures = {
        "located": f"{len(errors)} of {len(queries)}",
        "median_m": round(float(np.median(errors)), 3),
        "worst_m": round(max(errors), 3),
        "floor_m": round(floor, 3),
        "inside two deviations": round(float(np.mean(inside)), 3),
        "parts": [part.num_views for part in mapped[0].parts],
    }
    with capsys.disabled():
        sys.stdout.write(f"\n{json.dumps(figures)}")
    assert np.median(errors) <= 1.3 * floor
