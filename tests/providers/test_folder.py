"""Geotagged photos: position, heading, camera and how far to trust them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geonav.data.images import prepare_image
from geonav.data.metadata import ImageMetadata
from geonav.errors import InputError
from geonav.geometry.geodesy import GeoPoint, LocalFrame, distance_m
from geonav.geometry.pose import camera_center
from geonav.providers.folder import candidates, find_photos, survey
from geonav.providers.source import Described
from tests.data.photos import exif, gps, rational, write_jpeg

FRAME = LocalFrame(GeoPoint(48.9, 8.4, 100.0))


def describe(
    tmp_path: Path,
    camera: Any = None,
    place: Any = None,
    *,
    main: Any = None,
    alt_datum: Any = "egm96",
    stds: Any = (None, None),
) -> Described:
    write_jpeg(tmp_path / "a.jpg", tags=exif(main, camera, place))
    found = candidates(find_photos(tmp_path), FRAME, alt_datum, position_std_m=stds[0], heading_std_deg=stds[1])
    return found[0].describe(prepare_image(found[0].path))


def metadata(*args: Any, **kwargs: Any) -> ImageMetadata:
    return describe(*args, **kwargs).metadata


def test_position_height_heading_and_camera_give_a_pose(tmp_path: Path) -> None:
    found = metadata(tmp_path, {41989: 28}, gps(48.9001, 8.4002, 103.5, 75.0))
    assert (found.lat, found.lng, found.alt, found.azn) == pytest.approx((48.9001, 8.4002, 103.5, 75.0), abs=1e-8)
    assert found.pose is not None
    assert camera_center(found.pose) == pytest.approx(FRAME.enu_from_geo(48.9001, 8.4002, 103.5), abs=1e-3)
    assert found.pose[2, :3] == pytest.approx([np.sin(np.radians(75)), np.cos(np.radians(75)), 0])
    assert found.camera.focal_px == pytest.approx(28 / 43.2666 * np.hypot(96, 64), rel=1e-5)
    assert (found.alt_datum, found.position_std_m, found.heading_std_deg) == ("egm96", 5.0, 10.0)
    assert found.to_json()["pitch_roll_std_deg"] == 10.0
    assert (found.pitch, found.roll) == (None, None)


def test_an_upright_picture_has_an_upright_camera(tmp_path: Path) -> None:
    found = metadata(tmp_path, {41989: 28}, gps(48.9, 8.4), main={274: 6})
    assert (found.w, found.h) == (64, 96)
    assert found.camera.principal_point_px == (32, 48)


@pytest.mark.parametrize(
    ("place", "note"),
    [
        (gps(48.9, 8.4, 100), None),
        (gps(48.9, 8.4, heading=10), "no height"),
        (gps(48.9, 8.4, 100, 10, heading_ref="M"), "not from true north"),
        (gps(48.9, 8.4, 100, 10, alt_ref=2), "its height is wgs84, the database's are egm96"),
    ],
)
def test_no_pose_unless_everything_is_known(tmp_path: Path, place: Any, note: Any) -> None:
    described = describe(tmp_path, {41989: 28}, place)
    assert described.metadata.E is None
    assert described.metadata.lat == pytest.approx(48.9)
    assert described.notes == () if note is None else any(note in line for line in described.notes)


def test_a_magnetic_heading_is_kept_and_trusted_less(tmp_path: Path) -> None:
    found = metadata(tmp_path, {41989: 28}, gps(48.9, 8.4, 100, 10, heading_ref="M"))
    assert (found.azn, found.heading_std_deg, found.to_json()["heading_ref"]) == (10, 20.0, "magnetic")


def test_trust_is_the_callers_then_exifs_then_the_default(tmp_path: Path) -> None:
    place = gps(48.9, 8.4, 100, 10, error=3.5)
    assert metadata(tmp_path, {}, place).position_std_m == 3.5
    given = metadata(tmp_path, {}, place, stds=(1.5, 2.5))
    assert (given.position_std_m, given.heading_std_deg) == (1.5, 2.5)


def test_no_focal_length_is_no_camera(tmp_path: Path) -> None:
    described = describe(tmp_path, {37386: rational(4.0)}, gps(48.9, 8.4))
    assert described.metadata.K is None
    assert "no focal length in its EXIF, so K is null" in described.notes


def test_a_photo_without_a_position_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no GPS position in its EXIF$"):
        describe(tmp_path, {41989: 28})
    with pytest.raises(InputError, match=r"no GPS position in its EXIF .*GPS latitude.*makes no sense"):
        describe(tmp_path, {41989: 28}, gps(91, 8.4))


def test_photos_are_found_below_and_by_suffix(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "a.jpeg", "c.png", ".hidden.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [name for name, _ in find_photos(tmp_path)] == ["a.jpeg", "b/2.JPG", "c.png"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no picture"):
        find_photos(tmp_path / "empty")
    with pytest.raises(InputError, match="there is no folder"):
        find_photos(tmp_path / "missing")


def test_the_survey_stands_a_wild_position_and_the_antimeridian(tmp_path: Path) -> None:
    for number, (lat, lng) in enumerate(
        [(10.0, 179.9999), (10.0, -179.9999), (10.0001, 179.9999), (50.0, 20.0), (10, -179.9999)]
    ):
        write_jpeg(tmp_path / f"{number}.jpg", tags=exif(gps=gps(lat, lng, 40 + number)))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    origin, datum = survey(find_photos(tmp_path))
    assert distance_m(origin, GeoPoint(10.0, 180.0)) < 30
    assert origin.alt_m == 42
    assert datum == "egm96"


def test_a_survey_of_photos_without_any_position(tmp_path: Path) -> None:
    write_jpeg(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="none of 1 photos has a GPS position"):
        survey(find_photos(tmp_path))
