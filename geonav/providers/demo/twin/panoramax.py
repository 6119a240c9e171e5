"""Panoramax: pictures as STAC items, drives as collections.

Sources: docs.panoramax.fr/api; stacspec.org; the extensions view and perspective-imagery.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlencode
from uuid import NAMESPACE_URL, uuid5

from shapely import box
from shapely.errors import ShapelyError
from shapely.geometry import Point, mapping, shape

from geonav.geometry.geodesy import GeoPoint, distance_m
from geonav.providers.demo.twin.city import City
from geonav.providers.demo.twin.drives import Frame, frames_of
from geonav.providers.demo.twin.spheres import Spheres
from geonav.providers.demo.twin.wire import (
    BadCallError,
    Call,
    Reply,
    Route,
    jpeg_reply,
    json_reply,
    numbers,
    text_reply,
    whole_number,
)

MAX_LIMIT = 10_000
DEFAULT_LIMIT = 10
LICENCE = "etalab-2.0"
FULL_WIDTH = 2048
_WIDTHS = {"hd": FULL_WIDTH, "sd": 2048, "thumb": 504}  # a multiple of 8, as the city renders
_UUID = r"([0-9a-f-]{36})"
_PLACE_DISTANCE_M = 15.0


class Panoramax:
    """Answers calls over a city."""

    def __init__(self, city: City, full_width: int = FULL_WIDTH, spheres: Spheres | None = None) -> None:
        self._city = city
        self._spheres = spheres or Spheres(city)
        self._width = full_width
        self._frames = {_uuid(frame.place.pano_id): frame for frame in frames_of(city)}
        self._collections = {_drive_id(frame.drive): frame.place.street for frame in self._frames.values()}

    def routes(self) -> list[Route]:
        """Its addresses."""
        collection = f"/api/collections/{_UUID}"
        return [
            Route("panoramax", re.compile("/api/?"), self.landing),
            Route("panoramax", re.compile("/api/search"), self.search),
            Route("panoramax", re.compile("/api/collections"), self.collections),
            Route("panoramax", re.compile(collection), self.collection),
            Route("panoramax", re.compile(f"{collection}/items"), self.items),
            Route("panoramax", re.compile(f"{collection}/items/{_UUID}"), self.item),
            Route(
                "panoramax_pictures", re.compile(rf"/api/pictures/{_UUID}/(hd|sd|thumb)\.jpg"), self.picture, "image"
            ),
        ]

    def landing(self, call: Call, _match: re.Match[str]) -> Reply:
        """What the service offers."""
        links = [{"rel": name, "href": f"{call.base_url}/api/{path}"} for name, path in (("search", "search"),)]
        answer = {"type": "Catalog", "id": "geonav-demo", "stac_version": "1.0.0", "title": self._city.name}
        return json_reply({**answer, "description": "A synthetic city.", "links": links})

    def search(self, call: Call, _match: re.Match[str]) -> Reply:
        """Items of an area; those of a box by their distance to its middle."""
        try:
            query = {**call.query, **(json.loads(call.body) if call.body else {})}
            found = self._chosen(query)
            limit = _limit(query)
        except (BadCallError, ShapelyError, ValueError, TypeError, KeyError, AttributeError) as error:
            return json_reply({"status_code": 400, "message": f"Parameter is not as it should be: {error}"}, 400)
        features = [self._item(item_id, call) for item_id in found[:limit]]
        return json_reply({"type": "FeatureCollection", "features": features, "links": []})

    def collections(self, call: Call, _match: re.Match[str]) -> Reply:
        """All drives."""
        found = [self._collection(drive_id, call) for drive_id in self._collections]
        return json_reply({"collections": found, "links": []})

    def collection(self, call: Call, match: re.Match[str]) -> Reply:
        """One drive."""
        return json_reply(self._collection(match[1], call)) if match[1] in self._collections else _missing()

    def items(self, call: Call, match: re.Match[str]) -> Reply:
        """Items of a drive, by page."""
        if match[1] not in self._collections:
            return _missing()
        try:
            limit = _limit(call.query)
            start = whole_number(call.query, "startAfterRank", 0)
        except BadCallError as error:
            return json_reply({"status_code": 400, "message": f"Parameter is not as it should be: {error}"}, 400)
        ranks = {key: f.rank for key, f in self._frames.items() if _drive_id(f.drive) == match[1] and f.rank > start}
        page = list(ranks)[:limit]
        links = []
        if len(page) < len(ranks):
            query = urlencode({"limit": limit, "startAfterRank": ranks[page[-1]]})
            links = [{"rel": "next", "type": "application/geo+json", "href": f"{call.base_url}{call.path}?{query}"}]
        features = [self._item(item_id, call) for item_id in page]
        return json_reply({"type": "FeatureCollection", "features": features, "links": links})

    def item(self, call: Call, match: re.Match[str]) -> Reply:
        """One item."""
        frame = self._frames.get(match[2])
        if frame is None or _drive_id(frame.drive) != match[1]:
            return _missing()
        return json_reply(self._item(match[2], call))

    def picture(self, _call: Call, match: re.Match[str]) -> Reply:
        """An equirectangular picture."""
        frame = self._frames.get(match[1])
        if frame is None:
            return text_reply("Not found", 404)
        return jpeg_reply(self._spheres.picture(frame.place.pano_id, min(_WIDTHS[match[2]], self._width)))

    def _chosen(self, query: dict[str, Any]) -> list[str]:
        found = dict(self._frames)
        if ids := _listed(query.get("ids")):
            found = {key: frame for key, frame in found.items() if key in ids}
        if drives := _listed(query.get("collections")):
            found = {key: frame for key, frame in found.items() if _drive_id(frame.drive) in drives}
        if query.get("intersects"):
            area = query["intersects"]
            area = shape(json.loads(area) if isinstance(area, str) else area)
            found = {key: f for key, f in found.items() if area.intersects(Point(f.place.lng, f.place.lat))}
        if query.get("bbox"):
            found = _within_box(found, numbers(_joined(query["bbox"]), 4))
        if query.get("place_position"):
            lng, lat = numbers(_joined(query["place_position"]), 2)
            reach = numbers(str(query.get("place_distance", f"0-{_PLACE_DISTANCE_M}")).rpartition("-")[2], 1)[0]
            found = _by_distance(found, lat, lng, reach)
        return list(found)

    def _collection(self, drive_id: str, call: Call) -> dict[str, Any]:
        frames = [f for f in self._frames.values() if _drive_id(f.drive) == drive_id]
        lngs, lats = [f.place.lng for f in frames], [f.place.lat for f in frames]
        times = [min(f.taken for f in frames).isoformat(), max(f.taken for f in frames).isoformat()]
        extent = [min(lngs), min(lats), max(lngs), max(lats)]
        return {
            "type": "Collection",
            "id": drive_id,
            "stac_version": "1.0.0",
            "title": self._collections[drive_id],
            "description": "A drive along a street.",
            "license": LICENCE,
            "extent": {"spatial": {"bbox": [extent]}, "temporal": {"interval": [times]}},
            "links": [{"rel": "items", "href": f"{call.base_url}/api/collections/{drive_id}/items"}],
            "stats:items": {"count": len(frames)},
        }

    def _item(self, item_id: str, call: Call) -> dict[str, Any]:
        frame = self._frames[item_id]
        place = frame.place
        pictures = f"{call.base_url}/api/pictures/{item_id}"
        roles = {"hd": "data", "sd": "visual", "thumb": "thumbnail"}
        properties = {
            "datetime": frame.taken.isoformat(),
            "datetimetz": frame.taken.isoformat(),
            "license": LICENCE,
            "view:azimuth": place.heading_deg % 360.0,
            "pers:interior_orientation": {
                "camera_manufacturer": "geonav",
                "camera_model": "demo",
                "field_of_view": 360,
                "sensor_array_dimensions": [self._width, self._width // 2],
            },
            "pers:pitch": 0,
            "pers:roll": 0,
            "quality:horizontal_accuracy": 0.1,
            "geovisio:rank_in_collection": frame.rank,
            "geovisio:producer": "geonav demo",
        }
        return {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": item_id,
            "collection": _drive_id(frame.drive),
            "geometry": mapping(Point(place.lng, place.lat)),
            "bbox": [place.lng, place.lat, place.lng, place.lat],
            "providers": [{"name": "geonav demo", "roles": ["producer"]}],
            "properties": properties,
            "assets": {
                name: {"href": f"{pictures}/{name}.jpg", "type": "image/jpeg", "roles": [role]}
                for name, role in roles.items()
            },
            "links": [],
        }


def _within_box(frames: dict[str, Frame], bounds: tuple[float, ...]) -> dict[str, Frame]:
    west, south, east, north = bounds
    area = box(west, south, east, north)
    inside = {key: f for key, f in frames.items() if area.covers(Point(f.place.lng, f.place.lat))}
    return _by_distance(inside, area.centroid.y, area.centroid.x, float("inf"))


def _by_distance(frames: dict[str, Frame], lat: float, lng: float, reach_m: float) -> dict[str, Frame]:
    middle = GeoPoint(lat, lng)
    far = {key: distance_m(middle, GeoPoint(f.place.lat, f.place.lng)) for key, f in frames.items()}
    return {key: frames[key] for key in sorted(far, key=far.__getitem__) if far[key] <= reach_m}


def _limit(query: dict[str, Any]) -> int:
    limit = whole_number(query, "limit", DEFAULT_LIMIT)
    if not 1 <= limit <= MAX_LIMIT:
        name = "limit"
        raise BadCallError(name)
    return limit


def _listed(value: object) -> list[str]:
    """A list as JSON, as a comma-separated text or as it is."""
    if isinstance(value, str):
        return [str(part) for part in json.loads(value)] if value.startswith("[") else value.split(",")
    return [str(part) for part in value] if isinstance(value, list) else []


def _joined(value: object) -> str:
    return ",".join(_listed(value))


def _missing() -> Reply:
    return json_reply({"status_code": 404, "message": "It does not exist"}, 404)


def _uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"geonav-demo:picture:{name}"))


def _drive_id(drive: int) -> str:
    return str(uuid5(NAMESPACE_URL, f"geonav-demo:drive:{drive}"))
