"""The source ``open-meteo``: Copernicus GLO-90, needs no account; free where the use is not commercial.

Source: open-meteo.com/en/docs/elevation-api. It passes on the Copernicus DEM, whose heights refer to EGM2008. They
are of the surface, roofs and treetops included, in cells of 90 m.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from geonav.config import GeonavConfig
from geonav.providers.heights.answers import parse_list
from geonav.providers.http import HttpClient, HttpLimits, HttpResponse, json_of

SERVICE = "Open-Meteo"
# Its free use ends at 600 calls a minute, and a call for 100 places may count as several.
_REQUESTS_PER_MINUTE = 120


class OpenMeteoHeights:
    """Asks Open-Meteo."""

    name: str = "open-meteo"
    datum: str = "egm2008"
    paid_as: str | None = None
    batch_size: int = 100

    def __init__(self, http: HttpClient) -> None:
        """Ask through ``http``."""
        self._http = http

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """The source as configured.

        Raises:
            UsageError: the address is none.
        """
        limits = HttpLimits.of(config, _REQUESTS_PER_MINUTE)
        return cls(HttpClient(config.elevation.open_meteo_url, limits, service=SERVICE))

    def heights(self, points: Sequence[tuple[float, float]]) -> list[float | None]:
        """Heights above EGM2008, by index; None where there are none."""
        if not points:
            return []

        def parsed(response: HttpResponse) -> list[float | None]:
            data = json_of(response, SERVICE)
            return parse_list(data.get("elevation") if isinstance(data, dict) else data, len(points), SERVICE)

        lats, lngs = (",".join(f"{value:.6f}" for value in values) for values in zip(*points, strict=True))
        return self._http.call("/v1/elevation", parsed, {"latitude": lats, "longitude": lngs})
