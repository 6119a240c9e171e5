"""Kaptures become entries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geonav.data.database import Database
from geonav.errors import InputError
from geonav.formats.kapture import read_kapture
from geonav.formats.quaternions import pose_numbers
from geonav.geometry.geodesy import GeoPoint
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center, pose_matrix
from geonav.pipeline.importing_lists import KaptureImport, import_kapture
from tests.data.photos import exif, write_jpeg

ORIGIN = GeoPoint(48.9407, 8.4090, 130.0)
CAMERA_POSE = pose_from_center(rotation_from_angles(30.0, 2.0, 1.0), [1.0, 2.0, 3.0])
RIG_POSE = pose_from_center(rotation_from_angles(200.0, 0.0, 0.0), [-4.0, 5.0, 2.0])
CAMERA_FROM_RIG = pose_matrix(rotation_from_angles(3.0, 4.0, 5.0), [0.1, 0.2, 0.3])


def _line(*values: object) -> str:
    return ", ".join(str(value) for value in values) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two cameras, one of them on a rig, one of unknown calibration, and a GNSS receiver."""
    sensors = tmp_path / "kapture" / "sensors"
    for name in ("cam/0.jpg", "cam/1.jpg", "rigged/1.jpg", "unknown/2.jpg"):
        write_jpeg(sensors / "records_data" / name, seed=hash(name) % 100)
    write_jpeg(sensors / "records_data" / "cam/1.jpg", seed=7, tags=exif({274: 6}))
    head = "# kapture format: 1.1\n# comment\n"
    (sensors / "sensors.txt").write_text(
        head
        + "c0, , camera, PINHOLE, 96, 64, 90, 91, 47, 33\nc1, name, camera, SIMPLE_RADIAL, 96, 64, 90, 48, 32, 0.01\n"
        + "c2, , camera, UNKNOWN_CAMERA, 96, 64\ngps, , gnss, EPSG:4326\nodd, , gnss, EPSG:3857\nwifi, , wifi\n"
    )
    (sensors / "rigs.txt").write_text(
        head + _line("inner", "c1", *pose_numbers(CAMERA_FROM_RIG)) + _line("outer", "inner", 1, 0, 0, 0, 0, 0, 0)
    )
    (sensors / "trajectories.txt").write_text(
        head
        + _line(0, "c0", *pose_numbers(CAMERA_POSE))
        + _line(1, "c0", *pose_numbers(CAMERA_POSE))
        + _line(1, "outer", *pose_numbers(RIG_POSE))
        + "2, c2, , , , , 1, 2, 3\n"
    )
    (sensors / "records_camera.txt").write_text(
        head + "0, c0, cam/0.jpg\n1, c0, cam/1.jpg\n1, c1, rigged/1.jpg\n2, c2, unknown/2.jpg\n"
    )
    (sensors / "records_gnss.txt").write_text(head + "2, gps, 8.41, 48.95, 140.5, 0, 0\n0, odd, 1e6, 6e6, 1, 0, 0\n")
    return tmp_path / "kapture"


def test_images_have_camera_pose_and_place(folder: Path) -> None:
    images = {image.name: image for image in read_kapture(folder)}
    np.testing.assert_allclose(images["cam/0.jpg"].pose, CAMERA_POSE, atol=1e-12)
    np.testing.assert_allclose(images["rigged/1.jpg"].pose, CAMERA_FROM_RIG @ RIG_POSE, atol=1e-12)
    assert images["unknown/2.jpg"].pose is None
    assert images["unknown/2.jpg"].camera is None
    assert images["unknown/2.jpg"].place == GeoPoint(48.95, 8.41, 140.5)
    assert images["cam/0.jpg"].place is None
    assert images["rigged/1.jpg"].camera is not None
    assert images["rigged/1.jpg"].camera.model == "SIMPLE_RADIAL"


def test_poses_are_imported_where_the_world_has_a_place(folder: Path, tmp_path: Path) -> None:
    report = import_kapture(tmp_path / "db", folder, KaptureImport(origin=ORIGIN))
    assert not report.failed
    database = Database.open(tmp_path / "db")
    by_name = {database.metadata(uid).source_name: database.metadata(uid) for uid in database.uids()}
    np.testing.assert_allclose(by_name["cam/0.jpg"].pose, CAMERA_POSE, atol=1e-9)
    np.testing.assert_allclose(by_name["rigged/1.jpg"].pose, CAMERA_FROM_RIG @ RIG_POSE, atol=1e-9)
    sideways = by_name["cam/1.jpg"]
    assert (sideways.w, sideways.h) == (64, 96)
    assert sideways.azn == pytest.approx(30.0)
    assert sideways.roll == pytest.approx(1.0 - 90.0)
    unknown = by_name["unknown/2.jpg"]
    assert (unknown.lat, unknown.lng, unknown.alt, unknown.E, unknown.K) == (48.95, 8.41, 140.5, None, None)
    assert unknown.provider == "kapture"


def test_without_an_origin_only_gnss_says_where(folder: Path, tmp_path: Path) -> None:
    report = import_kapture(tmp_path / "db", folder, KaptureImport())
    assert len(report.added) == 1
    assert len(report.failed) == 3
    assert all("--origin" in reason for _, reason in report.failed)
    (folder / "sensors" / "records_gnss.txt").unlink()
    with pytest.raises(InputError, match="has no GNSS positions: say where its world lies with --origin"):
        import_kapture(tmp_path / "other", folder, KaptureImport())


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("sensors.txt", "c9, , camera, PINHOLE, 96, 64, 90", "camera 'c9'"),
        ("sensors.txt", "c9", "1 values instead of 3"),
        ("trajectories.txt", "9, c0, 1, 1, 0, 0, 0, 0, 0", "not of length 1"),
        ("trajectories.txt", "9, c0, 1, 0, 0, 0, 0, 0", "8 values instead of 9"),
        ("rigs.txt", "r, c0, , , , , 0, 0, 0", "no whole pose"),
        ("records_camera.txt", "9, wifi, cam/9.jpg", "'wifi' is no camera"),
        ("records_camera.txt", "9, c0, cam/0.jpg", "is there twice"),
        ("records_gnss.txt", "9, gps, x, 1, 2, 0, 0", "not timestamp, device"),
        ("records_gnss.txt", "9, gps, 48.9, 108.4, 2, 0, 0", "swapped"),
    ],
)
def test_a_broken_line_is_named(folder: Path, name: str, line: str, reason: str) -> None:
    path = folder / "sensors" / name
    path.write_text(path.read_text() + line + "\n")
    number = path.read_text().count("\n")
    with pytest.raises(InputError, match=f"{name}, line {number}: .*{reason}") as error:
        read_kapture(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("first", ["# kapture format: 2.0", "sensors"])
def test_other_versions_are_refused(folder: Path, first: str) -> None:
    (folder / "sensors" / "sensors.txt").write_text(first + "\n")
    with pytest.raises(InputError, match=r"sensors\.txt, line 1: kapture format"):
        read_kapture(folder)


def test_missing_files_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no kapture at"):
        read_kapture(tmp_path)
    (folder / "sensors" / "records_camera.txt").unlink()
    with pytest.raises(InputError, match=r"records_camera\.txt cannot be read"):
        read_kapture(folder)
