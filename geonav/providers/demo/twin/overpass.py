"""Overpass: the streets as ways and nodes, for queries of highways within a polygon, a box or a disc.

Source: dev.overpass-api.de/overpass-doc; wiki.openstreetmap.org/wiki/Overpass_API/Overpass_QL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
from shapely import LineString, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from geonav.geometry.geodesy import LocalFrame
from geonav.providers.demo.twin.city import City, Street
from geonav.providers.demo.twin.wire import Call, Reply, Route, json_reply, text_reply

_FIRST_NODE, _FIRST_WAY = 1_000_000, 2_000_000
_DECIMALS = 7  # of a degree, as OpenStreetMap stores them
_STATUS = """Connected as: 0
Current time: 2026-01-01T00:00:00Z
Announced endpoint: none
Rate limit: 0
6 slots available now.
Currently running queries (pid, space limit, time limit, start time):
"""


def line_of(street: Street, frame: LocalFrame) -> LineString:
    """A street in degrees, lng before lat."""
    lats, lngs, _ = frame.geo_from_enu(np.array([street.start_enu, street.end_enu], float))
    return LineString(list(zip(lngs.tolist(), lats.tolist(), strict=True)))


class Overpass:
    """Answers calls over a city."""

    def __init__(self, city: City) -> None:
        self._names = [street.name for street in city.streets]
        self._lines = _joined([line_of(street, city.frame) for street in city.streets])
        ends = sorted({point for line in self._lines for point in line.coords})
        self._nodes = {point: _FIRST_NODE + number for number, point in enumerate(ends)}

    def routes(self) -> list[Route]:
        """Its addresses."""
        return [
            Route("overpass", re.compile("/api/interpreter"), self.interpreter),
            Route("overpass_status", re.compile("/api/status"), lambda _call, _match: text_reply(_STATUS)),
        ]

    def interpreter(self, call: Call, _match: re.Match[str] | None = None) -> Reply:
        """The ways that touch the area, whole, and their nodes."""
        query = call.form.get("data") or call.query.get("data") or call.body.decode("utf-8", "replace")
        try:
            area = _area(query)
        except ValueError:
            area = None
        if area is None:
            return text_reply("Error: line 1: parse error: no area is given", 400)
        wanted = [n for n, line in enumerate(self._lines) if "highway" in query and line.intersects(area)]
        used = sorted({point for n in wanted for point in self._lines[n].coords})
        nodes = [{"type": "node", "id": self._nodes[point], **_degrees(point)} for point in used]
        elements = [*nodes, *(self._way(n) for n in wanted)]
        return json_reply({"version": 0.6, "generator": "geonav demo", "elements": elements})

    def _way(self, number: int) -> dict[str, Any]:
        points = list(self._lines[number].coords)
        return {
            "type": "way",
            "id": _FIRST_WAY + number,
            "nodes": [self._nodes[point] for point in points],
            "geometry": [_degrees(point) for point in points],
            "tags": {"highway": "residential", "name": self._names[number]},
        }


def _joined(lines: list[LineString]) -> list[LineString]:
    """The lines with a shared point wherever two of them cross."""
    points = [{(round(x, _DECIMALS), round(y, _DECIMALS)) for x, y in line.coords} for line in lines]
    for a, b in combinations(range(len(lines)), 2):
        crossing = lines[a].intersection(lines[b])
        if isinstance(crossing, Point) and not crossing.is_empty:
            shared = round(crossing.x, _DECIMALS), round(crossing.y, _DECIMALS)
            points[a].add(shared)
            points[b].add(shared)
    return [_in_order(line, found) for line, found in zip(lines, points, strict=True)]


def _in_order(line: LineString, points: Iterable[tuple[float, float]]) -> LineString:
    return LineString(sorted(points, key=lambda point: line.project(Point(point))))


def _degrees(point: tuple[float, ...]) -> dict[str, float]:
    return {"lat": point[1], "lon": point[0]}


def _area(query: str) -> BaseGeometry | None:
    """The polygon, disc or box of a query; None where it names none."""
    if found := re.search(r"poly:\s*['\"]([^'\"]+)['\"]", query):
        values = [float(word) for word in found[1].split()]
        return Polygon(list(zip(values[1::2], values[::2], strict=True)))
    if found := re.search(r"around:\s*([\d.]+)\s*,\s*(-?[\d.]+)\s*,\s*(-?[\d.]+)", query):
        radius, lat, lng = map(float, found.groups())
        return Point(lng, lat).buffer(radius / 111_320.0)
    if found := re.search(r"\(\s*(-?[\d.]+)\s*,\s*(-?[\d.]+)\s*,\s*(-?[\d.]+)\s*,\s*(-?[\d.]+)\s*\)", query):
        south, west, north, east = map(float, found.groups())
        return box(west, south, east, north)
    return None
