"""The source ``url``: any service that answers in Google's shape, such as Open Topo Data or Open-Elevation.

Open-Elevation answers 0 where it knows no height; only its operator can tell that from sea level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self
from urllib.parse import parse_qsl, quote, urlsplit

from geonav.config import GeonavConfig
from geonav.errors import UsageError
from geonav.providers.heights.answers import parse_results
from geonav.providers.http import HttpClient, HttpLimits, HttpResponse, json_of

SERVICE = "elevation service"
_PLACE = "{locations}"
# What public hosts ask for.
_REQUESTS_PER_MINUTE = 60
_SHORTEST_SECRET = 8


class UrlHeights:
    """Fills points into an address: ``{locations}`` becomes ``lat,lng|lat,lng``."""

    name: str = "url"
    paid_as: str | None = None
    batch_size: int = 100

    def __init__(self, template: str, datum: str, limits: HttpLimits) -> None:
        """``template`` is an http(s) address with ``{locations}``; its heights refer to ``datum``.

        Raises:
            UsageError: the address is none, or names no place for the points.
        """
        parts = urlsplit(template)
        self._http = HttpClient(
            f"{parts.scheme}://{parts.netloc}", limits, service=SERVICE, secrets=_possible_secrets(template)
        )
        if _PLACE not in template:
            msg = f"[elevation] url has no {_PLACE} to fill in: write it where the points belong"
            raise UsageError(msg)
        self.datum = datum
        self._template = template

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """The source as configured.

        Raises:
            UsageError: no address is set, or one that cannot be used.
        """
        if config.elevation.url is None:
            msg = f"the elevation source 'url' needs an address with {_PLACE}: set url under [elevation]"
            raise UsageError(msg)
        return cls(config.elevation.url, config.elevation.datum, HttpLimits.of(config, _REQUESTS_PER_MINUTE))

    def heights(self, points: Sequence[tuple[float, float]]) -> list[float | None]:
        """Heights above the configured datum, by index; None where there are none."""
        if not points:
            return []

        def parsed(response: HttpResponse) -> list[float | None]:
            return parse_results(json_of(response, SERVICE), len(points), SERVICE)

        places = "|".join(f"{lat:.7f},{lng:.7f}" for lat, lng in points)
        return self._http.call(self._template.replace(_PLACE, quote(places, safe=",")), parsed)


def _possible_secrets(template: str) -> tuple[str, ...]:
    """Whatever in the address might be a key: nobody says under which name services want theirs."""
    parts = urlsplit(template)
    values = [value for _, value in parse_qsl(parts.query)] + [parts.username or "", parts.password or ""]
    values += [segment for segment in parts.path.split("/") if len(segment) >= 2 * _SHORTEST_SECRET]
    return tuple(value for value in values if len(value) >= _SHORTEST_SECRET and _PLACE not in value)
