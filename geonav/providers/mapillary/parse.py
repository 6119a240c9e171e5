"""What Mapillary answers, made into geonav's terms; no call is made here.

Poses are OpenSfM's (https://opensfm.org/docs/geometry.html): ``computed_rotation`` is axis times angle in radians of
the rotation from East-North-Up to a camera with x right, y down and z forward, which are geonav's axes too. Pose and
camera belong to the pixels as they were stored, EXIF's orientation not applied, while the pictures served are upright.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geonav.data.survey import Panorama
from geonav.errors import AuthError, GeonavError, InputError, NetworkError, QuotaError
from geonav.geometry.camera import Camera
from geonav.geometry.orientation import angles_from_rotation
from geonav.geometry.pose import rotation_from_vector
from geonav.providers.boxes import Tile
from geonav.providers.mapillary.request import PICTURE_FIELDS

Array = NDArray[np.float64]
SERVICE = "Mapillary"
LICENCE = "CC-BY-SA-4.0"
TOKEN_ADVICE = "set MAPILLARY_ACCESS_TOKEN to a client token of mapillary.com/dashboard/developers"  # noqa: S105
# Positions and headings from structure from motion, aligned to the GPS of many drives; and from one camera's own GPS
# and compass. Mapillary states no accuracy, so these are guesses on the safe side.
COMPUTED_STD = (2.0, 2.0)
REPORTED_STD = (6.0, 15.0)
# OpenSfM leaves GPS heights aside by default; a computed height this far off is then above an arbitrary level.
_MAX_ALTITUDE_GAP_M = 40.0
_SPHERES = {"spherical", "equirectangular"}
# r = theta (1 + k1 theta^2 + k2 theta^4) and r = tan(theta) (1 + k1 r^2 + k2 r^4): the same formulas as COLMAP's.
_COLMAP_MODELS = {"perspective": "RADIAL", "fisheye": "RADIAL_FISHEYE"}
# Codes of Meta's Graph API: 190 is a bad token, 10 and 200 a missing permission; the others are limits.
_AUTH_CODES = {10, 102, 190, 200}
_QUOTA_CODES = {4, 17, 32, 613}


@dataclass(frozen=True)
class TileImage:
    """An image as a vector tile lists it: its id and where its camera's GPS put it, in degrees."""

    image_id: str
    lat: float
    lng: float


def parse_tile(content: bytes, tile: Tile) -> list[TileImage]:
    """The images of a vector tile; an empty tile is empty bytes.

    Raises:
        NetworkError: the bytes are no vector tile.
    """
    from mapbox_vector_tile import decode

    try:
        layer = decode(content, default_options={"y_coord_down": True}).get("image", {})
        extent = layer.get("extent", 4096)
        return [_tile_image(feature, tile, extent) for feature in layer.get("features", [])]
    except Exception as error:  # noqa: BLE001 - protobuf's errors have no common base
        msg = f"{SERVICE} answered {len(content)} bytes that are no vector tile ({type(error).__name__}); run again"
    raise NetworkError(msg)


def _tile_image(feature: dict[str, Any], tile: Tile, extent: int) -> TileImage:
    x, y = feature["geometry"]["coordinates"]
    image_id = str(feature["properties"].get("id") or feature["id"])
    return TileImage(image_id, tile.lat(y / extent), tile.lng(x / extent))


def parse_answer(status: int, content: bytes) -> dict[str, Any]:
    """The JSON object of a call; empty where the service says that there is no such image.

    Raises:
        AuthError: the token is missing, wrong or expired.
        QuotaError: too many calls.
        NetworkError: anything else that is not an answer.
    """
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        msg = f"{SERVICE} answered {status} with {len(content)} bytes that are no JSON object; run again"
        raise NetworkError(msg)
    error = data.get("error")
    if status == 200 and not error:
        return data
    if status in {400, 404} and (not isinstance(error, dict) or error.get("code") not in _AUTH_CODES | _QUOTA_CODES):
        return {}
    raise _failure(status, error if isinstance(error, dict) else {})


def _failure(status: int, error: dict[str, Any]) -> GeonavError:
    words = " ".join(str(error.get("message", "")).split())[:160]
    said = f"{status}{': ' if words else ''}{words}"
    code = error.get("code")
    if code in _QUOTA_CODES:
        return QuotaError(f"{SERVICE} takes no more calls for now ({said}): run the command again later to go on")
    if code in _AUTH_CODES or status in {401, 403}:
        return AuthError(f"{SERVICE} refused the token ({said}): {TOKEN_ADVICE}")
    return NetworkError(f"{SERVICE} failed ({said}); run the command again to go on")


def picture_address(entity: dict[str, Any]) -> str | None:
    """Where the largest picture of an image is for now; None where it has none."""
    return next((entity[name] for name in PICTURE_FIELDS if isinstance(entity.get(name), str)), None)


