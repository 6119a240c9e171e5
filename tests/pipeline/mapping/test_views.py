"""What is taken from each entry: pose, camera and how far they are to be trusted, and when it counts as changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geonav.data.database import Database
from geonav.data.metadata import ImageMetadata
from geonav.geometry.geodesy import LocalFrame
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center, rotation_error_deg
from geonav.pipeline.mapping.views import MapView, contradictory_frames, read_views, stamp_of
from tests.pipeline.mapping.made_map import CAMERA, ORIGIN

FRAME = LocalFrame(ORIGIN)
CAMERA_KEYS: dict[str, Any] = {"w": CAMERA.width, "h": CAMERA.height, "K": CAMERA.K.tolist()}
POSED: dict[str, Any] = {
    **CAMERA_KEYS,
    "E": pose_from_center(rotation_from_angles(30.0, 5.0), (10.0, 20.0, 2.0)).tolist(),
    "position_std_m": 0.5,
    "heading_std_deg": 1.5,
    "source_sha256": "aa",
}


def gps(east: float, north: float, **more: Any) -> dict[str, Any]:
    lat, lng, _ = FRAME.geo_from_enu([east, north, 0.0])
    return {**CAMERA_KEYS, "lat": float(lat), "lng": float(lng), **more}


def made(path: Path, entries: dict[str, dict[str, Any]], datum: str = "wgs84") -> Database:
    database = Database.create(path / "db", ORIGIN, datum)
    for uid, entry in entries.items():
        database.add_entry(uid, b"", ImageMetadata.model_validate(entry))
    return database


def only(path: Path, entry: dict[str, Any], datum: str = "wgs84") -> MapView:
    views, left_out = read_views(made(path, {"a": entry}, datum), ["a"])
    assert left_out == []
    (view,) = views
    return view


def panorama_view(
    azimuth: float, place: tuple[float, float, float] = (1.0, 2.0, 3.0), **more: object
) -> dict[str, Any]:
    pose = pose_from_center(rotation_from_angles(azimuth), place)
    return {**CAMERA_KEYS, "E": pose.tolist(), "pano_id": "p", "provider": "streets", **more}


def test_a_pose_is_taken_as_it_is_said(tmp_path: Path) -> None:
    view = only(tmp_path, {**POSED, "sequence": "drive", "pitch_roll_std_deg": 0.7})
    np.testing.assert_allclose(view.position_m, [10.0, 20.0, 2.0], atol=1e-9)
    np.testing.assert_array_equal(view.position_std_m, [0.5, 0.5, 0.5])
    assert rotation_error_deg(view.rotation, rotation_from_angles(30.0, 5.0)) < 1e-6
    assert (view.heading_std_deg, view.tilt_std_deg, view.sequence, view.frame) == (1.5, (0.7, 0.7), "drive", "a")
    assert view.azimuth_deg == pytest.approx(30.0)
    assert view.camera == CAMERA
    assert view.is_calibrated
    prior = view.prior(4)
    assert prior.sequence == 4
    np.testing.assert_array_equal(prior.position_m, view.position_m)


def test_a_position_alone_leaves_heading_and_height_open(tmp_path: Path) -> None:
    view = only(tmp_path, gps(15.0, -7.0, position_std_m=4.0))
    np.testing.assert_allclose(view.position_m[:2], [15.0, -7.0], atol=1e-6)
    assert np.isnan(view.position_m[2])
    np.testing.assert_array_equal(view.position_std_m, [4.0, 4.0, np.inf])
    assert view.heading_std_deg == np.inf
    assert np.isnan(view.azimuth_deg)
    np.testing.assert_allclose(view.rotation[:, 2], [0, -1, 0], atol=1e-12)  # level
    assert max(view.tilt_std_deg) < 30.0


def test_a_height_counts_where_it_is_of_the_same_datum(tmp_path: Path) -> None:
    place = gps(0.0, 0.0, alt=ORIGIN.alt_m + 12.0, position_std_m=4.0)
    same = only(tmp_path / "same", {**place, "alt_datum": "wgs84"})
    other = only(tmp_path / "other", {**place, "alt_datum": "egm96"})
    assert same.position_m[2] == pytest.approx(12.0, abs=1e-6)
    assert same.position_std_m[2] > same.position_std_m[0]
    assert np.isnan(other.position_m[2])


@pytest.mark.parametrize(("reference", "known"), [(None, True), ("true", True), ("magnetic", False)])
def test_a_compass_counts_where_it_shows_true_north(tmp_path: Path, reference: str | None, known: bool) -> None:
    more = {} if reference is None else {"heading_ref": reference}
    view = only(tmp_path, gps(0.0, 0.0, azn=200.0, heading_std_deg=8.0, **more))
    assert np.isfinite(view.heading_std_deg) == known
    if known:
        assert view.heading_std_deg == 8.0
        assert view.azimuth_deg == pytest.approx(200.0)


@pytest.mark.parametrize(("std", "known"), [(None, True), (0.0, True), (0.05, False)])
def test_a_guessed_focal_length_is_not_calibrated(tmp_path: Path, std: float | None, known: bool) -> None:
    more = {} if std is None else {"focal_std_rel": std}
    assert only(tmp_path, {**POSED, **more}).is_calibrated == known


def test_what_cannot_be_mapped_is_named_with_its_reason(tmp_path: Path) -> None:
    entries = {"good": POSED, "no camera": {**POSED, "K": None}, "nowhere": CAMERA_KEYS, "broken": POSED}
    database = made(tmp_path, entries)
    (tmp_path / "db" / "broken" / "metadata.json").write_text("{")
    views, left_out = read_views(database, sorted(entries))
    reasons = dict(left_out)
    assert [view.uid for view in views] == ["good"]
    assert reasons.keys() == {"no camera", "nowhere", "broken"}
    assert "focal length" in reasons["no camera"]
    assert "neither pose nor position" in reasons["nowhere"]
    assert all("\n" not in reason for reason in reasons.values())


def test_half_a_position_is_none(tmp_path: Path) -> None:
    views, left_out = read_views(made(tmp_path, {"a": {**CAMERA_KEYS, "lat": 48.94, "azn": 3.0}}), ["a"])
    assert views == []
    assert [uid for uid, _ in left_out] == ["a"]


def test_views_of_one_panorama_move_as_one(tmp_path: Path) -> None:
    entries = {"a": panorama_view(0.0), "b": panorama_view(90.0), "c": panorama_view(0.0, provider="others")}
    database = made(tmp_path, entries)
    views, _ = read_views(database, sorted(entries))
    frames = [view.frame for view in views]
    assert frames[0] == frames[1] != frames[2]
    assert contradictory_frames(database, views) == []


def test_views_that_contradict_each_other_are_each_alone(tmp_path: Path) -> None:
    entries = {
        "a": panorama_view(0.0), "b": panorama_view(90.0), "c": panorama_view(180.0, (1.0, 2.3, 3.0)),
        "d": panorama_view(0.0, (50.0, 0.0, 2.0), pano_id="q"), "e": panorama_view(90.0, (50.0, 0.0, 2.0), pano_id="q"),
    }  # fmt: skip
    database = made(tmp_path, entries)
    views, _ = read_views(database, sorted(entries))
    assert [view.uid for view in views] == sorted(entries)
    assert [view.frame for view in views[:3]] == ["a", "b", "c"]
    assert views[3].frame == views[4].frame
    assert contradictory_frames(database, views) == ["a", "b", "c"]


def test_a_view_that_names_a_panorama_but_has_no_pose_contradicts_nobody(tmp_path: Path) -> None:
    database = made(tmp_path, {"a": gps(0.0, 0.0, azn=20.0, pano_id="p", provider="streets")})
    views, _ = read_views(database, ["a"])
    assert contradictory_frames(database, views) == []


@pytest.mark.parametrize(
    "change",
    [
        {"E": pose_from_center(rotation_from_angles(30.0, 5.0), (10.0, 20.0, 2.001)).tolist()},
        {"E": pose_from_center(rotation_from_angles(30.1, 5.0), (10.0, 20.0, 2.0)).tolist()},
        {"K": [[500.0, 0, 320], [0, 500.0, 240], [0, 0, 1]]},
        {"w": 641},
        {"position_std_m": 0.6},
        {"position_std_m": {"east": 0.5, "north": 0.5, "up": 0.6}},
        {"heading_std_deg": 2.0},
        {"pitch_roll_std_deg": 0.4},
        {"sequence": "another"},
        {"pano_id": "p"},
        {"source_sha256": "bb"},
        {"lat": 48.0, "lng": 8.0},
        {"alt": 1.0},
        {"azn": 4.0},
    ],
)
def test_an_entry_counts_as_changed_when_what_was_taken_from_it_did(change: dict[str, Any]) -> None:
    before, after = (ImageMetadata.model_validate(entry) for entry in (POSED, {**POSED, **change}))
    assert stamp_of(before) != stamp_of(after)


@pytest.mark.parametrize(
    "change",
    [
        {"focal_std_rel": 0.1},
        {"heading_ref": "magnetic"},
        {"alt_datum": "egm96"},
        {"provider": "another"},
    ],
)
def test_whatever_a_view_depends_on_is_in_its_stamp(tmp_path: Path, change: dict[str, Any]) -> None:
    entry = gps(0.0, 0.0, alt=130.0, azn=5.0)
    if "provider" in change:
        entry = panorama_view(5.0)
    before, after = only(tmp_path / "before", entry), only(tmp_path / "after", {**entry, **change})
    names = ("is_calibrated", "heading_std_deg", "frame")
    differs = any(getattr(before, name) != getattr(after, name) for name in names)
    assert differs or not np.array_equal(before.position_std_m, after.position_std_m)
    assert before.stamp != after.stamp


@pytest.mark.parametrize(
    "change",
    [
        {"E_refined": np.eye(4).tolist(), "E_refined_cov": np.eye(6).tolist(), "map_version": "m"},
        {"licence": "CC BY", "attribution": "somebody", "captured_at": "2024-05-01"},
        {"source_name": "another.jpg"},
        {"whatever": 7},
    ],
)
def test_what_a_map_writes_itself_and_what_it_does_not_read_changes_nothing(change: dict[str, Any]) -> None:
    before, after = (ImageMetadata.model_validate(entry) for entry in (POSED, {**POSED, **change}))
    assert stamp_of(before) == stamp_of(after)
