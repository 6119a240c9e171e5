"""Mapillary API v4: vector tiles, images in a box, fields of an image, and pictures at addresses that expire.

Source: mapillary.com/developer/api-documentation; the axes of ``computed_rotation`` are OpenSfM's (doc/geometry.rst).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import numpy as np

from geonav.providers.demo.twin.access import Access
from geonav.providers.demo.twin.city import City
from geonav.providers.demo.twin.drives import Frame, frames_of
from geonav.providers.demo.twin.spheres import Spheres
from geonav.providers.demo.twin.tiles import TILE_ZOOM, encode_tile
from geonav.providers.demo.twin.wire import (
    BadCallError,
    Call,
    Reply,
    Route,
    jpeg_reply,
    json_reply,
    numbers,
    text_reply,
)
from geonav.providers.demo.write import quaternion

MAX_BOX_DEG = 0.01
MAX_IMAGES = 2000
ORIGINAL_WIDTH = 2048
_FIRST_ID = 100_000_000_000_000
_THUMB_WIDTHS = {"thumb_256_url": 256, "thumb_1024_url": 1024, "thumb_2048_url": 2048, "thumb_original_url": 0}


class Mapillary:
    """Answers calls over a city whose panoramas were taken by one contributor, a drive a street."""

    def __init__(
        self, city: City, access: Access, original_width: int = ORIGINAL_WIDTH, spheres: Spheres | None = None
    ) -> None:
        self._city = city
        self._spheres = spheres or Spheres(city)
        self._access = access
        self._width = original_width
        self._frames = {str(_FIRST_ID + frame.number): frame for frame in frames_of(city)}

    def routes(self) -> list[Route]:
        """Its addresses."""
        tiles = re.compile(r"/maps/vtp/(mly1_public|mly1_computed_public)/2/(\d+)/(\d+)/(\d+)")
        return [
            Route("mapillary_tiles", tiles, self._with_token(self.tile)),
            Route("mapillary", re.compile("/images"), self._with_token(self.images)),
            Route("mapillary", re.compile("/image_ids"), self._with_token(self.image_ids)),
            Route("mapillary", re.compile(r"/(\d{6,20})"), self._with_token(self.entity)),
            Route("mapillary", re.compile("/"), self._with_token(self.entities)),
            Route("mapillary_pictures", re.compile(r"/mapillary-pictures/(\d+)-(\d+)\.jpg"), self.picture, "image"),
        ]

    def tile(self, _call: Call, match: re.Match[str]) -> Reply:
        """The images of a vector tile, at their computed positions or those of their GPS."""
        zoom, column, row = (int(text) for text in match.groups()[1:])
        if zoom != TILE_ZOOM:
            return json_reply(_error("Images are in tiles of zoom 14 alone", 100), 400)
        use_computed = match[1] == "mly1_computed_public"
        images = []
        for image_id, frame in self._frames.items():
            lng, lat = self._point(frame, computed=use_computed)["coordinates"]
            properties = {
                "id": int(image_id),
                "captured_at": _milliseconds(frame),
                "compass_angle": frame.place.heading_deg,
                "sequence_id": _sequence(frame),
                "is_pano": True,
            }
            images.append((lat, lng, properties))
        return Reply(200, encode_tile(column, row, images), "application/x-protobuf")

    def images(self, call: Call, _match: re.Match[str]) -> Reply:
        """Images within ``bbox``, by page."""
        query = call.query
        try:
            west, south, east, north = numbers(query.get("bbox", ""), 4)
        except BadCallError:
            return json_reply(_error("The parameter bbox is missing or wrong", 100), 400)
        if (east - west) * (north - south) > MAX_BOX_DEG**2 * (1 + 1e-9):
            return json_reply(_error("The box is too large: 0.01 degrees square at most", 100), 400)
        limit = min(int(query.get("limit") or MAX_IMAGES), MAX_IMAGES)
        chosen = [
            image_id
            for image_id, frame in self._frames.items()
            if west <= frame.place.lng <= east and south <= frame.place.lat <= north and _passes(frame, query)
        ]
        start = chosen.index(query["after"]) + 1 if query.get("after") in chosen else 0
        page = chosen[start : start + limit]
        answer: dict[str, Any] = {"data": [self._fields(image_id, call) for image_id in page]}
        if start + limit < len(chosen):
            others = {name: value for name, value in query.items() if name not in ("after", "access_token")}
            following = f"{call.base_url}/images?{urlencode({**others, 'after': page[-1]})}"
            answer["paging"] = {"cursors": {"after": page[-1]}, "next": following}
        return json_reply(answer)

    def image_ids(self, call: Call, _match: re.Match[str]) -> Reply:
        """Images of a sequence."""
        wanted = call.query.get("sequence_id")
        return json_reply({"data": [{"id": key} for key, frame in self._frames.items() if _sequence(frame) == wanted]})

    def entity(self, call: Call, match: re.Match[str]) -> Reply:
        """The fields of one image."""
        if match[1] not in self._frames:
            return json_reply(_error(f"Object with ID '{match[1]}' does not exist", 100), 400)
        return json_reply(self._fields(match[1], call))

    def entities(self, call: Call, _match: re.Match[str]) -> Reply:
        """The fields of several images, by id; those that do not exist are left out."""
        ids = call.query.get("ids", "").split(",")
        return json_reply({key: self._fields(key, call) for key in ids if key in self._frames})

    def picture(self, call: Call, match: re.Match[str]) -> Reply:
        """An equirectangular picture; refused once its address has expired."""
        query = call.query
        if not self._access.link_allows(f"{match[1]}-{match[2]}", query.get("oe", ""), query.get("oh", "")):
            return text_reply("URL signature expired", 403)
        if match[1] not in self._frames:
            return text_reply("Not found", 404)
        return jpeg_reply(self._spheres.picture(self._frames[match[1]].place.pano_id, int(match[2])))

    def _with_token(self, answer: Callable[[Call, re.Match[str]], Reply]) -> Callable[[Call, re.Match[str]], Reply]:
        def checked(call: Call, match: re.Match[str]) -> Reply:
            if not self._access.mapillary_allows(call):
                return json_reply(_error("Invalid OAuth 2.0 Access Token", 190), 401)
            return answer(call, match)

        return checked

    def _fields(self, image_id: str, call: Call) -> dict[str, Any]:
        """The id and the fields that are asked for; those that there are not are left out, as Mapillary does."""
        frame = self._frames[image_id]
        asked = ["id", *filter(None, re.split(r"[\s,]+", call.query.get("fields", "")))]
        makers = self._makers(image_id, frame, call)
        return {name: makers[name]() for name in asked if name in makers}

    def _makers(self, image_id: str, frame: Frame, call: Call) -> dict[str, Callable[[], Any]]:
        place = frame.place
        makers: dict[str, Callable[[], Any]] = {
            "id": lambda: image_id,
            "geometry": lambda: self._point(frame, computed=False),
            "computed_geometry": lambda: self._point(frame, computed=True),
            "altitude": lambda: round(place.alt_m),
            "computed_altitude": lambda: place.alt_m,
            "compass_angle": lambda: round(place.heading_deg),
            "computed_compass_angle": lambda: place.heading_deg,
            "computed_rotation": lambda: rotation_of(place.heading_deg),
            "camera_type": lambda: "equirectangular",
            "camera_parameters": list,
            "width": lambda: self._width,
            "height": lambda: self._width // 2,
            "exif_orientation": lambda: 1,
            "is_pano": lambda: True,
            "captured_at": lambda: _milliseconds(frame),
            "sequence": lambda: _sequence(frame),
            "creator": lambda: {"username": "demo", "id": "1"},
            "make": lambda: "geonav",
            "model": lambda: "demo",
            "merge_cc": lambda: frame.drive + 1,
            "quality_score": lambda: 0.9,
            "atomic_scale": lambda: 1.0,
        }
        links = {name: lambda name=name: self._link(image_id, name, call) for name in _THUMB_WIDTHS}
        return makers | links

    def _link(self, image_id: str, field: str, call: Call) -> str:
        subject = f"{image_id}-{min(_THUMB_WIDTHS[field] or self._width, self._width)}"
        expires_at = int(self._access.clock() + self._access.link_lifetime_s)
        query = urlencode({"oe": expires_at, "oh": self._access.link_signature(subject, expires_at)})
        return f"{call.base_url}/mapillary-pictures/{subject}.jpg?{query}"

    @staticmethod
    def _point(frame: Frame, *, computed: bool) -> dict[str, Any]:
        place = frame.place
        # The camera's own GPS is coarser than what the reconstruction makes of it.
        spot = [place.lng, place.lat] if computed else [round(place.lng, 5), round(place.lat, 5)]
        return {"type": "Point", "coordinates": spot}


def rotation_of(heading_deg: float) -> list[float]:
    """Axis times angle of ``camera_from_world`` of a level camera (x right, y down, z forward; the world is ENU)."""
    sin, cos = np.sin(np.radians(heading_deg)), np.cos(np.radians(heading_deg))
    w, *axis = quaternion(np.array([[cos, -sin, 0.0], [0.0, 0.0, -1.0], [sin, cos, 0.0]]))
    length = float(np.linalg.norm(axis))
    angle = 2.0 * np.arctan2(length, w)
    return [float(part / length * angle) for part in axis]


def _passes(frame: Frame, query: dict[str, str]) -> bool:
    after, before = query.get("start_captured_at"), query.get("end_captured_at")
    if (after and frame.taken < _moment(after)) or (before and frame.taken > _moment(before)):
        return False
    if query.get("is_pano") == "false":
        return False
    wanted: Iterable[str] = query.get("sequence_ids", "").split(",")
    return wanted == [""] or _sequence(frame) in wanted


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _milliseconds(frame: Frame) -> int:
    return round(frame.taken.timestamp() * 1000)


def _sequence(frame: Frame) -> str:
    return f"demo-drive-{frame.drive:04d}"


def _error(message: str, code: int) -> dict[str, Any]:
    return {"error": {"message": message, "type": "MLYApiException", "code": code}}