def parse_entity(entity: dict[str, Any]) -> Panorama | None:
    """One image; None where it is of no use: it has no position, direction or camera that is known.

    The computed pose is taken where there is one, part by part; otherwise what the camera's own GPS and compass said.
    """
    computed_place = _point(entity.get("computed_geometry"))
    place = computed_place or _point(entity.get("geometry"))
    projection = _projection(entity)
    camera, upright_from_stored = _upright_camera(entity) if projection == "camera" else (None, np.eye(3))
    direction = _direction(entity, upright_from_stored)
    if place is None or direction is None or not entity.get("id") or (projection == "camera" and camera is None):
        return None
    is_computed = _numbers(entity.get("computed_rotation"), 3) is not None
    altitude_m = _altitude_m(entity)
    return Panorama(
        provider="mapillary",
        pano_id=str(entity["id"]),
        lat=place[0],
        lng=place[1],
        projection=projection,
        alt_m=altitude_m,
        # "From sea level", says the documentation; which model of the sea level it does not say.
        alt_datum=None if altitude_m is None else "egm96",
        heading_deg=direction[0],
        pitch_deg=direction[1],
        roll_deg=direction[2],
        camera=camera,
        captured_at=_captured_at(entity.get("captured_at")),
        licence=LICENCE,
        attribution=f"Photos from Mapillary, CC BY-SA, by {_user(entity) or 'its contributors'}",
        position_std_m=(REPORTED_STD if computed_place is None else COMPUTED_STD)[0],
        heading_std_deg=(COMPUTED_STD if is_computed else REPORTED_STD)[1],
        sequence=str(entity["sequence"]) if entity.get("sequence") else None,
        extra=_extra(entity, is_computed=is_computed and computed_place is not None),
    )


def _projection(entity: dict[str, Any]) -> Literal["equirectangular", "camera"]:
    kind = entity.get("camera_type")
    return "equirectangular" if kind in _SPHERES or (not kind and entity.get("is_pano")) else "camera"


def _upright_camera(entity: dict[str, Any]) -> tuple[Camera | None, Array]:
    """The camera of the upright picture, and ``upright_from_stored`` (3, 3); None where it is not known."""
    params = _numbers(entity.get("camera_parameters"), 3)
    model = _COLMAP_MODELS.get(str(entity.get("camera_type")))
    size = _numbers([entity.get("width"), entity.get("height")], 2)
    if params is None or model is None or size is None:
        return None, np.eye(3)
    width, height = int(size[0]), int(size[1])
    focal_px = params[0] * max(width, height)
    try:
        stored = Camera(model, width, height, (focal_px, width / 2, height / 2, params[1], params[2]))
        return stored.rotated(_orientation(entity))
    except InputError:
        return None, np.eye(3)


def _orientation(entity: dict[str, Any]) -> int:
    """EXIF's; 0 and a missing one mean that the pixels are upright."""
    value = entity.get("exif_orientation")
    return value if isinstance(value, int) and value else 1


def _direction(entity: dict[str, Any], upright_from_stored: Array) -> tuple[float, float, float] | None:
    """Heading, pitch and roll in degrees of the upright picture; level where only a compass tells."""
    rotation = _numbers(entity.get("computed_rotation"), 3)
    if rotation is not None:
        return angles_from_rotation(upright_from_stored @ rotation_from_vector(rotation))
    for name in ("computed_compass_angle", "compass_angle"):
        heading = _numbers([entity.get(name)], 1)
        if heading is not None:
            return heading[0] % 360.0, 0.0, 0.0
    return None


def _altitude_m(entity: dict[str, Any]) -> float | None:
    """The computed height where the GPS's does not contradict it, in metres above the sea level."""
    computed = _numbers([entity.get("computed_altitude")], 1)
    reported = _numbers([entity.get("altitude")], 1)
    if computed is None or (reported is not None and abs(computed[0] - reported[0]) > _MAX_ALTITUDE_GAP_M):
        return None
    return computed[0]


def _point(geometry: object) -> tuple[float, float] | None:
    """Latitude and longitude in degrees of a GeoJSON point."""
    coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
    place = _numbers(coordinates[:2] if isinstance(coordinates, list) else None, 2)
    if place is None or abs(place[1]) > 90 or abs(place[0]) > 180:
        return None
    return place[1], place[0]


def _numbers(value: object, count: int) -> list[float] | None:
    """That many finite numbers; None where it is anything else."""
    if not isinstance(value, list) or len(value) != count:
        return None
    if not all(isinstance(part, int | float) and not isinstance(part, bool) and math.isfinite(part) for part in value):
        return None
    return [float(part) for part in value]


def _captured_at(milliseconds: object) -> str | None:
    moment = _numbers([milliseconds], 1)
    if moment is None or not 0 < moment[0] < 1e14:
        return None
    return datetime.fromtimestamp(moment[0] / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _user(entity: dict[str, Any]) -> str | None:
    creator = entity.get("creator")
    name = creator.get("username") if isinstance(creator, dict) else None
    return f"@{name}" if name else None


def _extra(entity: dict[str, Any], *, is_computed: bool) -> dict[str, Any]:
    """What may serve later; no address, because addresses of pictures are signed."""
    kept = {"altitude": "altitude_m", "compass_angle": "compass_deg", "merge_cc": "merge_cc", "width": "width"}
    kept |= {name: name for name in ("height", "make", "model", "quality_score", "camera_type")}
    found = {name: entity.get(key) for key, name in kept.items()}
    facts = {name: value for name, value in found.items() if isinstance(value, str) or _numbers([value], 1) is not None}
    return {"is_computed": is_computed, **facts}
