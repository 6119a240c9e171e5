"""A phone carried up one straight street: GPS alone, no poses, no heading; mapped, and each photo left out in turn."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.results import LocalizationResult
from geonav.pipeline.importing import FolderImport, import_folder
from geonav.pipeline.localize import Localizer
from geonav.pipeline.mapping.build import build_map
from geonav.pipeline.mapping.report import MapReport
from tests.accuracy.map_rows import remembering
from tests.accuracy.shared_photos import DATA

LUND = DATA / "lund"
NEAREST = 11
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not LUND.is_dir(), reason=f"the shared photos are not at {LUND}"),
]


@pytest.fixture(scope="module", autouse=True)
def _networks_run_once() -> Iterator[None]:
    with remembering():
        yield


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    path = tmp_path_factory.mktemp("lund") / "street"
    import_folder(path, LUND / "images", FolderImport())
    return Database.open(path)


@pytest.fixture(scope="module")
def report(database: Database) -> MapReport:
    return build_map(database, GeonavConfig())


def positions(database: Database) -> dict[str, np.ndarray]:
    """Where GPS puts each photo, metres in the plane."""
    found = {}
    for uid in database.uids():
        metadata = database.metadata(uid)
        found[uid] = np.asarray(database.frame.enu_from_geo(metadata.lat, metadata.lng, 0.0))[:2]
    return found


def street_azimuth(database: Database, around: str) -> float:
    """By GPS, where a photo stands: the street bends by a dozen degrees before its last six photos."""
    known = positions(database)
    away = {uid: float(np.linalg.norm(place - known[around])) for uid, place in known.items()}
    places = np.array([known[uid] for uid in sorted(known, key=lambda uid: away[uid])[:NEAREST]])
    _, _, axes = np.linalg.svd(places - places.mean(0))
    return float(np.degrees(np.arctan2(axes[0, 0], axes[0, 1])) % 180.0)


def off_axis(azimuth: float, street: float) -> float:
    """Degrees between a heading and the line of the street, whichever way along it."""
    return abs((azimuth - street + 90.0) % 180.0 - 90.0)


def test_a_street_of_gps_photos_is_one_map(
    database: Database, report: MapReport, capsys: pytest.CaptureFixture[str]
) -> None:
    part = report.parts[0]
    apart = np.array([view.moved_m[:2] for view in part.views], float)
    rms = float(np.sqrt((apart**2).sum(1).mean()))
    turns = [off_axis(view.azimuth, street_azimuth(database, view.uid)) for view in part.views]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{part.num_views} photos, RMS to GPS {rms:.2f} m, off the street's line {max(turns):.1f} deg"
        )
        sys.stdout.write(f", weak roll {part.weak_tilt_deg:.1f} deg; {part.notes}")
    assert part.num_views >= 26
    assert rms <= 6.0
    assert max(turns) <= 10.0
    assert any("roll" in note and f"{part.weak_tilt_deg:.1f} degrees" in note for note in part.notes)


@pytest.fixture(scope="module")
def left_out(
    database: Database, report: MapReport, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, LocalizationResult]:
    """What each photo is answered by a map of all others."""
    del report  # made before: the matches are there
    results = {}
    for uid in database.uids():
        without = tmp_path_factory.mktemp("lund") / "without"
        shutil.copytree(database.path, without)
        rest = Database.open(without)
        rest.remove_entry(uid)
        build_map(rest, GeonavConfig())
        results[uid] = Localizer(rest, GeonavConfig()).locate(database.image_path(uid))
        shutil.rmtree(without)
    return results


def test_photos_left_out_are_located_by_the_others(
    database: Database, left_out: dict[str, LocalizationResult], capsys: pytest.CaptureFixture[str]
) -> None:
    frame, known, away = database.frame, positions(database), []
    for uid, result in left_out.items():
        if result.status == "located":
            found = np.asarray(frame.enu_from_geo(result.lat or 0.0, result.lng or 0.0, 0.0))[:2]
            away.append(float(np.linalg.norm(found - known[uid])))
    with capsys.disabled():
        sys.stdout.write(f"\n{len(away)} of {len(left_out)} located, median {np.median(away):.2f} m from GPS")
        sys.stdout.write(f", worst {max(away):.2f} m")
    assert len(away) >= 28
    assert np.median(away) <= 5.0


@pytest.mark.xfail(strict=True, reason="only photo 16 ties the halves of the street: the rest's halves lie 18 m apart")
def test_every_photo_left_out_is_located(left_out: dict[str, LocalizationResult]) -> None:
    assert {result.status for result in left_out.values()} == {"located"}


@pytest.mark.xfail(strict=True, reason="photo 24 stands where the street bends, and looks 11.6 degrees off its line")
def test_photos_left_out_look_along_the_street(
    database: Database, left_out: dict[str, LocalizationResult], capsys: pytest.CaptureFixture[str]
) -> None:
    turns = {
        uid: off_axis(result.azimuth, street_azimuth(database, uid))
        for uid, result in left_out.items()
        if result.status == "located" and result.azimuth is not None
    }
    with capsys.disabled():
        sys.stdout.write(f"\nmost off the street's line: {sorted(turns.items(), key=lambda item: item[1])[-3:]}")
    assert max(turns.values()) <= 10.0
