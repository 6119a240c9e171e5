"""The provider ``google``: Street View Static."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar, Self

from shapely.geometry.base import BaseGeometry

from geonav.config import GeonavConfig
from geonav.data.survey import Panorama, SamplePoint, SearchQuery, ViewSpec
from geonav.errors import MissingError, UsageError
from geonav.providers.google.credentials import KEY_ADVICE, Credentials
from geonav.providers.google.parse import SERVICE, PanoramaFacts, check_picture, parse_metadata
from geonav.providers.google.request import (
    IMAGE_PATH,
    METADATA_PATH,
    address,
    check_view,
    image_request,
    location,
    metadata_request,
)
from geonav.providers.http import HttpClient, HttpLimits, HttpResponse, json_of
from geonav.providers.metering import CallMeter


class GoogleStreetView:
    """Finds the panorama nearest to each point and has Google cut views of it.

    The metadata gives a position and no heading, tilt or height: Google turns every view to the true north and
    levels it, by what its car measured.
    """

    name: str = "google"
    paid_as: str | None = "street_view"
    searches: str = "points"
    # Surveyed points gave panoramas' positions an error of 1.2 to 1.6 m along the worse axis (Tsai & Chang); satellite
    # reception in other streets is worse, hence twice that. Headings come from the drive and inertial sensors.
    position_std_m: ClassVar[float] = 3.0
    heading_std_deg: ClassVar[float] = 2.0
    # A user's own camera: a telephone's position and compass.
    user_position_std_m: ClassVar[float] = 10.0
    user_heading_std_deg: ClassVar[float] = 10.0

    def __init__(self, config: GeonavConfig, credentials: Credentials) -> None:
        """Prepare to call ``config.google.url``; no connection is made yet.

        Raises:
            UsageError: that is no http(s) address.
        """
        self._credentials = credentials
        self._fetch = config.fetch
        self.meter = CallMeter()
        self._http = HttpClient(
            config.google.url,
            HttpLimits.of(config, config.google.requests_per_minute),
            service=SERVICE,
            secrets=credentials.secrets,
            key_advice=KEY_ADVICE,
        )

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """The provider as configured.

        Raises:
            AuthError: there is no key.
            UsageError: Google's terms are not acknowledged, or the address is none.
        """
        return cls(config, Credentials.from_config(config))

    def queries(self, area: BaseGeometry | None, points: Sequence[SamplePoint]) -> list[SearchQuery]:  # noqa: ARG002
        """One call for each point; points that agree to a centimetre are one."""
        radius_m = self._fetch.search_radius_m
        keys = {f"{location(point.lat, point.lng)}/{radius_m:g}": point for point in points}
        return [SearchQuery(key, point.lat, point.lng, radius_m) for key, point in keys.items()]

    def search(self, query: SearchQuery) -> list[Panorama]:
        """The panorama nearest to the middle of ``query``; empty where there is none within its radius."""
        url = address(METADATA_PATH, metadata_request(query), self._credentials)
        facts = self._http.call(url, _metadata_of)
        return [] if facts is None else [self._panorama(facts)]

    def refreshed(self, panorama: Panorama) -> Panorama:
        """What stands in a panorama's place today; names of panoramas change when imagery is taken anew.

        Raises:
            MissingError: nothing does.
        """
        radius_m = self._fetch.search_radius_m
        found = self.search(SearchQuery(panorama.pano_id, panorama.lat, panorama.lng, radius_m))
        if not found:
            msg = f"{SERVICE} has no panorama within {radius_m:g} m of {location(panorama.lat, panorama.lng)} any more"
            raise MissingError(msg)
        return found[0]

    def picture(self, panorama: Panorama, view: ViewSpec | None) -> bytes:
        """The JPEG of one view, checked: whole, of the size asked for, and not the picture that says "no imagery".

        Raises:
            UsageError: no view is given, or one that Google would silently change.
            MissingError: the panorama is gone.
        """
        if view is None:
            msg = f"{SERVICE} gives views of a panorama, not the whole of it: say which"
            raise UsageError(msg)

        def checked(response: HttpResponse) -> bytes:
            check_picture(response.content, view.width, view.height)
            return response.content

        url = address(IMAGE_PATH, image_request(panorama.pano_id, view), self._credentials)
        with suppress(MissingError):
            return self._http.call(url, checked, meter=self.meter)
        msg = f"{SERVICE} no longer has panorama {panorama.pano_id}; 'geonav fetch metadata --refresh' finds another"
        raise MissingError(msg)

    def check_view(self, view: ViewSpec) -> None:
        """Refuse a view that Google would silently change, before anything is called. Raises UsageError."""
        check_view(view)

    def _panorama(self, facts: PanoramaFacts) -> Panorama:
        fetch = self._fetch
        position_std_m = self.position_std_m if facts.is_googles else self.user_position_std_m
        heading_std_deg = self.heading_std_deg if facts.is_googles else self.user_heading_std_deg
        return Panorama(
            provider=self.name,
            pano_id=facts.pano_id,
            lat=facts.lat,
            lng=facts.lng,
            projection="cut_by_provider",
            captured_at=facts.captured_at,
            licence="Google Maps Platform Terms of Service",
            attribution=facts.copyright or None,
            position_std_m=position_std_m if fetch.position_std_m is None else fetch.position_std_m,
            heading_std_deg=heading_std_deg if fetch.heading_std_deg is None else fetch.heading_std_deg,
            extra={"copyright": facts.copyright, "is_googles": facts.is_googles},
        )


def _metadata_of(response: HttpResponse) -> PanoramaFacts | None:
    return parse_metadata(json_of(response, SERVICE))
