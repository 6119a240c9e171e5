"""Azimuth clockwise from north, pitch upwards, roll clockwise: shown by where things appear in the picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geonav.geometry.camera import Camera
from geonav.geometry.orientation import angles_from_rotation, rotation_from_angles
from geonav.geometry.pose import is_rotation, pose_from_center, rotation_error_deg

CAMERA = Camera.from_fov(1000, 800, 70.0)
azimuths = st.floats(0, 360)
pitches = st.floats(-90, 90)
rolls = st.floats(-180, 180)


def pixel(enu: list[float], *angles: float) -> np.ndarray:
    """Where a camera at the origin with these angles sees a point."""
    seen: np.ndarray = CAMERA.pixels_from_points(rotation_from_angles(*angles) @ np.array(enu))[0]
    return seen


def turn_between(a_deg: float, b_deg: float) -> float:
    return abs((a_deg - b_deg + 180) % 360 - 180)


@pytest.mark.parametrize(
    ("azimuth", "enu"),
    [(0, [0, 10, 0]), (90, [10, 0, 0]), (180, [0, -10, 0]), (270, [-10, 0, 0]), (359, [-0.17455, 9.99848, 0])],
)
def test_azimuth_is_clockwise_from_north(azimuth: float, enu: list[float]) -> None:
    np.testing.assert_allclose(pixel(enu, azimuth, 0, 0), [500, 400], atol=0.01)


def test_east_is_on_the_right_of_a_camera_facing_north() -> None:
    assert pixel([1, 10, 0], 0, 0, 0)[0] > 510
    assert pixel([0, 10, 1], 0, 0, 0)[1] < 390  # and up is up


def test_positive_pitch_looks_up() -> None:
    assert rotation_from_angles(0, 30, 0)[2, 2] == pytest.approx(0.5)
    assert pixel([0, 10, 0], 0, 20, 0)[1] > 400 + 100  # the horizon sinks in the picture
    assert pixel([0, 10, 0], 0, -20, 0)[1] < 400 - 100


def test_positive_roll_turns_the_camera_clockwise_as_seen_from_behind() -> None:
    # A camera turned clockwise sees the world turned counterclockwise: what is overhead moves to the left,
    # what is on the right moves up.
    above = pixel([0, 10, 2], 0, 0, 90)
    assert above[0] < 400
    assert above[1] == pytest.approx(400)
    right = pixel([2, 10, 0], 0, 0, 90)
    assert right[1] < 300
    assert right[0] == pytest.approx(500)
    slightly = pixel([0, 10, 2], 0, 0, 10)
    assert slightly[0] < 500
    assert slightly[1] < 400
    # Its right axis then points down towards the ground.
    assert rotation_from_angles(0, 0, 10)[0, 2] < 0


@given(azimuths, pitches, rolls)
def test_every_rotation_is_proper(azimuth: float, pitch: float, roll: float) -> None:
    assert is_rotation(rotation_from_angles(azimuth, pitch, roll), 1e-12)


@given(azimuths, st.floats(-89.9, 89.9), st.floats(-179.9, 180))
def test_angles_survive_the_rotation(azimuth: float, pitch: float, roll: float) -> None:
    found = angles_from_rotation(rotation_from_angles(azimuth, pitch, roll))
    assert 0 <= found[0] < 360
    assert turn_between(found[0], azimuth) < 1e-6
    assert found[1] == pytest.approx(pitch, abs=1e-6)
    assert turn_between(found[2], roll) < 1e-6


@given(azimuths, pitches, rolls)
def test_rotation_survives_the_angles_even_straight_up_and_down(azimuth: float, pitch: float, roll: float) -> None:
    rotation = rotation_from_angles(azimuth, pitch, roll)
    angles = angles_from_rotation(rotation)
    assert 0 <= angles[0] < 360
    assert -90 <= angles[1] <= 90
    assert -180 <= angles[2] <= 180
    assert rotation_error_deg(rotation_from_angles(*angles), rotation) < 1e-6


@pytest.mark.parametrize("pitch", [90.0, -90.0])
@pytest.mark.parametrize("azimuth", [0.0, 30.0, 180.0, 359.0])
def test_straight_up_and_down_have_no_roll_of_their_own(pitch: float, azimuth: float) -> None:
    found = angles_from_rotation(rotation_from_angles(azimuth, pitch, 0.0))
    assert turn_between(found[0], azimuth) < 1e-6
    assert found[1] == pytest.approx(pitch)
    assert found[2] == pytest.approx(0.0, abs=1e-6)
    turned = angles_from_rotation(rotation_from_angles(azimuth, pitch, 40.0))
    assert turned[2] == pytest.approx(0.0, abs=1e-6)


def test_across_north_angles_are_continuous() -> None:
    west, east = rotation_from_angles(359.0, 0.0, 0.0), rotation_from_angles(1.0, 0.0, 0.0)
    assert rotation_error_deg(west, east) == pytest.approx(2.0)
    assert angles_from_rotation(west)[0] == pytest.approx(359.0)
    assert angles_from_rotation(east)[0] == pytest.approx(1.0)
    # A hair west of north stays below 360.
    assert 0 <= angles_from_rotation(rotation_from_angles(-1e-15, 0.0, 0.0))[0] < 360


def test_angles_of_a_pose_name_what_lies_ahead() -> None:
    pose = pose_from_center(rotation_from_angles(120.0, -5.0, 3.0), [4.0, 5.0, 6.0])
    ahead = [
        np.sin(np.radians(120)) * np.cos(np.radians(5)),
        np.cos(np.radians(120)) * np.cos(np.radians(5)),
        -np.sin(np.radians(5)),
    ]
    seen = pose[:3, :3] @ (np.array([4.0, 5.0, 6.0]) + 7 * np.array(ahead)) + pose[:3, 3]
    np.testing.assert_allclose(seen, [0, 0, 7], atol=1e-9)
