"""Where imagery and heights can come from; one line adds a source, and the contract tests pick it up."""

from __future__ import annotations

from geonav.registry import Registry

PROVIDERS = Registry(
    "provider",
    {
        "demo": "geonav.providers.demo.provider:DemoProvider",
        "google": "geonav.providers.google:GoogleStreetView",
        "mapillary": "geonav.providers.mapillary:Mapillary",
        "panoramax": "geonav.providers.panoramax:Panoramax",
    },
)

HEIGHT_SOURCES = Registry(
    "elevation source",
    {
        "constant": "geonav.providers.heights.constant:ConstantHeights",
        "geotiff": "geonav.providers.heights.geotiff:GeotiffHeights",
        "google": "geonav.providers.heights.google:GoogleHeights",
        "open-meteo": "geonav.providers.heights.open_meteo:OpenMeteoHeights",
        "url": "geonav.providers.heights.url:UrlHeights",
    },
)
