"""EXIF is read with suspicion: absurd values are dropped and named, and nothing fails."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from geonav.data.exif import ExifInfo, camera_from_exif
from geonav.data.exif_reader import exif_from_image
from geonav.data.images import read_exif
from tests.data.photos import exif, gps, jpeg, rational


def read(main: Any = None, camera: Any = None, place: Any = None) -> ExifInfo:
    with Image.open(io.BytesIO(jpeg(tags=exif(main, camera, place)))) as image:
        return exif_from_image(image)


def test_all_fields() -> None:
    info = read(
        {271: "Maker\x00", 272: " Model ", 274: 6},
        {41989: 28, 37386: rational(4.25), 36867: "2024:05:06 07:08:09", 36881: "+02:00"},
        gps(-33.5, -70.25, 520.5, 271.5, error=4.5),
    )
    assert (info.make, info.model, info.orientation) == ("Maker", "Model", 6)
    assert (info.focal_35mm_mm, info.focal_mm) == (28, 4.25)
    assert info.captured_at == "2024-05-06T07:08:09+02:00"
    assert (info.lat_deg, info.lng_deg) == pytest.approx((-33.5, -70.25), abs=1e-9)
    assert (info.alt_m, info.alt_datum) == (520.5, "egm96")
    assert (info.heading_deg, info.heading_ref, info.gps_error_m) == (271.5, "T", 4.5)
    assert info.warnings == ()


def test_no_exif_is_no_warning() -> None:
    assert read() == ExifInfo()


@pytest.mark.parametrize(
    ("ref", "alt_m", "datum"), [(0, 12, "egm96"), (1, -12, "egm96"), (2, 12, "wgs84"), (3, -12, "wgs84")]
)
def test_height_and_its_datum(ref: Any, alt_m: Any, datum: Any) -> None:
    info = read(place=gps(1, 2, 12, alt_ref=ref))
    assert (info.alt_m, info.alt_datum) == (alt_m, datum)


def test_magnetic_heading_and_full_circle() -> None:
    info = read(place=gps(1, 2, heading=360, heading_ref="M"))
    assert (info.heading_deg, info.heading_ref) == (0.0, "M")


NOTHING = IFDRational(0, 0)


@pytest.mark.parametrize(
    ("main", "camera", "place", "field", "named"),
    [
        ({}, {37386: IFDRational(0, 1)}, {}, "focal_mm", "focal length"),
        ({}, {37386: NOTHING}, {}, "focal_mm", "focal length"),
        ({}, {37386: IFDRational(5, 0)}, {}, "focal_mm", "focal length"),
        ({}, {41989: 0}, {}, "focal_35mm_mm", "35 mm focal length"),
        ({}, {41989: 65535}, {}, "focal_35mm_mm", "35 mm focal length"),
        ({}, {36867: "0000:00:00 00:00:00"}, {}, "captured_at", "date"),
        ({}, {}, gps(91, 8), "lat_deg", "GPS latitude"),
        ({}, {}, gps(48, 181), "lat_deg", "GPS longitude"),
        ({}, {}, gps(0, 0), "lat_deg", "GPS position"),
        ({}, {}, gps(48, 8) | {2: (NOTHING, NOTHING, NOTHING)}, "lat_deg", "GPS latitude"),
        ({}, {}, gps(48, 8) | {2: (rational(48), rational(75), rational(0))}, "lat_deg", "GPS latitude"),
        ({}, {}, gps(48, 8) | {1: "X"}, "lng_deg", "GPS latitude"),
        ({}, {}, gps(48, 8, 1e6), "alt_m", "GPS altitude"),
        ({}, {}, gps(48, 8, 100) | {6: NOTHING}, "alt_m", "GPS altitude"),
        ({}, {}, gps(48, 8, heading=361), "heading_deg", "GPS heading"),
        ({}, {}, gps(48, 8, heading=1) | {17: NOTHING}, "heading_deg", "GPS heading"),
        ({}, {}, gps(48, 8, error=0), "gps_error_m", "GPS error"),
    ],
)
def test_absurd_values_are_dropped_and_named(main: Any, camera: Any, place: Any, field: Any, named: Any) -> None:
    info = read(main, camera, place)
    assert getattr(info, field) is None
    assert any(named in warning for warning in info.warnings)
    assert all("\n" not in warning for warning in info.warnings)


def test_absurd_orientation_counts_as_upright() -> None:
    info = read({274: 9})
    assert info.orientation == 1
    assert "orientation" in info.warnings[0]


def test_corrupted_exif_never_raises(tmp_path: Path) -> None:
    whole = jpeg(tags=exif({271: "Maker" * 20}, {41989: 28}, gps(48, 8, 100, 90)))
    start = whole.index(b"Exif")
    path = tmp_path / "a.jpg"
    for offset in range(start, start + 240, 3):
        broken = bytearray(whole)
        broken[offset : offset + 3] = b"\xff\xf0\x7f"
        path.write_bytes(broken)
        assert isinstance(read_exif(path), ExifInfo)


def test_35_mm_focal_length_is_along_the_diagonal_and_outranks_the_sensor() -> None:
    found = camera_from_exif(ExifInfo(focal_35mm_mm=32, focal_mm=4.28, make="Apple", model="iPhone 4S"), 1536, 1024)
    assert found is not None
    assert found.source == "exif_35mm"
    assert found.camera.params == pytest.approx((32 * 1536 / 36, 32 * 1536 / 36, 768, 512))
    assert found.focal_std_rel == pytest.approx(0.01)  # rounding is 0.9 %, the floor 1 %


def test_pictures_that_are_not_3_to_2_are_less_certain() -> None:
    found = camera_from_exif(ExifInfo(focal_35mm_mm=28), 1200, 1600)
    assert found is not None
    assert found.camera.focal_px == pytest.approx(28 * 2000 / 43.2666, rel=1e-5)
    assert 0.015 < found.focal_std_rel < 0.03


def test_colmap_reads_the_35_mm_focal_length_alike(tmp_path: Path) -> None:
    import pycolmap

    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg((96, 72), tags=exif(camera={41989: 35})))
    found = camera_from_exif(ExifInfo(focal_35mm_mm=35), 96, 72)
    assert found is not None
    assert found.camera.focal_px == pytest.approx(pycolmap.infer_camera_from_image(path).mean_focal_length(), rel=2e-4)


def test_sensor_database() -> None:
    info = ExifInfo(focal_mm=4.3, make="Apple", model="iPhone 4S")
    found = camera_from_exif(info, 1024, 768)
    assert found is not None
    assert found.source == "exif_sensor_db"
    assert found.camera.focal_px == pytest.approx(4.3 / 4.54 * 1024, rel=1e-3)  # its sensor is 4.54 mm wide
    upright = camera_from_exif(info, 768, 1024)
    assert upright is not None
    assert upright.camera.focal_px == pytest.approx(found.camera.focal_px)


@pytest.mark.parametrize(
    "info",
    [
        ExifInfo(),
        ExifInfo(focal_mm=4.3),
        ExifInfo(focal_mm=4.3, make="Nobody", model="Made This"),
        ExifInfo(focal_mm=4.3, make="Nöbödy ☃", model="☃"),
        ExifInfo(make="Apple", model="iPhone 4S"),
    ],
)
def test_no_camera_is_guessed(info: Any) -> None:
    assert camera_from_exif(info, 96, 64) is None
