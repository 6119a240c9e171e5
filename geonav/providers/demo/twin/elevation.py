"""Google Elevation, and Open-Meteo's.

Sources: developers.google.com/maps/documentation/elevation/requests-elevation; open-meteo.com/en/docs/elevation-api.
"""

from __future__ import annotations

import re

from geonav.geometry.geodesy import GeoPoint, distance_m
from geonav.providers.demo.twin.access import Access
from geonav.providers.demo.twin.city import City
from geonav.providers.demo.twin.wire import BadCallError, Call, Reply, Route, json_reply, position

MAX_LOCATIONS = 512
MAX_OPEN_METEO = 100
_RESOLUTION_M = 4.77
# Beyond it the city's ground has no meaning.
_REACH_M = 20_000.0


class Elevation:
    """Answers calls over a city."""

    def __init__(self, city: City, access: Access) -> None:
        self._city = city
        self._access = access

    def routes(self) -> list[Route]:
        """Its addresses."""
        return [
            Route("elevation", re.compile("/maps/api/elevation/json"), self.google, "google"),
            Route("open_meteo", re.compile("/v1/elevation"), self.open_meteo),
        ]

    def google(self, call: Call, _match: re.Match[str] | None = None) -> Reply:
        """Heights of ``locations``, listed or as a polyline."""
        refusal = self._access.google_refusal(call, signed=False)
        if refusal is not None:
            return _failure("REQUEST_DENIED", refusal)
        try:
            points = _locations(call.query.get("locations", ""))
        except BadCallError as error:
            return _failure("INVALID_REQUEST", f"Invalid request: {error}")
        if all(self._is_far(lat, lng) for lat, lng in points):
            return json_reply({"results": [], "status": "DATA_NOT_AVAILABLE"})
        results = [
            {
                "elevation": self._city.ground_m(lat, lng),
                "location": {"lat": lat, "lng": lng},
                "resolution": _RESOLUTION_M,
            }
            for lat, lng in points
        ]
        return json_reply({"results": results, "status": "OK"}, billed_as="elevation")

    def open_meteo(self, call: Call, _match: re.Match[str] | None = None) -> Reply:
        """Heights of the pairs of ``latitude`` and ``longitude``."""
        lats, lngs = (call.query.get(name, "").split(",") for name in ("latitude", "longitude"))
        try:
            points = [position(f"{lat},{lng}") for lat, lng in zip(lats, lngs, strict=True)]
        except (BadCallError, ValueError):
            return json_reply({"error": True, "reason": "Parameters must be as many, and positions."}, 400)
        if len(points) > MAX_OPEN_METEO:
            return json_reply({"error": True, "reason": f"No more than {MAX_OPEN_METEO} positions."}, 400)
        return json_reply({"elevation": [round(self._city.ground_m(lat, lng), 1) for lat, lng in points]})

    def _is_far(self, lat: float, lng: float) -> bool:
        return distance_m(self._city.frame.origin, GeoPoint(lat, lng)) > _REACH_M


def _failure(status: str, message: str) -> Reply:
    return json_reply({"error_message": message, "results": [], "status": status})


def _locations(text: str) -> list[tuple[float, float]]:
    encoded = text.removeprefix("enc:")
    points = decode_polyline(encoded) if encoded != text else [position(part) for part in text.split("|")]
    if not 1 <= len(points) <= MAX_LOCATIONS:
        problem = f"{len(points)} locations"
        raise BadCallError(problem)
    return points


def decode_polyline(text: str) -> list[tuple[float, float]]:
    """Positions out of Google's encoded polyline: differences of 1e-5 degrees, five bits a character.

    Raises:
        BadCallError: it ends within a number, or holds characters that it cannot.
    """
    values = _signed_numbers(text)
    if len(values) % 2:
        problem = "polyline"
        raise BadCallError(problem)
    points, lat, lng = [], 0, 0
    for step_lat, step_lng in zip(values[::2], values[1::2], strict=True):
        lat, lng = lat + step_lat, lng + step_lng
        points.append((lat * 1e-5, lng * 1e-5))
    return points


def _signed_numbers(text: str) -> list[int]:
    values, value, shift = [], 0, 0
    for character in text:
        chunk = ord(character) - 63
        if not 0 <= chunk < 64:
            break
        value |= (chunk & 0x1F) << shift
        shift += 5
        if chunk < 0x20:
            values.append(~(value >> 1) if value & 1 else value >> 1)
            value, shift = 0, 0
    else:
        if not shift:
            return values
    problem = "polyline"
    raise BadCallError(problem)
