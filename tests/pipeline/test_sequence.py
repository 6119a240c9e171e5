"""A sequence locates what single frames cannot, and takes back what single frames got wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from geonav.data.database import Database
from geonav.data.progress import ProgressEvent
from geonav.data.results import LocalizationResult
from geonav.data.track import TrackPoint
from geonav.errors import InputError
from geonav.geometry.geodesy import GeoPoint
from geonav.pipeline.sequence import SequenceOptions, locate_sequence, track_results
from geonav.pipeline.sequence_frames import FrameSource, TimedPhoto
from geonav.pose.motion import MotionPrior
from tests.pipeline.sequence_street import Walk, WalkLocalizer, metres, showing

SLOW_WALK = SequenceOptions(MotionPrior(max_speed_m_s=3.0, acceleration_std=0.7, climb_std=0.2))
PLAIN = Walk([0.0] * 8)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.create(tmp_path / "street", GeoPoint(48.9, 8.4, 130.0))


def _track(walk: Walk, database: Database) -> list[TrackPoint]:
    return locate_sequence(WalkLocalizer(walk, database), walk.source(), SLOW_WALK)  # type: ignore[arg-type]


def test_frames_right_alone_stay_as_they_are(database: Database) -> None:
    points = _track(PLAIN, database)
    assert [point.status for point in points] == ["located"] * 8
    for point, truth in zip(points, PLAIN.truth, strict=True):
        assert metres(database.frame, point.result.lat, point.result.lng, truth) < 0.05


def test_a_place_confused_alone_is_told_apart_by_the_neighbours(database: Database) -> None:
    """Half of the matches belong to a copy of the street: alone both are refused."""
    walk = showing(PLAIN, f3=0.5)
    point = _track(walk, database)[3]
    assert point.alone == "retrieved_only"
    assert "two places look alike" in str(point.alone_reason)
    assert (point.status, point.result.status) == ("confirmed", "located")
    assert metres(database.frame, point.result.lat, point.result.lng, walk.truth[3]) < 0.1
    assert any("refused alone (two places look alike" in note for note in point.result.notes)
    assert point.result.E is not None
    assert point.result.K_source == "given"
    assert point.result.num_inliers > 30


def test_a_frame_located_elsewhere_alone_is_corrected(database: Database) -> None:
    """Most of its matches belong to the copy: alone it is wrong by sixty metres and sure of it."""
    walk = showing(PLAIN, f4=0.75)
    localizer = WalkLocalizer(walk, database)
    alone = locate_sequence(localizer, FrameSource(iter([list(walk.source().frames)[4]]), 1), SLOW_WALK)[0]  # type: ignore[arg-type]
    assert alone.status == "located"
    assert metres(database.frame, alone.result.lat, alone.result.lng, walk.truth[4]) > 50
    point = _track(walk, database)[4]
    assert (point.alone, point.status) == ("located", "corrected")
    assert metres(database.frame, point.result.lat, point.result.lng, walk.truth[4]) < 0.2
    assert any(note.startswith("located elsewhere alone: its own pose is 60") for note in point.result.notes)


def test_a_wrong_frame_without_another_candidate_is_refused_and_interpolated(database: Database) -> None:
    walk = showing(PLAIN, f4=1.0)
    point = _track(walk, database)[4]
    assert (point.alone, point.status) == ("located", "interpolated")
    assert point.result.status == "retrieved_only"
    assert "its own pose is 60" in str(point.result.reason)
    pose = point.result.model_dump(include={"lat", "lng", "azimuth", "E", "K", "ellipse_95"})
    assert set(pose.values()) == {None}
    assert point.interpolated is not None
    off = metres(database.frame, point.interpolated.lat, point.interpolated.lng, walk.truth[4])
    assert off < point.interpolated.ellipse_95.semi_major_m < 5


def test_a_broken_photo_is_interpolated_and_says_so(database: Database) -> None:
    seen: list[ProgressEvent] = []
    walk = showing(PLAIN, f2=None, f7=None)
    points = locate_sequence(WalkLocalizer(walk, database), walk.source(), SLOW_WALK, seen.append)  # type: ignore[arg-type]
    assert [point.status for point in points] == [*["located"] * 2, "interpolated", *["located"] * 4, "refused"]
    assert points[2].result.reason == "02.jpg is broken"
    assert points[7].interpolated is None, "nothing comes after it"
    assert [(event.done, event.total) for event in seen] == [(n, 8) for n in range(1, 9)]
    assert [result.query for result in track_results(points)] == [f"{n:02d}.jpg" for n in range(8)]


@pytest.mark.parametrize("later", [1.0, 0.5])
def test_times_must_rise(database: Database, later: float) -> None:
    photos = [TimedPhoto("00.jpg", Path("00.jpg"), 1.0), TimedPhoto("01.jpg", Path("01.jpg"), later)]
    with pytest.raises(InputError, match=r"01\.jpg is not later than 00\.jpg"):
        locate_sequence(WalkLocalizer(PLAIN, database), FrameSource(iter(photos), 2))  # type: ignore[arg-type]


@pytest.mark.parametrize("status", ["located", "confirmed", "corrected", "interpolated"])
def test_a_point_cannot_claim_a_pose_it_does_not_have(status: str) -> None:
    refused = LocalizationResult(query="a.jpg", status="not_located", reason="dark")
    with pytest.raises(ValueError, match=r"must have a pose|belongs to an interpolated frame"):
        TrackPoint(frame="a.jpg", time_s=0.0, status=status, result=refused, alone="not_located")  # type: ignore[arg-type]
