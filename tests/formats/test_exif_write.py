"""EXIF write-back: what readers find is what was located, and nothing else in the file changes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import piexif
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.data.images import read_exif
from geonav.errors import ImageError, InputError
from geonav.formats.exif_write import jpeg_with_result, write_exif
from tests.formats.results import located, refused

WHERE = Path("photo.jpg")
XMP = b"\xff\xe1" + (2 + 29 + 20).to_bytes(2, "big") + b"http://ns.adobe.com/xap/1.0/\x00" + b"<x:xmpmeta>kept</x/>"
MAKER_NOTE = b"Maker\x00\x01\x02notes with offsets of their own"


def _jpeg(exif: bytes = b"", size: tuple[int, int] = (48, 32)) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3)).astype(np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def _camera_exif(**gps: object) -> bytes:
    exif = {
        "0th": {piexif.ImageIFD.Make: b"Maker", piexif.ImageIFD.Orientation: 6},
        "Exif": {piexif.ExifIFD.FocalLengthIn35mmFilm: 28, piexif.ExifIFD.MakerNote: MAKER_NOTE},
        "GPS": gps,
        "1st": {piexif.ImageIFD.Compression: 6},
        "thumbnail": _jpeg(size=(16, 16)),
    }
    return bytes(piexif.dump(exif))


def _pixels(jpeg: bytes) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(jpeg)))


BARE = _jpeg()


def _scan(jpeg: bytes) -> bytes:
    return jpeg[jpeg.index(b"\xff\xdb") :]


@settings(max_examples=40)
@given(
    st.floats(-90, 90), st.floats(-180, 180), st.floats(-430, 9000),
    st.sampled_from(["wgs84", "egm96", "egm2008"]), st.floats(0, 359.9999),
)  # fmt: skip
def test_pillow_reads_what_was_located(lat: float, lng: float, alt: float, datum: str, azimuth: float) -> None:
    result = located(place=(lat, lng, alt), alt_datum=datum, angles=(azimuth, 0.0, 0.0))
    jpeg = jpeg_with_result(BARE, result, WHERE)
    gps = PIL.Image.open(io.BytesIO(jpeg)).getexif().get_ifd(0x8825)
    signs = {"N": 1, "S": -1, "E": 1, "W": -1}
    for tag, wanted in ((1, lat), (3, lng)):
        degrees, minutes, seconds = (float(part) for part in gps[tag + 1])
        assert signs[gps[tag]] * (degrees + minutes / 60 + seconds / 3600) == pytest.approx(wanted, abs=3e-10)
        assert minutes < 60
        assert seconds < 60
    ref = gps[5][0]
    assert ref == (2 if datum == "wgs84" else 0) + (alt < 0)
    assert (-1 if ref in {1, 3} else 1) * float(gps[6]) == pytest.approx(alt, abs=1e-4)
    assert gps[16] == "T"
    turn = abs(float(gps[17]) - azimuth)
    assert min(turn, 360 - turn) < 1e-4
    assert float(gps[17]) < 360
    assert float(gps[31]) == pytest.approx(4.0, abs=2e-4)
    assert float(gps[31]) >= 4.0
    assert gps[18].rstrip("\0") == "WGS-84"
    assert gps[27] == f"ASCII\0\0\0geonav 0.1.0: visual localization, 120 inliers, error 95 %, height {datum}".encode()


@pytest.mark.parametrize("exif", [b"", _camera_exif()], ids=["bare", "camera"])
def test_pixels_and_everything_after_exif_are_the_same_bytes(exif: bytes) -> None:
    before = _jpeg(exif)
    after = jpeg_with_result(before, located(), WHERE)
    assert _scan(after).endswith(_scan(_jpeg()))
    np.testing.assert_array_equal(_pixels(after), _pixels(before))


def test_other_exif_and_xmp_are_kept() -> None:
    before = _jpeg(_camera_exif())
    at = before.index(b"Exif") - 2
    at += int.from_bytes(before[at : at + 2], "big")  # behind the EXIF
    before = before[:at] + XMP + before[at:]
    after = jpeg_with_result(before, located(), WHERE)
    assert XMP in after
    old, new = piexif.load(before), piexif.load(after)
    old["0th"].pop(piexif.ImageIFD.GPSTag, None)
    new["0th"].pop(piexif.ImageIFD.GPSTag)
    assert {key: old[key] for key in ("0th", "Exif", "1st", "thumbnail")} == {
        key: new[key] for key in ("0th", "Exif", "1st", "thumbnail")
    }
    assert new["Exif"][piexif.ExifIFD.MakerNote] == MAKER_NOTE
    assert before.index(MAKER_NOTE) == after.index(MAKER_NOTE)  # absolute offsets in it still hold
    assert PIL.Image.open(io.BytesIO(after)).getexif()[274] == 6


@pytest.mark.parametrize("endian", ["<", ">"])
def test_the_old_fix_goes_and_its_time_stays(endian: str) -> None:
    exif = PIL.Image.Exif()
    exif.endian = endian
    exif[271] = "Maker"
    exif.get_ifd(0x8825).update(
        {1: "S", 2: (1.0, 2.0, 3.0), 3: "W", 4: (4.0, 5.0, 6.0), 5: b"\0", 6: 12.0, 11: 3.0, 29: "2024:05:06"}
    )
    after = jpeg_with_result(_jpeg(exif.tobytes()), located(alt_datum="local"), WHERE)
    gps = PIL.Image.open(io.BytesIO(after)).getexif().get_ifd(0x8825)
    assert (gps[1], gps[3]) == ("N", "E")
    assert gps[29].rstrip("\0") == "2024:05:06"
    assert not {5, 6, 11} & set(gps)  # a local height means nothing elsewhere
    assert PIL.Image.open(io.BytesIO(after)).getexif()[271] == "Maker"


def test_writing_twice_is_writing_once() -> None:
    once = jpeg_with_result(_jpeg(), located(place=(1.0, 2.0, 3.0)), WHERE)
    twice = jpeg_with_result(once, located(), WHERE)
    fresh = jpeg_with_result(_jpeg(), located(), WHERE)
    assert piexif.load(twice)["GPS"] == piexif.load(fresh)["GPS"]


def test_a_copy_is_written_and_the_photo_kept(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(_jpeg(_camera_exif()))
    before = photo.read_bytes()
    written = write_exif(photo, located())
    assert photo.read_bytes() == before
    assert written == tmp_path / "located" / "photo.jpg"
    exif = read_exif(written)
    assert exif.lat_deg == pytest.approx(48.94081234567, abs=3e-10)
    assert (exif.alt_datum, exif.heading_ref, exif.orientation) == ("wgs84", "T", 6)
    assert write_exif(photo, located(), in_place=True) == photo
    assert photo.read_bytes() == written.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["located", "photo.jpg"]


def _with_exif(tiff: bytes) -> bytes:
    payload = b"Exif\0\0" + tiff
    return b"\xff\xd8\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload + _jpeg()[2:]


@pytest.mark.parametrize(
    ("jpeg", "reason"),
    [
        (b"\x89PNG\r\n", "not a JPEG"),
        (_with_exif(b"nonsense"), "EXIF is broken"),
        (_with_exif(b"II*\0\xff\0\0\0"), "EXIF is broken"),
        (_with_exif(b"II*\0\x08\0\0\0\xff\xff"), "EXIF is broken"),
        (_with_exif(b"II*\0\x08\0\0\0\0\0\0\0\0\0" + bytes(65400)), "no room"),
    ],
)
def test_what_cannot_be_written_is_said_in_one_line(jpeg: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=rf"photo\.jpg.*{reason}") as error:
        jpeg_with_result(jpeg, located(), WHERE)
    assert "\n" not in str(error.value)


def test_only_what_was_located_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="was not located"):
        jpeg_with_result(_jpeg(), refused(), WHERE)
    with pytest.raises(ImageError, match=r"absent\.jpg"):
        write_exif(tmp_path / "absent.jpg", located())
