"""Names of the visual place recognition benchmarks: where a photo was taken stands in its file's name.

``@E@N@zone@letter@lat@lng@pano_id@tile@heading@pitch@roll@height@timestamp@note@.jpg``; only east and north, UTM metres
on WGS84, must be there. Those who read such trees take distances between the bare numbers, so that two photos a metre
apart on both sides of a zone's edge would be hundreds of kilometres apart. Hence a tree is written in one zone, that of
its middle, also where some of its photos lie beyond the edge: half a degree beyond, UTM's scale still holds to 0.2 %.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from geonav.errors import InputError, UsageError
from geonav.geometry.geodesy import GeoPoint, distance_m

if TYPE_CHECKING:
    from pyproj import Proj

_BANDS = "CDEFGHJKLMNPQRSTUVWX"
_UNSAFE = re.compile(r"[^\w.+-]+")
_MAX_TEXT = 80
# Latitude and longitude have five decimals in most trees; what is further off than this is not rounding.
_AGREE_M = 50.0


@dataclass(frozen=True)
class UtmZone:
    """A zone of UTM and its hemisphere; either may be used beyond its edges."""

    number: int
    south: bool

    @classmethod
    def of(cls, lat_deg: float, lng_deg: float) -> UtmZone:
        """The zone a place lies in, Norway's and Svalbard's exceptions included."""
        lng = (lng_deg + 180.0) % 360.0 - 180.0
        number = int((lng + 180.0) // 6.0) + 1
        if 56.0 <= lat_deg < 64.0 and 3.0 <= lng < 12.0:
            number = 32
        elif 72.0 <= lat_deg <= 84.0 and 0.0 <= lng < 42.0:
            number = 31 if lng < 9.0 else 33 if lng < 21.0 else 35 if lng < 33.0 else 37
        return cls(number, lat_deg < 0.0)

    @classmethod
    def parse(cls, text: str) -> UtmZone:
        """Read ``32U`` or ``32N``: the letter is MGRS's band, as in file names.

        Raises:
            UsageError: there is no such zone.
        """
        found = re.fullmatch(r"(\d{1,2})([C-HJ-NP-X])", text.strip().upper())
        if not found or not 1 <= int(found[1]) <= 60:
            msg = f"'{text}' is not a UTM zone: give number and band letter, as in 32U"
            raise UsageError(msg)
        return cls(int(found[1]), found[2] < "N")

    def east_north(self, lat_deg: float, lng_deg: float) -> tuple[float, float]:
        """UTM metres; north grows by 10,000 km where the zone is southern."""
        east, north = _projection(self.number, self.south)(lng_deg, lat_deg)
        return float(east), float(north)

    def place(self, east_m: float, north_m: float) -> tuple[float, float] | None:
        """Latitude and longitude in degrees, or None where no place has these coordinates."""
        if not (abs(east_m - 500_000.0) < 3e6 and -1e7 < north_m < 2e7):
            return None
        lng, lat = _projection(self.number, self.south)(east_m, north_m, inverse=True)
        if not (math.isfinite(lat) and math.isfinite(lng)):
            return None
        return float(lat), (float(lng) + 180.0) % 360.0 - 180.0


@lru_cache(maxsize=120)
def _projection(number: int, south: bool) -> Proj:  # noqa: FBT001 - part of the cache's key
    from pyproj import Proj

    return Proj(proj="utm", zone=number, south=south, ellps="WGS84")


def band(lat_deg: float) -> str:
    """The letter of MGRS's band of latitude; the last ones reach to the poles."""
    # The sum rounds to 80 for latitudes that are hardly south of the equator.
    last = len(_BANDS) - 1 if lat_deg >= 0 else _BANDS.index("M")
    return _BANDS[min(max(int((lat_deg + 80.0) // 8.0), 0), last)]


def common_zone(places: Sequence[GeoPoint]) -> UtmZone:
    """The zone of the middle of all places, in which all of them are to be written.

    The middle is that of the directions from the Earth's centre, so it holds across the antimeridian too.
    """
    lat, lng = (np.radians([getattr(place, name) for place in places]) for name in ("lat_deg", "lng_deg"))
    middle = np.mean([np.cos(lat) * np.cos(lng), np.cos(lat) * np.sin(lng), np.sin(lat)], axis=1)
    return UtmZone.of(
        math.degrees(math.atan2(middle[2], math.hypot(middle[0], middle[1]))),
        math.degrees(math.atan2(middle[1], middle[0])),
    )


@dataclass(frozen=True)
class VprPhoto:
    """What a name says.

    Attributes:
        place: latitude and longitude; the height is in ``height_m``.
        pano_id: the source's name of the picture.
        heading_deg: clockwise from north.
        height_m: in no datum that the format knows.
        timestamp: ``YYYYMMDD_hhmmss``, from the right optional.
        note: anything.
        doubts: what in the name does not fit together.
    """

    place: GeoPoint
    pano_id: str = ""
    heading_deg: float | None = None
    height_m: float | None = None
    timestamp: str = ""
    note: str = ""
    doubts: tuple[str, ...] = ()


def format_name(
    photo: VprPhoto, zone: UtmZone, *, pitch_deg: float | None = None, roll_deg: float | None = None
) -> str:
    """The file name of a photo, its coordinates in ``zone``, to the centimetre."""
    lat, lng = photo.place.lat_deg, photo.place.lng_deg
    east, north = zone.east_north(lat, lng)
    # The letter says the hemisphere of the numbers: beyond the equator the band of the zone's own side is given.
    letter = band(lat) if (lat < 0) == zone.south else "M" if zone.south else "N"
    parts = [
        f"{east:010.2f}", f"{north:010.2f}", f"{zone.number:02d}", letter, f"{lat:09.5f}", f"{lng:010.5f}",
        _safe(photo.pano_id), "", _number(photo.heading_deg), _number(pitch_deg), _number(roll_deg),
        _number(photo.height_m), _safe(photo.timestamp), _safe(photo.note),
    ]  # fmt: skip
    return "@" + "@".join(parts) + "@.jpg"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _safe(text: str) -> str:
    return _UNSAFE.sub("_", text)[:_MAX_TEXT]


def parse_name(name: str, zone: UtmZone | None = None) -> VprPhoto:
    """Read a file name; ``zone`` is for those that do not say theirs.

    Raises:
        InputError: it is not of this form, or its zone is not known.
    """
    file_name = PurePosixPath(name).name
    parts = file_name.split("@")
    east, north = (_float(_part(parts, at)) for at in (1, 2))
    if parts[0] or east is None or north is None:
        msg = f"'{file_name}' is not named @east@north@zone@letter@...@.jpg"
        raise InputError(msg)
    own_zone = _zone(_part(parts, 3), _part(parts, 4)) or zone
    stated = _stated(_float(_part(parts, 5)), _float(_part(parts, 6)))
    place, doubts = _place(file_name, (east, north), own_zone, stated)
    if not _zone(_part(parts, 3), _part(parts, 4)) and stated is None:
        return VprPhoto(place, doubts=doubts)  # another dialect: its further parts mean other things
    heading = _float(_part(parts, 9))
    return VprPhoto(
        place,
        pano_id=_part(parts, 7),
        heading_deg=None if heading is None or not -360 <= heading <= 360 else heading % 360.0,
        height_m=_float(_part(parts, 12)),
        timestamp=_part(parts, 13),
        note=_part(parts, 14),
        doubts=doubts,
    )


def _part(parts: Sequence[str], at: int) -> str:
    # The last part is the suffix.
    return parts[at].strip() if at < len(parts) - 1 else ""


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _zone(number: str, letter: str) -> UtmZone | None:
    try:
        return UtmZone.parse(number + letter)
    except UsageError:
        return None


def _stated(lat: float | None, lng: float | None) -> GeoPoint | None:
    if lat is None or lng is None or abs(lat) > 90 or abs(lng) > 180:
        return None
    return GeoPoint(lat, lng)


def _place(
    name: str, coordinates: tuple[float, float], zone: UtmZone | None, stated: GeoPoint | None
) -> tuple[GeoPoint, tuple[str, ...]]:
    """UTM is the more exact; latitude and longitude are believed where the two are of different places."""
    if zone is None and stated is None:
        msg = f"'{name}' says neither its UTM zone nor latitude and longitude: give --zone"
        raise InputError(msg)
    found = None if zone is None else zone.place(*coordinates)
    projected = None if found is None else GeoPoint(*found)
    if stated is None:
        if projected is None:
            msg = f"'{name}': no place has the coordinates {coordinates[0]:g}, {coordinates[1]:g} in its zone"
            raise InputError(msg)
        return projected, ()
    if projected is None or zone is None:
        return stated, ()
    if distance_m(projected, stated) <= _AGREE_M:
        return projected, ()
    apart = f"{distance_m(projected, stated):.0f} m from its latitude and longitude, which are taken"
    return stated, (f"its UTM coordinates in zone {zone.number} lie {apart}",)
