"""metadata.json: order of keys, further keys, and messages a person can act on."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from geonav.data.metadata import ImageMetadata, camera_fields, parse_metadata, pose_fields
from geonav.errors import DatabaseError, InputError
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint, LocalFrame
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center

K = [[900.0, 0.0, 480.0], [0.0, 910.0, 320.0], [0.0, 0.0, 1.0]]
WHOLE = {"w": 960, "h": 640, "lat": 48.9, "lng": 8.4, "alt": 130, "azn": 10, "fov": 56, "K": K, "E": np.eye(4).tolist()}
FLIPPED = np.diag([1.0, 1.0, -1.0, 1.0]).tolist()
STRETCHED = np.diag([1.0, 1.0, 1.1, 1.0]).tolist()


def test_the_nine_keys_come_first_and_further_ones_stay() -> None:
    metadata = parse_metadata(WHOLE | {"licence": "CC0", "my_key": [1, 2], "roll": 2.5}, "x")
    assert list(metadata.to_json())[:9] == ["w", "h", "lat", "lng", "alt", "azn", "fov", "K", "E"]
    assert metadata.to_json()["my_key"] == [1, 2]
    assert parse_metadata(json.loads(json.dumps(metadata.to_json())), "x") == metadata


def test_optional_keys_are_null() -> None:
    metadata = parse_metadata({"w": 960, "h": 640.0, "K": None}, "x")
    assert metadata.to_json() == dict.fromkeys(["w", "h", "lat", "lng", "alt", "azn", "fov", "K", "E"]) | {
        "w": 960,
        "h": 640,
    }
    assert not metadata.has_pose
    assert metadata.pose is None
    with pytest.raises(InputError, match="no K"):
        _ = metadata.camera


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"w": None}, "w Input should be a valid integer"),
        ({"w": "960"}, "w Input should be a valid integer"),
        ({"h": 0}, "h Input should be greater"),
        ({"h": 640.5}, "h Input should be a valid integer"),
        ({"lat": 91}, "lat Input should be less"),
        ({"lng": -181}, "lng Input should be greater"),
        ({"lat": float("nan")}, "lat Input should be"),
        ({"alt": "high"}, "alt Input should be a valid number"),
        ({"fov": 0}, "fov"),
        ({"K": [[0, 0, 0]] * 3}, ": K is not an invertible"),
        ({"K": [[900, 0, 480], [0, 0, 320], [0, 0, 1]]}, ": K is not an invertible"),
        ({"K": [[-900, 0, 480], [0, 900, 320], [0, 0, 1]]}, ": K camera parameters .* positive focal length"),
        ({"K": [[900, 0], [0, 900]]}, ": K must be a finite 3x3 matrix"),
        ({"K": [[900, 0, 480], [0, 900], [0, 0, 1]]}, "K must be a 3x3 matrix"),
        ({"K": "no"}, "K Input should be a valid list"),
        ({"E": FLIPPED}, "E its upper left 3x3 part is not a rotation"),
        ({"E": STRETCHED}, "E its upper left 3x3 part is not a rotation"),
        ({"E": np.eye(3).tolist()}, "E must be 4x4"),
        ({"E": [[1, 0], [0]]}, "E must be 4x4"),
        ({"E": (np.eye(4) * 2).tolist()}, "E must be 4x4 with the last row"),
        ({"camera_model": "WIDE", "camera_params": [1]}, "camera model 'WIDE' is not supported"),
        ({"camera_model": "OPENCV"}, "camera model OPENCV takes 8 parameters, not 0"),
        ({"camera_model": "SIMPLE_RADIAL", "camera_params": [500.0, 480, 320, 0.1]}, "K and camera_params disagree"),
        ({"alt_datum": "sea"}, "alt_datum"),
        ({"position_std_m": -1}, "position_std_m"),
        ({"position_std_m": {"east": 1}}, "position_std_m"),
    ],
)
def test_each_fault_is_named_in_one_line(change: Any, expected: Any) -> None:
    with pytest.raises(DatabaseError, match=expected) as caught:
        parse_metadata(WHOLE | change, "somewhere/metadata.json")
    assert str(caught.value).startswith("somewhere/metadata.json is not valid: ")
    assert "\n" not in str(caught.value)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(DatabaseError) as caught:
        parse_metadata({"lat": 95, "E": [[1]]}, "x")
    assert all(part in str(caught.value) for part in ("w is missing", "h is missing", "K is missing", "lat ", "E must"))
    with pytest.raises(DatabaseError, match="not a JSON object"):
        parse_metadata([1], "x")


def test_a_distorted_camera_comes_back() -> None:
    camera = Camera("OPENCV", 960, 640, (900.0, 910.0, 480.0, 320.0, 0.1, -0.05, 0.001, 0.002))
    metadata = ImageMetadata(**camera_fields(camera))
    assert metadata.camera == camera
    assert metadata.K == K
    assert metadata.fov == pytest.approx(camera.fov_deg)
    plain = ImageMetadata(**camera_fields(Camera("PINHOLE", 960, 640, (900.0, 910.0, 480.0, 320.0))))
    assert plain.camera_model is None
    assert plain.camera.model == "PINHOLE"


def test_position_and_angles_follow_from_the_pose() -> None:
    frame = LocalFrame(GeoPoint(48.9, 8.4, 130))
    pose = pose_from_center(rotation_from_angles(123.0, -4.0, 2.0), [30.0, -40.0, 5.0])
    metadata = ImageMetadata(w=960, h=640, K=K, **pose_fields(pose, frame))
    lat, lng, alt = frame.geo_from_enu([30.0, -40.0, 5.0])
    assert (metadata.lat, metadata.lng, metadata.alt) == pytest.approx((float(lat), float(lng), float(alt)), abs=1e-9)
    assert (metadata.azn, metadata.pitch, metadata.roll) == pytest.approx((123.0, -4.0, 2.0))
    assert metadata.pose == pytest.approx(pose)
