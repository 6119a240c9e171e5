"""Photos of a demo city as people take them: from the pavement, on another day, with their own cameras."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import moved
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import camera_center, pose_from_center
from geonav.providers.demo.photo import Conditions, jpeg_bytes, render
from geonav.providers.demo.poses import Shot
from geonav.providers.demo.write import Taken, write_colmap, write_truth

if TYPE_CHECKING:
    from geonav.providers.demo.city import DemoCity
    from geonav.providers.demo.city_plan import Line

Floats = NDArray[np.float64]

_CLUTTER_SEED = 1
_GPS_STD_M = 5.0
_VIEWS_DEG, _PITCH_DEG, _HEIGHT_M = (25.0, 60.0), (0.0, 10.0), (1.45, 1.8)
_FARTHEST_M = 7.0
# The last panorama of a dead end has no neighbour beyond it: what only one panorama shows cannot be located.
_END_MARGIN_M = 12.0
# People step aside until no car stands right before them.
_CLEAR_M = 4.0
_KERB_M, _WALL_M = 0.9, 0.7
_DIAGONAL_35MM_MM = math.hypot(36.0, 24.0)
_OVERCAST_SHARE = 0.3


@dataclass(frozen=True)
class Phone:
    """A camera with which people take photos.

    Attributes:
        maker: As EXIF names it.
        model: As EXIF names it.
        focal_35mm: As EXIF has it: whole millimetres.
        size: (width, height) of its photos, pixels.
    """

    maker: str
    model: str
    focal_35mm: int
    size: tuple[int, int]

    @property
    def camera(self) -> Camera:
        """Its true camera: EXIF's focal length is exact, along the diagonal as CIPA DCG-001 defines it."""
        return Camera.from_focal(*self.size, self.focal_35mm * math.hypot(*self.size) / _DIAGONAL_35MM_MM)


PHONES = (
    Phone("geonav", "demo 26", 26, (960, 720)),
    Phone("geonav", "demo 28 upright", 28, (720, 960)),
    Phone("geonav", "demo 35", 35, (960, 640)),
    Phone("geonav", "demo 31", 31, (1024, 768)),
)


def write_queries(city: DemoCity, folder: Path, count: int) -> None:
    """Take photos and write them with the truth.

    It makes ``images/`` (JPEGs with EXIF, whose GPS is off by 5 m), ``colmap/`` (a text model of them) and
    ``poses.json``, which is written last.

    Args:
        city: What is photographed.
        folder: Made where it is missing.
        count: How many photos.
    """
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    taken = []
    for number, (phone, pose) in enumerate(_poses(city, count)):
        shot = Shot(f"q{number:04d}.jpg", phone.camera, pose)
        (images / shot.name).write_bytes(_photo(city, shot, phone, number))
        taken.append(shot)
    write_colmap(folder / "colmap", taken)
    write_truth(folder / "poses.json", city.plan.origin, [Taken("images", shot) for shot in taken])


def _poses(city: DemoCity, count: int) -> Iterator[tuple[Phone, Floats]]:
    rng = city.plan.rng(30)
    lines = city.layout.lines
    shares = np.array([line.length_m for line in lines])
    for number in range(count):
        phone = PHONES[number % len(PHONES)]
        line = lines[int(rng.choice(len(lines), p=shares / shares.sum()))]
        yield phone, _standing(city, line, rng)


def _standing(city: DemoCity, line: Line, rng: np.random.Generator) -> Floats:
    """``E`` of a person on a pavement near some panorama, who looks across the street."""
    while True:
        side = float(rng.choice([-1.0, 1.0]))
        left = side * rng.uniform(line.road_width_m / 2 + _KERB_M, line.half_width_m - _WALL_M)
        margin = min(_END_MARGIN_M, line.length_m / 3)
        along = rng.uniform(line.begin_m + margin, line.end_m - margin)
        height = rng.uniform(*_HEIGHT_M)
        center = city.layout.enu(city.layout.place(line, along, left), height)
        others = (other for other in city.layout.lines if other.is_cross != line.is_cross)
        is_crossing = any(abs(along - other.offset_m) < other.half_width_m + 1 for other in others)
        if is_crossing or city.nearest_station_m(center) > _FARTHEST_M:
            continue
        # Someone on the left pavement turns right, to the houses opposite.
        turn = side * rng.uniform(*_VIEWS_DEG)
        backwards = 180.0 if rng.random() < 0.5 else 0.0
        azimuth = city.layout.azimuth_deg(line) + (backwards - turn if backwards else turn)
        angles = (azimuth, rng.uniform(*_PITCH_DEG), rng.normal(0, 1.5))
        return np.asarray(pose_from_center(rotation_from_angles(*map(float, angles)), center))


