"""EXIF tags, read with suspicion.

Tags: CIPA DC-008 (EXIF 3.0). A value that cannot be true (focal length 0, latitude 91, a rational
with denominator 0) is dropped and named in :attr:`ExifInfo.warnings`; reading never fails.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from PIL.Image import Image

from geonav.data.exif import ExifInfo

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_MAKE, _MODEL, _ORIENTATION, _DATE_TIME = 271, 272, 274, 306
_DATE_TIME_ORIGINAL, _OFFSET_ORIGINAL = 36867, 36881
_FOCAL, _FOCAL_35MM = 37386, 41989
_GPS_LAT_REF, _GPS_LAT, _GPS_LNG_REF, _GPS_LNG, _GPS_ALT_REF, _GPS_ALT = 1, 2, 3, 4, 5, 6
_GPS_HEADING_REF, _GPS_HEADING, _GPS_ERROR = 16, 17, 31
_ALT_REFS_BELOW = {1, 3}


class _Tags:
    """The tags of one directory; what makes no sense is dropped and named."""

    def __init__(self, tags: Mapping[int, Any], dropped: list[str]) -> None:
        self._tags = tags
        self.dropped = dropped

    def drop(self, name: str, value: object) -> None:
        text = str(value)
        self.dropped.append(f"EXIF {name} {text[:40]!r} makes no sense and is ignored")

    def number(self, tag: int, name: str, accept: Callable[[float], bool]) -> float | None:
        raw = self._tags.get(tag)
        if raw is None:
            return None
        value = _as_float(raw)
        if value is None or not accept(value):
            self.drop(name, raw)
            return None
        return value

    def text(self, tag: int) -> str | None:
        raw = self._tags.get(tag)
        if isinstance(raw, bytes):
            raw = raw.decode("utf-8", errors="replace")
        if not isinstance(raw, str):
            return None
        return raw.replace("\x00", "").strip() or None

    def angle(self, tag: int, ref_tag: int, name: str, signs: Mapping[str, int]) -> float | None:
        """Degrees from degrees, minutes and seconds, with the sign of the reference letter."""
        raw = self._tags.get(tag)
        if raw is None:
            return None
        parts = [_as_float(part) for part in raw] if isinstance(raw, tuple | list) else [_as_float(raw)]
        sign = signs.get((self.text(ref_tag) or "").upper())
        degrees = _degrees_from_parts(parts)
        limit = 90.0 if "N" in signs else 180.0
        if degrees is None or sign is None or degrees > limit:
            self.drop(name, f"{raw} {self.text(ref_tag) or 'without a reference'}")
            return None
        return sign * degrees


def _as_float(raw: object) -> float | None:
    """A finite number, or None; a rational with denominator 0 is none."""
    try:
        single: Any = raw[0] if isinstance(raw, tuple | list) and len(raw) == 1 else raw
        value = float(single)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def _degrees_from_parts(parts: list[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    if len(known) != len(parts) or not 1 <= len(known) <= 3:
        return None
    if any(part < 0 for part in known) or any(part > 60 for part in known[1:]):
        return None
    return sum(part / 60.0**power for power, part in enumerate(known))


def _captured_at(tags: _Tags, fallback: _Tags) -> str | None:
    raw = tags.text(_DATE_TIME_ORIGINAL) or fallback.text(_DATE_TIME)
    if raw is None:
        return None
    try:
        moment = datetime.strptime(raw, "%Y:%m:%d %H:%M:%S")
    except ValueError:
        tags.drop("date", raw)
        return None
    offset = tags.text(_OFFSET_ORIGINAL) or ""
    try:
        return datetime.fromisoformat(moment.isoformat() + offset).isoformat()
    except ValueError:
        tags.drop("time offset", offset)
        return moment.isoformat()


def _position(gps: _Tags) -> tuple[float | None, float | None]:
    lat = gps.angle(_GPS_LAT, _GPS_LAT_REF, "GPS latitude", {"N": 1, "S": -1})
    lng = gps.angle(_GPS_LNG, _GPS_LNG_REF, "GPS longitude", {"E": 1, "W": -1})
    if lat == 0 and lng == 0:  # what receivers without a fix write
        gps.drop("GPS position", "0, 0")
        return None, None
    return (lat, lng) if lat is not None and lng is not None else (None, None)


def _altitude(gps: _Tags, tags: Mapping[int, Any]) -> tuple[float | None, int]:
    ref = tags.get(_GPS_ALT_REF)
    number = ref[0] if isinstance(ref, bytes) and len(ref) == 1 else ref
    alt_ref = number if isinstance(number, int) and number in range(4) else 0
    alt = gps.number(_GPS_ALT, "GPS altitude", lambda value: -11_000 < value < 100_000)
    return (-abs(alt) if alt is not None and alt_ref in _ALT_REFS_BELOW else alt), alt_ref


def _heading(gps: _Tags) -> tuple[float | None, Literal["T", "M"] | None]:
    heading = gps.number(_GPS_HEADING, "GPS heading", lambda value: 0 <= value <= 360)
    if heading is None:
        return None, None
    letter = (gps.text(_GPS_HEADING_REF) or "").upper()
    known: dict[str, Literal["T", "M"]] = {"T": "T", "M": "M"}
    return heading % 360.0, known.get(letter)


def _info(main: Mapping[int, Any], camera: Mapping[int, Any], place: Mapping[int, Any]) -> ExifInfo:
    dropped: list[str] = []
    base, exif, gps = (_Tags(tags, dropped) for tags in (main, camera, place))
    orientation = base.number(_ORIENTATION, "orientation", lambda value: value in range(1, 9))
    lat, lng = _position(gps)
    alt, alt_ref = _altitude(gps, place)
    heading, heading_ref = _heading(gps)
    return ExifInfo(
        orientation=int(orientation or 1),
        focal_35mm_mm=exif.number(_FOCAL_35MM, "35 mm focal length", lambda value: 1 <= value <= 5000),
        focal_mm=exif.number(_FOCAL, "focal length", lambda value: 0.1 <= value <= 5000),
        make=base.text(_MAKE),
        model=base.text(_MODEL),
        captured_at=_captured_at(exif, base),
        lat_deg=lat,
        lng_deg=lng,
        alt_m=alt,
        alt_ref=alt_ref,
        heading_deg=heading,
        heading_ref=heading_ref,
        gps_error_m=gps.number(_GPS_ERROR, "GPS error", lambda value: 0 < value < 1e6),
        warnings=tuple(dropped),
    )


def exif_from_image(image: Image) -> ExifInfo:
    """The EXIF of an opened Pillow image; empty, with a warning in it, where EXIF is corrupted.

    A PNG is decoded for it, and raises what Pillow does where it is broken: its EXIF may stand behind the pixels, and
    Pillow tells of an error in these only once.
    """
    if image.format == "PNG":
        image.load()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of corrupt EXIF; ours is in the result
            exif = image.getexif()
            return _info(exif, exif.get_ifd(_EXIF_IFD), exif.get_ifd(_GPS_IFD))
    except Exception as error:  # noqa: BLE001 - a maker's broken tags raise whatever they like
        return ExifInfo(warnings=(f"EXIF cannot be read and is ignored ({type(error).__name__})",))
