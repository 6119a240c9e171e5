"""How many references are matched: until enough agree, and on where places streets apart are strong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.data.metadata import ImageMetadata
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint
from geonav.geometry.pose import pose_from_center
from geonav.pipeline.matching import MatchedPhoto, MatchedReferences, ReferenceMatcher
from geonav.pipeline.stored import StoredFeatures
from geonav.settings.stages import LocalizeConfig
from geonav.vision.base import Matcher, Matches
from tests.data.photos import jpeg

NORTHWARD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
SIZE = (96, 64)
KEYPOINTS = 200


def features(seed: int) -> LocalFeatures:
    rng = np.random.default_rng(seed)
    points = (rng.random((KEYPOINTS, 2)) * SIZE).astype(np.float32)
    return LocalFeatures(points, np.ones(KEYPOINTS, np.float32), np.ones((KEYPOINTS, 8), np.float16))


def matched(folder: Path, east_m: Sequence[float], settings: LocalizeConfig) -> MatchedReferences:
    """Match a photo that all of some references looking north resemble, which stand so far east."""
    database = Database.create(folder / "db", GeoPoint(48.9, 8.4, 110.0))
    stored = StoredFeatures(database, {"model": "made"})
    camera = Camera.from_focal(*SIZE, 80.0)
    for number, east in enumerate(east_m):
        pose = pose_from_center(NORTHWARD, (east, 0.0, 0.0))
        shot = ImageMetadata(
            w=SIZE[0], h=SIZE[1], K=camera.K.tolist(), E=pose.tolist(), lat=48.9, lng=8.4, azn=0.0, source_sha256="-"
        )
        database.add_entry(f"r{number:02d}", jpeg(), shot)
        stored.write(f"r{number:02d}", features(number))
    both = np.arange(100, dtype=np.int32).repeat(2).reshape(-1, 2)
    known = {uid: Matches(both, np.ones(100, np.float32)) for uid in database.uids()}
    # All matches are known: no matcher is asked.
    matcher = ReferenceMatcher(database, stored, cast("Matcher", None), settings, 1024)
    return matcher.match(list(database.uids()), MatchedPhoto(features(99), SIZE, "0" * 64), known)


def test_matching_stops_once_enough_references_of_one_street_are_strong(tmp_path: Path) -> None:
    found = matched(tmp_path, [5.0 * number for number in range(12)], LocalizeConfig(top_k=10, max_references=4))
    assert len(found.views) == 4


def test_matching_goes_on_where_another_street_looks_the_same(tmp_path: Path) -> None:
    """Which of the two shows all that the photo shows is only known once the neighbours of both are matched."""
    east = [500.0 * (number % 2) + 5.0 * number for number in range(12)]
    found = matched(tmp_path, east, LocalizeConfig(top_k=6, max_references=4))
    assert len(found.views) == 12
