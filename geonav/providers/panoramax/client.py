"""The provider ``panoramax``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

from shapely.geometry.base import BaseGeometry

from geonav.config import GeonavConfig
from geonav.data.survey import Panorama, SamplePoint, SearchQuery, ViewSpec
from geonav.errors import AuthError, MissingError
from geonav.providers.boxes import BoxSearch, box_searches
from geonav.providers.http import HttpClient, HttpLimits, HttpResponse, Params, json_of
from geonav.providers.panoramax.parse import SERVICE, asset_addresses, parse_item, parse_items, position
from geonav.providers.panoramax.request import (
    LIMIT,
    SEARCH_PATH,
    TILE_ZOOM,
    Box,
    item_request,
    picture_address,
    quarters,
    search_request,
)

_NO_KEY = "it needs none, so check the url in the configuration"
logger = logging.getLogger(__name__)


class Panoramax:
    """Finds pictures in small boxes and fetches them; needs no account."""

    name: str = "panoramax"
    paid_as: str | None = None
    searches: str = "boxes"

    def __init__(self, config: GeonavConfig) -> None:
        """Prepare to call ``config.panoramax.url``; no connection is made yet.

        Raises:
            UsageError: that is no http(s) address.
        """
        self._fetch = config.fetch
        self._searches: dict[str, BoxSearch] = {}
        limits = HttpLimits.of(config, config.panoramax.requests_per_minute)
        self._http = HttpClient(config.panoramax.url, limits, service=SERVICE, key_advice=_NO_KEY)

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """The provider as configured. Raises UsageError where its address is none."""
        return cls(config)

    def queries(self, area: BaseGeometry | None, points: Sequence[SamplePoint]) -> list[SearchQuery]:
        """One call for each tile that the area touches; the search radius about the points where there is none."""
        found = box_searches(area, points, TILE_ZOOM, self._fetch.search_radius_m)
        self._searches.update({search.query.key: search for search in found})
        return [search.query for search in found]

    def search(self, query: SearchQuery) -> list[Panorama]:
        """The pictures of a tile that lie in the part of the area which the query is for."""
        search = self._searches.get(query.key) or BoxSearch.of(query)
        found = []
        for item in self._items(query.box or search.tile.box).values():
            place = position(item)
            panorama = parse_item(item) if place is not None and search.contains(*place) else None
            if panorama is not None:
                found.append(self._trusted(panorama))
        return found

    def picture(self, panorama: Panorama, view: ViewSpec | None) -> bytes:  # noqa: ARG002 - it cuts no views
        """The whole picture, as large as there is; its address is asked for, because instances move.

        Raises:
            MissingError: the picture is gone.
        """
        items = self._ask(item_request(panorama.pano_id))
        addresses = [address for item in items for address in asset_addresses(item)]
        for address in addresses:
            try:
                return self._http.get_bytes(picture_address(address, self._http.base_url))
            except (MissingError, AuthError):  # gone, or hidden by its producer
                continue
        msg = f"{SERVICE} has no picture of item {panorama.pano_id} any more: leave it out"
        raise MissingError(msg)

    def _items(self, box: Box) -> dict[str, dict[str, Any]]:
        """All items of a box by their ids; a box with more than one answer holds is split."""
        items = self._ask(search_request(box))
        found = {str(item.get("id")): item for item in items}
        if len(items) < LIMIT:
            return found
        parts = quarters(box)
        if not parts:
            logger.warning("%s has more than %d pictures at %.6f,%.6f: the rest is left out", SERVICE, LIMIT, *box[:2])
        for part in parts:
            found |= self._items(part)
        return found

    def _ask(self, params: Params) -> list[dict[str, Any]]:
        def items(response: HttpResponse) -> list[dict[str, Any]]:
            return parse_items(json_of(response, SERVICE))

        return self._http.call(SEARCH_PATH, items, params)

    def _trusted(self, panorama: Panorama) -> Panorama:
        """With the configured trust in place of the provider's, where there is one."""
        position_std_m, heading_std_deg = self._fetch.position_std_m, self._fetch.heading_std_deg
        return replace(
            panorama,
            position_std_m=panorama.position_std_m if position_std_m is None else position_std_m,
            heading_std_deg=panorama.heading_std_deg if heading_std_deg is None else heading_std_deg,
        )
