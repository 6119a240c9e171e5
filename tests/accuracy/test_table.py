"""The whole table of accuracies on real photos, medians over five seeds of the estimator (``make test-slow``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geonav.pipeline.hits import Asked
from geonav.pipeline.query import read_query
from tests.accuracy.shared_photos import (
    CASTLE,
    HERZ_JESU,
    KITTI,
    SEEDS,
    Outcome,
    Scene,
    camera_of,
    indexed,
    locate_all,
    needs_photos,
    remembering_localizer,
)

pytestmark = [needs_photos, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("table")


def over_seeds(
    folder: Path, name: str, step: int, *, known: bool = True, strip_to: Path | None = None
) -> list[Outcome]:
    """One outcome a seed."""
    database = indexed(folder, ((Scene(name), step),))
    return [locate_all(database, Scene(name), step, seed=seed, known=known, strip_to=strip_to) for seed in SEEDS]


def median_m(outcomes: list[Outcome]) -> float:
    return float(np.median([np.median(outcome.errors_m) for outcome in outcomes]))


def median_deg(outcomes: list[Outcome]) -> float:
    return float(np.median([np.median(outcome.errors_deg) for outcome in outcomes]))


def worst_m(outcomes: list[Outcome]) -> float:
    return float(np.median([outcome.errors_m.max() for outcome in outcomes]))


@pytest.mark.parametrize(
    ("name", "limit_m", "limit_deg", "limit_worst_m"),
    [(CASTLE, 0.026, 0.055, 0.06), (HERZ_JESU, 0.009, 0.042, np.inf), (KITTI, 0.007, 0.075, 0.05)],
)
def test_known_camera(folder: Path, name: str, limit_m: float, limit_deg: float, limit_worst_m: float) -> None:
    outcomes = over_seeds(folder, name, 2)
    assert all(outcome.share_located == 1.0 for outcome in outcomes)
    assert median_m(outcomes) <= limit_m
    assert median_deg(outcomes) <= limit_deg
    assert worst_m(outcomes) <= limit_worst_m


def test_both_scenes_in_one_database(folder: Path) -> None:
    """Retrieval is not told the scene; the second is imported into the first one's frame."""
    scenes = [Scene(CASTLE), Scene(HERZ_JESU)]
    database = indexed(folder, tuple((scene, 2) for scene in scenes))
    assert len(database) == 28
    for scene, limit_m, limit_deg in zip(scenes, (0.026, 0.009), (0.055, 0.042), strict=True):
        outcomes = [locate_all(database, scene, 2, seed=seed) for seed in SEEDS]
        assert all(outcome.share_located == 1.0 for outcome in outcomes)
        assert median_m(outcomes) <= limit_m
        assert median_deg(outcomes) <= limit_deg


@pytest.mark.parametrize("stripped", [False, True], ids=["exif", "no-exif"])
@pytest.mark.parametrize(("name", "limit_m"), [(CASTLE, 0.17), (HERZ_JESU, 0.11)])
def test_camera_from_exif_alone_or_not_at_all(folder: Path, name: str, limit_m: float, stripped: bool) -> None:
    strip_to = folder / f"stripped-{name}" if stripped else None
    if strip_to is not None:
        strip_to.mkdir()
    outcomes = over_seeds(folder, name, 2, known=False, strip_to=strip_to)
    assert all(outcome.share_located == 1.0 for outcome in outcomes)
    assert all(result.K_source == ("estimated" if stripped else "exif_35mm") for result in outcomes[0].results)
    assert median_m(outcomes) <= limit_m


@pytest.mark.parametrize(("name", "limit_m"), [(CASTLE, 0.035), (HERZ_JESU, 0.015)])
def test_every_fourth_photo_as_reference(folder: Path, name: str, limit_m: float) -> None:
    outcomes = over_seeds(folder, name, 4)
    assert all(outcome.share_located >= 0.95 for outcome in outcomes)
    assert median_m(outcomes) <= limit_m


def test_every_sixth_photo_as_reference(folder: Path) -> None:
    """Sparse references: what cannot be located to half a metre is refused."""
    outcomes = over_seeds(folder, CASTLE, 6)
    assert all(outcome.errors_m.max() <= 0.5 for outcome in outcomes)
    assert all(outcome.share_located >= 0.75 for outcome in outcomes)
    assert median_m(outcomes) <= 0.055


@pytest.mark.parametrize("known", [True, False], ids=["known", "exif"])
def test_the_reported_ellipse_is_true(folder: Path, known: bool) -> None:
    """Over both sets it holds the truth as often as it says; on each it is not wider than it must be."""
    found = {name: over_seeds(folder, name, 2, known=known) for name in (CASTLE, HERZ_JESU)}
    for castle, herz_jesu in zip(found[CASTLE], found[HERZ_JESU], strict=True):
        assert 0.85 <= castle.joined(herz_jesu).in_ellipse.mean() <= 1.0
    for outcomes in found.values():
        semi_major_m = np.median([np.median(outcome.semi_major_m) for outcome in outcomes])
        assert semi_major_m <= 4 * median_m(outcomes)


def test_retrieval_over_both_scenes(folder: Path) -> None:
    """The first hit is of the right scene, and one of the first five looks at what the photo looks at."""
    database = indexed(folder, ((Scene(CASTLE), 2), (Scene(HERZ_JESU), 2)))
    localizer = remembering_localizer(database, 0)
    assert len(database) == 28

    def scene_of(uid: str) -> str:
        return HERZ_JESU if "-" in uid else CASTLE  # imported second, so that its names carry a mark

    for name in (CASTLE, HERZ_JESU):
        poses = {Path(image["image"]).stem: np.array(image["E"]) for image in Scene(name).every(2)}
        for image in Scene(name).rest(2):
            photo = read_query(Scene(name).root / image["image"], camera_of(image))
            features = localizer._extractor.extract([photo.photo.pixels])[0]
            asked = Asked(photo, localizer._retriever.describe(photo, features), features)
            hits = [hit.uid for hit in localizer._retriever.retrieve(asked, 5).hits]
            assert scene_of(hits[0]) == name, image["image"]
            shared = [uid for uid in hits if scene_of(uid) == name and shares_view(image, poses[uid[:4]])]
            assert shared, image["image"]


def shares_view(image: dict[str, Any], reference: np.ndarray) -> bool:
    """Whether what stands 15 m before a photo's camera is before the reference's too, within 25 degrees of its axis."""
    ahead = np.linalg.inv(np.array(image["E"])) @ np.array([0.0, 0.0, 15.0, 1.0])
    x, y, z = (reference @ ahead)[:3]
    return bool(z > 0 and np.degrees(np.arctan2(np.hypot(x, y), z)) <= 25.0)
