"""What is matched besides where two places look alike: further hits, then what lies around the poses in question."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.data.metadata import ImageMetadata
from geonav.data.places import Places
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center
from geonav.pipeline.contest import Contest, Surroundings
from geonav.pipeline.found import Found, Stopwatch
from geonav.pipeline.matching import MatchedPhoto, MatchedReferences, ReferenceMatcher
from geonav.pose.decide import Decision
from geonav.pose.solver import Solution
from tests.data.photos import jpeg

K = Camera.from_focal(96, 64, 80.0).K.tolist()
ORIGIN = GeoPoint(48.9, 8.4, 110.0)
# Name, metres east of the origin, heading.
STREET = [("near", 3.0, 10.0), ("nearer", 1.0, 355.0), ("back", 2.0, 180.0), ("far", 200.0, 0.0), ("mid", 20.0, 0.0)]


@pytest.fixture
def street(tmp_path: Path) -> Database:
    database = Database.create(tmp_path / "db", ORIGIN)
    for uid, east_m, azimuth_deg in STREET:
        lat, lng, _ = database.frame.geo_from_enu(np.array([east_m, 0.0, 0.0]))
        shot = ImageMetadata(w=96, h=64, K=K, lat=float(lat), lng=float(lng), azn=azimuth_deg)
        database.add_entry(uid, jpeg(), shot)
    return database


def around(database: Database, allowed: set[str] | None = None) -> Surroundings:
    return Surroundings(Places.of(database), database.frame, allowed)


def pose(east_m: float, azimuth_deg: float) -> np.ndarray:
    return pose_from_center(rotation_from_angles(azimuth_deg), np.array([east_m, 0.0, 40.0]))


def test_what_stands_near_a_pose_and_looks_its_way_is_found_nearest_first(street: Database) -> None:
    assert around(street).of([pose(0.0, 0.0)], set()) == ["nearer", "near", "mid"]
    assert around(street).of([pose(0.0, 170.0)], set()) == ["back"]
    assert around(street).of([pose(200.0, 0.0), pose(0.0, 0.0)], {"near"}) == ["far", "nearer", "mid"]
    assert around(street, {"mid", "back"}).of([pose(0.0, 0.0)], set()) == ["mid"]
    assert around(street).of([pose(5000.0, 0.0)], set()) == []


@dataclass
class Counting:
    """Stands for the matcher: remembers what it was asked to match."""

    rounds: list[list[str]] = field(default_factory=list)

    def match_more(self, uids: list[str], photo: MatchedPhoto, matched: MatchedReferences) -> None:
        del photo
        self.rounds.append([uid for uid in uids if uid not in matched.tried])
        matched.tried.update(uids)


def contested(east_m: float) -> Decision:
    @dataclass
    class Rival:
        pose: np.ndarray
        num_inliers: int

    rival = cast("Solution", Rival(pose(east_m, 0.0), 50))
    return Decision(rival, None, "two places look alike", (rival,), is_contested=True)


def contest(street: Database, matcher: Counting) -> Contest:
    hits = {f"hit{number}": 0.5 for number in range(12)}
    found = Found(hits, 2, MatchedReferences(tried={"hit0", "hit1"}), Stopwatch())
    nothing = LocalFeatures(np.zeros((0, 2), np.float32), np.zeros(0, np.float32), np.zeros((0, 8), np.float16))
    photo = MatchedPhoto(nothing, (96, 64), "-")
    return Contest(cast("ReferenceMatcher", matcher), photo, found, around(street))


def test_further_hits_are_matched_first_and_the_surroundings_of_a_pose_that_comes_up_then(street: Database) -> None:
    matcher, settled = Counting(), Decision(None, None, "nothing")
    answers = iter([contested(0.0), contested(200.0), settled])
    assert contest(street, matcher).settled(contested(0.0), lambda: next(answers)) is settled
    assert matcher.rounds == [["hit2", "hit3", "hit4", "hit5"], ["nearer", "near", "mid"], ["far"]]


def test_a_contest_that_is_decided_ends_at_once(street: Database) -> None:
    matcher, settled = Counting(), Decision(None, None, None)
    assert contest(street, matcher).settled(contested(0.0), lambda: settled) is settled
    assert len(matcher.rounds) == 1


def test_a_contest_that_nothing_decides_ends(street: Database) -> None:
    matcher = Counting()
    decision = contest(street, matcher).settled(contested(0.0), lambda: contested(0.0))
    assert decision.is_contested
    assert len(matcher.rounds) == 3
