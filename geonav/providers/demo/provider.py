"""The provider ``demo``: the synthetic city, asked as Google Street View is, at a twin on this machine."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Self

from geonav.config import GeonavConfig
from geonav.data.survey import Panorama
from geonav.errors import UsageError
from geonav.providers.google import GoogleStreetView
from geonav.providers.google.credentials import is_googles_own
from geonav.providers.google.parse import PanoramaFacts


class DemoProvider(GoogleStreetView):
    """Google's provider at a twin; its panoramas are where they say, as far as the city's plan has no noise."""

    name = "demo"
    paid_as = None
    position_std_m: ClassVar[float] = 0.05
    heading_std_deg: ClassVar[float] = 0.3
    user_position_std_m: ClassVar[float] = 0.05
    user_heading_std_deg: ClassVar[float] = 0.3

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """The provider as configured.

        Raises:
            UsageError: ``google.url`` is Google's own: no twin is named.
            AuthError: there is no key; a twin takes any.
        """
        if is_googles_own(config.google.url):
            msg = (
                "the provider demo needs its server: run 'geonav demo serve' in another terminal and set what it prints"
            )
            raise UsageError(msg)
        return super().from_config(config)

    def _panorama(self, facts: PanoramaFacts) -> Panorama:
        return dataclasses.replace(super()._panorama(facts), licence="CC0-1.0")
