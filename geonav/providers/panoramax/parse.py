"""What Panoramax answers, made into geonav's terms; no call is made here.

Items follow STAC with the extensions ``view`` and ``perspective-imagery``. ``view:azimuth`` is where the middle of the
picture looks, ``pers:pitch`` is positive upwards, and ``pers:roll`` positive with the right side down, which is
clockwise as seen from behind. Positions are the GPS's of whoever took the picture, and have no height.
"""

from __future__ import annotations

import math
from typing import Any

from geonav.data.survey import Panorama
from geonav.errors import InputError, NetworkError
from geonav.geometry.camera import Camera

SERVICE = "Panoramax"
# Where an item does not say how good its GPS was, and where nothing says how good its compass was.
POSITION_STD_M = 5.0
HEADING_STD_DEG = 10.0
# quality:horizontal_accuracy may be rounded to 0.
_LEAST_STD_M = 0.05
# A radius within which 68 % of positions lie has 0.66 of itself along each axis.
_AXIS_OF_RADIUS = 0.66
_DIAGONAL_35MM_MM = math.hypot(36.0, 24.0)
_LYING = {5, 6, 7, 8}


def parse_items(answer: object) -> list[dict[str, Any]]:
    """The items of an answer.

    Raises:
        NetworkError: it is no collection of items.
    """
    features = answer.get("features") if isinstance(answer, dict) else None
    if not isinstance(features, list):
        msg = f"{SERVICE} answered something that is no collection of items; run the command again"
        raise NetworkError(msg)
    return [item for item in features if isinstance(item, dict)]


def parse_item(item: dict[str, Any]) -> Panorama | None:
    """One picture; None where it is of no use: it has no position, azimuth or camera that is known."""
    facts = item.get("properties")
    place = _point(item.get("geometry"))
    if not isinstance(facts, dict) or place is None or not item.get("id"):
        return None
    azimuth = number(facts.get("view:azimuth"))
    interior = facts.get("pers:interior_orientation")
    interior = interior if isinstance(interior, dict) else {}
    is_sphere = number(interior.get("field_of_view")) == 360.0 and not interior.get("visible_area")
    camera = None if is_sphere else _camera(interior, facts.get("exif"))
    if azimuth is None or (camera is None and not is_sphere):
        return None
    accuracy_m = number(facts.get("quality:horizontal_accuracy"))
    sequence = item.get("collection")
    return Panorama(
        provider="panoramax",
        pano_id=str(item["id"]),
        lat=place[0],
        lng=place[1],
        projection="equirectangular" if is_sphere else "camera",
        heading_deg=azimuth % 360.0,
        pitch_deg=number(facts.get("pers:pitch")) or 0.0,
        roll_deg=number(facts.get("pers:roll")) or 0.0,
        camera=camera,
        captured_at=_text(facts.get("datetime")),
        licence=_text(facts.get("license")),
        attribution=_attribution(item, facts),
        position_std_m=POSITION_STD_M if accuracy_m is None else max(_LEAST_STD_M, accuracy_m * _AXIS_OF_RADIUS),
        heading_std_deg=HEADING_STD_DEG,
        sequence=sequence if isinstance(sequence, str) else None,
        extra=_extra(facts, interior),
    )


def asset_addresses(item: dict[str, Any]) -> list[str]:
    """Where the pictures of an item are, the largest first."""
    assets = item.get("assets")
    found = [assets.get(name) for name in ("hd", "sd")] if isinstance(assets, dict) else []
    return [asset["href"] for asset in found if isinstance(asset, dict) and isinstance(asset.get("href"), str)]


def position(item: dict[str, Any]) -> tuple[float, float] | None:
    """Latitude and longitude of an item in degrees."""
    return _point(item.get("geometry"))


def number(value: object) -> float | None:
    """A finite number, also where it is written as text or as EXIF's fraction."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, str) and "/" in value:
            above, below = value.split("/")
            found = float(above) / float(below)
        else:
            found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return found if math.isfinite(found) else None


def _camera(interior: dict[str, Any], exif: object) -> Camera | None:
    """The pinhole camera of a flat picture that is upright; None where its focal length is not known.

    The field of view is that of the sensor's long side, whichever way the camera was held.
    """
    exif = exif if isinstance(exif, dict) else {}
    size = interior.get("sensor_array_dimensions")
    sides = [number(side) for side in size] if isinstance(size, list) and len(size) == 2 else []
    if interior.get("visible_area") or len(sides) != 2 or not all(sides):
        return None
    width, height = (int(side or 0) for side in sides)
    if number(exif.get("Exif.Image.Orientation")) in _LYING and width > height:
        width, height = height, width
    fov_deg = number(interior.get("field_of_view"))
    focal_35mm_mm = number(exif.get("Exif.Photo.FocalLengthIn35mmFilm"))
    try:
        # The field of view is rounded to degrees, and made from the 35 mm equivalent as if every sensor were 3:2.
        if focal_35mm_mm and (fov_deg is None or fov_deg < 180):
            focal_px = focal_35mm_mm / _DIAGONAL_35MM_MM * math.hypot(width, height)
        elif fov_deg is not None and 0 < fov_deg < 180:
            focal_px = max(width, height) / 2 / math.tan(math.radians(fov_deg) / 2)
        else:
            return None
        return Camera.from_focal(width, height, focal_px)
    except InputError:
        return None


def _point(geometry: object) -> tuple[float, float] | None:
    """Latitude and longitude in degrees of a GeoJSON point."""
    coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if not isinstance(coordinates, list) or len(coordinates) < 2:
        return None
    lng, lat = number(coordinates[0]), number(coordinates[1])
    if lng is None or lat is None or abs(lat) > 90 or abs(lng) > 180:
        return None
    return lat, lng


def _attribution(item: dict[str, Any], facts: dict[str, Any]) -> str:
    """The producers' names, and the licence that asks for them."""
    providers = item.get("providers")
    names = (
        [_text(part.get("name")) for part in providers if isinstance(part, dict)] if isinstance(providers, list) else []
    )
    credited = list(dict.fromkeys(name for name in [*names, _text(facts.get("geovisio:producer"))] if name))
    licence = _text(facts.get("license"))
    return f"{', '.join(credited) or 'Panoramax contributors'}, Panoramax{f', {licence}' if licence else ''}"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _extra(facts: dict[str, Any], interior: dict[str, Any]) -> dict[str, Any]:
    kept = {
        "horizontal_accuracy_m": number(facts.get("quality:horizontal_accuracy")),
        "rank_in_sequence": number(facts.get("geovisio:rank_in_collection")),
        "horizontal_pixels_per_deg": number(facts.get("panoramax:horizontal_pixel_density")),
        "make": _text(interior.get("camera_manufacturer")),
        "model": _text(interior.get("camera_model")),
    }
    return {name: value for name, value in kept.items() if value is not None}
