"""Nominatim: places by their names.

Source: nominatim.org/release-docs/latest/api/Search. The city is a boundary, a street a line, the town hall a point.
"""

from __future__ import annotations

import re
from typing import Any

from shapely import LineString, Point, Polygon
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from geonav.providers.demo.twin.city import City
from geonav.providers.demo.twin.overpass import line_of
from geonav.providers.demo.twin.wire import Call, Reply, Route, json_reply, text_reply

LICENCE = "Data © geonav demo"
TOWN_HALL = "Rathaus"
# The policy asks programs to name themselves; these are the names of libraries.
_NAMELESS = re.compile(r"(python-requests|geopy|python-urllib|curl)\b|$", re.IGNORECASE)


class Nominatim:
    """Answers calls over a city."""

    def __init__(self, city: City) -> None:
        self._name = city.name
        middle = city.frame.origin
        self._known: list[tuple[str, str, str, BaseGeometry]] = [
            (city.name, "boundary", "administrative", city.outline),
            (TOWN_HALL, "amenity", "townhall", Point(middle.lng_deg, middle.lat_deg)),
            *((street.name, "highway", "residential", line_of(street, city.frame)) for street in city.streets),
        ]

    def routes(self) -> list[Route]:
        """Its addresses."""
        return [
            Route("nominatim", re.compile(r"/search(\.php)?"), self.search),
            Route("nominatim_status", re.compile(r"/status(\.php)?"), lambda _call, _match: text_reply("OK")),
        ]

    def search(self, call: Call, _match: re.Match[str] | None = None) -> Reply:
        """Places whose name is asked for, best first; an empty list where there are none."""
        if _NAMELESS.match(call.headers.get("user-agent", "")):
            return text_reply("Access blocked: give the application's own User-Agent.", 403)
        query = call.query
        words = query.get("q") or query.get("city") or query.get("street")
        if not words:
            return json_reply({"error": {"code": 400, "message": "Nothing to search for."}}, 400)
        found = [place for place in self._known if self._fits(place[0], words)]
        limit = int(query["limit"]) if query.get("limit", "").isdecimal() else 10
        entries = [
            _entry(number, place, self._name, with_shape=query.get("polygon_geojson") == "1")
            for number, place in enumerate(found[:limit], start=1)
        ]
        return json_reply(_feature_collection(entries) if query.get("format") == "geojson" else entries)

    def _fits(self, name: str, words: str) -> bool:
        parts = [" ".join(part.split()).casefold() for part in words.split(",")]
        return parts[0] == name.casefold() and all(part == self._name.casefold() for part in parts[1:])


def _entry(number: int, place: tuple[str, str, str, BaseGeometry], city: str, *, with_shape: bool) -> dict[str, Any]:
    name, key, value, shape = place
    west, south, east, north = shape.bounds
    kinds = ((Polygon, "relation"), (LineString, "way"), (Point, "node"))
    entry = {
        "place_id": number,
        "licence": LICENCE,
        "osm_type": next((kind for cls, kind in kinds if isinstance(shape, cls)), "relation"),
        "osm_id": number,
        "lat": f"{shape.centroid.y:.7f}",
        "lon": f"{shape.centroid.x:.7f}",
        "class": key,
        "type": value,
        "importance": 0.5,
        "name": name,
        "display_name": name if name == city else f"{name}, {city}",
        "boundingbox": [f"{edge:.7f}" for edge in (south, north, west, east)],
    }
    return {**entry, "geojson": mapping(shape)} if with_shape else entry


def _feature_collection(entries: list[dict[str, Any]]) -> dict[str, Any]:
    features = []
    for entry in entries:
        spot = {"type": "Point", "coordinates": [float(entry["lon"]), float(entry["lat"])]}
        others = {name: value for name, value in entry.items() if name not in ("geojson", "lat", "lon")}
        features.append({"type": "Feature", "properties": others, "geometry": entry.get("geojson", spot)})
    return {"type": "FeatureCollection", "licence": LICENCE, "features": features}
