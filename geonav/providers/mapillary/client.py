"""The provider ``mapillary``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

from shapely.geometry.base import BaseGeometry

from geonav.config import GeonavConfig
from geonav.data.survey import Panorama, SamplePoint, SearchQuery, ViewSpec
from geonav.errors import AuthError, MissingError, NetworkError
from geonav.providers.boxes import BoxSearch, box_searches
from geonav.providers.http import HttpClient, HttpLimits, HttpResponse, Params
from geonav.providers.mapillary.parse import (
    SERVICE,
    TOKEN_ADVICE,
    TileImage,
    parse_answer,
    parse_entity,
    parse_tile,
    picture_address,
)
from geonav.providers.mapillary.request import (
    TILE_ZOOM,
    addresses_request,
    authorization,
    batches,
    entities_request,
    tile_path,
)

# Statuses whose body says what is wrong.
_EXPLAINED = (200, 400, 401, 403, 404)


class Mapillary:
    """Finds images through vector tiles, asks for their facts in groups, and fetches their pictures.

    An image belongs to the tile in which its camera's GPS put it, whatever its computed position.
    """

    name: str = "mapillary"
    paid_as: str | None = None
    searches: str = "boxes"

    def __init__(self, config: GeonavConfig, token: str) -> None:
        """Prepare to call ``config.mapillary.url``; no connection is made yet.

        Raises:
            UsageError: an address in the configuration is none.
        """
        self._fetch = config.fetch
        self._searches: dict[str, BoxSearch] = {}

        def client(url: str) -> HttpClient:
            return HttpClient(
                url,
                HttpLimits.of(config, config.mapillary.requests_per_minute),
                service=SERVICE,
                secrets=(token,),
                headers=authorization(token),
                key_advice=TOKEN_ADVICE,
            )

        self._graph = client(config.mapillary.url)
        self._tiles = client(config.mapillary.tiles_url)

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """The provider as configured.

        Raises:
            AuthError: there is no token.
            UsageError: an address in the configuration is none.
        """
        token = config.mapillary.access_token
        if token is None or not token.get_secret_value().strip():
            msg = f"{SERVICE} needs a token: {TOKEN_ADVICE}"
            raise AuthError(msg)
        return cls(config, token.get_secret_value().strip())

    def queries(self, area: BaseGeometry | None, points: Sequence[SamplePoint]) -> list[SearchQuery]:
        """One call for each tile that the area touches; the search radius about the points where there is none."""
        found = box_searches(area, points, TILE_ZOOM, self._fetch.search_radius_m)
        self._searches.update({search.query.key: search for search in found})
        return [search.query for search in found]

    def search(self, query: SearchQuery) -> list[Panorama]:
        """The images of a tile that lie in the part of the area which the query is for."""
        search = self._searches.get(query.key) or BoxSearch.of(query)
        ids = [image.image_id for image in self._listed(search) if search.contains(image.lat, image.lng)]
        entities = [entity for batch in batches(sorted(set(ids))) for entity in self._entities(batch)]
        found = [parse_entity(entity) for entity in entities]
        return [self._trusted(panorama) for panorama in found if panorama is not None]

    def picture(self, panorama: Panorama, view: ViewSpec | None) -> bytes:  # noqa: ARG002 - it cuts no views
        """The whole picture of an image, as large as there is.

        Raises:
            MissingError: the image is gone or has no picture.
        """
        refusal = ""
        for _ in range(2):
            address = self._address(panorama.pano_id)
            try:
                return self._graph.get_bytes(address)
            except AuthError as error:
                # Addresses expire; that one is refused says nothing about the token.
                refusal = str(error).partition(":")[0]
        msg = f"{refusal}: a new address of image {panorama.pano_id} was refused too; run the command again to go on"
        raise NetworkError(msg)

    def _address(self, image_id: str) -> str:
        address = picture_address(self._ask(image_id, addresses_request()))
        if address is None:
            msg = f"{SERVICE} has no picture of image {image_id} any more: leave it out"
            raise MissingError(msg)
        return address

    def _listed(self, search: BoxSearch) -> list[TileImage]:
        def images(response: HttpResponse) -> list[TileImage]:
            return parse_tile(response.content, search.tile)

        try:
            return self._tiles.call(tile_path(search.tile), images, accept=(200, 204))
        except MissingError:
            return []

    def _entities(self, image_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Facts of images; one that is gone may make the service refuse its whole group, which is then halved."""
        answer = self._ask("", entities_request(image_ids))
        if not answer and len(image_ids) > 1:
            middle = len(image_ids) // 2
            return self._entities(image_ids[:middle]) + self._entities(image_ids[middle:])
        return [answer[key] for key in image_ids if isinstance(answer.get(key), dict)]

    def _ask(self, path: str, params: Params) -> dict[str, Any]:
        def answer(response: HttpResponse) -> dict[str, Any]:
            return parse_answer(response.status, response.content)

        return self._graph.call(path, answer, params, accept=_EXPLAINED)

    def _trusted(self, panorama: Panorama) -> Panorama:
        """With the configured trust in place of the provider's, where there is one."""
        position, heading = self._fetch.position_std_m, self._fetch.heading_std_deg
        return replace(
            panorama,
            position_std_m=panorama.position_std_m if position is None else position,
            heading_std_deg=panorama.heading_std_deg if heading is None else heading,
        )