def _photo(city: DemoCity, shot: Shot, phone: Phone, number: int) -> bytes:
    rng = city.plan.rng(31, number)
    conditions = _weather(rng).with_quality(int(rng.integers(75, 95)))
    scene = city.world.scene(camera_center(shot.E), _CLUTTER_SEED, _CLEAR_M)
    picture = render(scene, shot.camera, shot.E, conditions, rng)
    return jpeg_bytes(picture, conditions.exposure.jpeg_quality, _exif(city, shot, phone, rng))


def _weather(rng: np.random.Generator) -> Conditions:
    """Another day's light, some days without sun."""
    conditions = Conditions.random(rng, change=1.0)
    if rng.random() >= _OVERCAST_SHARE:
        return conditions
    dull = replace(conditions.light, sun=0.05, ambient=float(rng.uniform(0.6, 0.8)), cloud_cover=1.6)
    return replace(conditions, light=dull)


def _exif(city: DemoCity, shot: Shot, phone: Phone, rng: np.random.Generator) -> bytes:
    import piexif

    lat, lng, alt = (float(value) for value in city.frame.geo_from_enu(camera_center(shot.E)))
    off_m = _GPS_STD_M * np.hypot(*rng.standard_normal(2))
    lat, lng = (float(value) for value in moved(lat, lng, rng.uniform(0, 360), off_m))
    forward = shot.E[2, :3]
    heading = float(np.degrees(np.arctan2(forward[0], forward[1])) + rng.normal(0, 5)) % 360
    rational = functools.partial(_rational, scale=1000)
    gps = {
        piexif.GPSIFD.GPSLatitudeRef: "N" if lat >= 0 else "S",
        piexif.GPSIFD.GPSLatitude: _dms(lat),
        piexif.GPSIFD.GPSLongitudeRef: "E" if lng >= 0 else "W",
        piexif.GPSIFD.GPSLongitude: _dms(lng),
        piexif.GPSIFD.GPSAltitudeRef: 0 if alt >= 0 else 1,
        piexif.GPSIFD.GPSAltitude: rational(abs(alt)),
        piexif.GPSIFD.GPSImgDirectionRef: "T",
        piexif.GPSIFD.GPSImgDirection: rational(heading),
        piexif.GPSIFD.GPSHPositioningError: rational(_GPS_STD_M),
    }
    taken = f"2026:0{1 + int(rng.integers(9))}:1{int(rng.integers(10))} 1{int(rng.integers(10))}:00:00"
    data = {
        "0th": {piexif.ImageIFD.Make: phone.maker, piexif.ImageIFD.Model: phone.model},
        "Exif": {
            piexif.ExifIFD.FocalLengthIn35mmFilm: phone.focal_35mm,
            piexif.ExifIFD.DateTimeOriginal: taken,
        },
        "GPS": gps,
    }
    dumped: bytes = piexif.dump(data)
    return dumped


def _rational(value: float, scale: int) -> tuple[int, int]:
    return round(value * scale), scale


def _dms(degrees: float) -> tuple[tuple[int, int], ...]:
    """Degrees, minutes and seconds to a hundred-thousandth of a second, as EXIF writes them."""
    whole, rest = divmod(abs(degrees), 1)
    minutes, rest = divmod(rest * 60, 1)
    return (int(whole), 1), (int(minutes), 1), _rational(rest * 60, 100_000)
