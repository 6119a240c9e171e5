"""Where a photo was located, written into its EXIF; its pixels and everything else in the file stay as they are.

Written are position (WGS84), height, direction from true north, the semi-major axis of the 95 % ellipse as positioning
error, and a note. EXIF's height is above sea level with GPSAltitudeRef 0 (1: below), above the ellipsoid with 2 (3:
below; since EXIF 3.0). A ``wgs84`` height is written with 2 or 3, ``egm96`` and ``egm2008`` ones with 0 or 1, none is
converted; heights of a ``local`` datum mean nothing outside the database and are left out.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

from geonav.data.files import atomic_write_bytes, storage_errors
from geonav.data.images import read_image_bytes
from geonav.data.results import LocalizationResult
from geonav.errors import InputError
from geonav.formats.tiff_gps import ASCII, BYTE, UNDEFINED, Field, with_gps

FOLDER = "located"
_EXIF = b"Exif\x00\x00"
_MOST_SEGMENT_BYTES = 65533
_APP0, _APP1, _SOS = 0xE0, 0xE1, 0xDA
_PARTS = 1_000_000  # a millionth of an arc second is 0.03 mm
_SEA_LEVEL, _ELLIPSOID = {"egm96", "egm2008"}, {"wgs84"}
_LAT, _LNG, _ALT, _HEADING, _DATUM, _METHOD, _ERROR = 2, 4, 6, 17, 18, 27, 31
# Of the receiver's own fix, which is no longer what the position stands on: satellites, status, mode, dilution of
# precision, area, differential correction; and a height that the new position does not have.
_STALE = {5, 6, 8, 9, 10, 11, 28, 30}


def can_take_exif(path: Path) -> bool:
    """Whether a file begins as a JPEG does."""
    try:
        with path.open("rb") as stream:
            return stream.read(3) == b"\xff\xd8\xff"
    except OSError:
        return False


def write_exif(photo: Path | str, result: LocalizationResult, *, in_place: bool = False) -> Path:
    """Write where ``photo`` was located and give the file that says so.

    Args:
        photo: a JPEG.
        result: located.
        in_place: change the photo itself; else a copy in the folder ``located`` beside it, replaced if it is there.

    Raises:
        ImageError: the photo cannot be read.
        InputError: it is no JPEG, its EXIF is broken or full, or the result is not located.
        StorageError: the file cannot be written.
    """
    source = Path(photo).resolve()
    target = source if in_place else source.parent / FOLDER / source.name
    content = jpeg_with_result(read_image_bytes(source), result, source)
    with storage_errors(target):
        target.parent.mkdir(exist_ok=True)
    mode = source.stat().st_mode
    atomic_write_bytes(target, content)
    with storage_errors(target):
        target.chmod(mode & 0o777)
        if not in_place:
            shutil.copystat(source, target)
    return target


def jpeg_with_result(jpeg: bytes, result: LocalizationResult, where: Path) -> bytes:
    """The bytes of a JPEG with the result in its EXIF; ``where`` is named in messages.

    Raises:
        InputError: it is no JPEG, its EXIF is broken or full, or the result is not located.
    """
    if result.lat is None or result.lng is None:
        msg = f"{where} was not located: there is nothing to write into its EXIF"
        raise InputError(msg)
    before, old, after = _split(jpeg, where)
    try:
        tiff = with_gps(old, _fields(result), _STALE)
    except InputError as error:
        msg = f"{where}: {error}"
        raise InputError(msg) from error
    payload = _EXIF + tiff
    if len(payload) > _MOST_SEGMENT_BYTES:
        msg = f"{where} has no room for more EXIF ({len(tiff)} bytes): remove its thumbnail"
        raise InputError(msg)
    segment = struct.pack(">BBH", 0xFF, _APP1, len(payload) + 2) + payload
    return before + segment + after


def _fields(result: LocalizationResult) -> dict[int, Field | tuple[tuple[int, int], ...]]:
    lat, lng = result.lat or 0.0, result.lng or 0.0
    fields: dict[int, Field | tuple[tuple[int, int], ...]] = {
        0: Field(BYTE, bytes((2, 4, 0, 0))),
        _LAT - 1: _letter("N" if lat >= 0 else "S"),
        _LAT: _sexagesimal(lat),
        _LNG - 1: _letter("E" if lng >= 0 else "W"),
        _LNG: _sexagesimal(lng),
        _DATUM: Field(ASCII, b"WGS-84\x00"),
        _METHOD: Field(UNDEFINED, b"ASCII\x00\x00\x00" + _note(result).encode("ascii", "replace")),
    }
    if result.alt is not None and result.alt_datum in _SEA_LEVEL | _ELLIPSOID:
        below = result.alt < 0
        fields[_ALT - 1] = Field(BYTE, bytes((2 * (result.alt_datum in _ELLIPSOID) + below,)))
        fields[_ALT] = ((round(abs(result.alt) * 10_000), 10_000),)
    if result.azimuth is not None:
        fields[_HEADING - 1] = _letter("T")
        fields[_HEADING] = ((round(result.azimuth % 360.0 * 10_000) % 3_600_000, 10_000),)
    if result.ellipse_95 is not None:
        # Rounded up: an error must not be told smaller than it is.
        fields[_ERROR] = ((min(int(result.ellipse_95.semi_major_m * 10_000) + 1, 2**32 - 1), 10_000),)
    return fields


def _note(result: LocalizationResult) -> str:
    height = f"height {result.alt_datum}" if result.alt is not None else "no height"
    by = f"geonav {result.geonav_version}".strip()
    return f"{by}: visual localization, {result.num_inliers} inliers, error 95 %, {height}"


def _letter(letter: str) -> Field:
    return Field(ASCII, letter.encode() + b"\x00")


def _sexagesimal(degrees: float) -> tuple[tuple[int, int], ...]:
    whole, parts = divmod(round(abs(degrees) * 3600 * _PARTS), 3600 * _PARTS)
    minutes, seconds = divmod(parts, 60 * _PARTS)
    return (whole, 1), (minutes, 1), (seconds, _PARTS)


def _split(jpeg: bytes, where: Path) -> tuple[bytes, bytes | None, bytes]:
    """What stands before the EXIF, its TIFF block or None, and what stands after it."""
    if jpeg[:2] != b"\xff\xd8":
        msg = f"{where} is not a JPEG, the only format whose EXIF can be written: convert it first"
        raise InputError(msg)
    at = insert_at = 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker = jpeg[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == _SOS:
            break
        (length,) = struct.unpack_from(">H", jpeg, at + 2)
        end = at + 2 + length
        if marker == _APP1 and jpeg[at + 4 : at + 10] == _EXIF:
            return jpeg[:at], jpeg[at + 10 : end], jpeg[end:]
        if marker == _APP0 and at == insert_at:
            insert_at = end  # JFIF's segment wants to be the first
        at = end
    return jpeg[:insert_at], None, jpeg[insert_at:]
