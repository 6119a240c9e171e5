"""Whether the services answer: one call each, of those that cost nothing; what others would cost is said instead."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime

from geonav.config import GeonavConfig
from geonav.data.survey import SearchQuery
from geonav.errors import GeonavError
from geonav.pipeline.doctor import Check, failed
from geonav.providers.http import HttpClient, HttpLimits
from geonav.settings.milvus import SCHEMES, MilvusConfig

# Somewhere with imagery of every provider: the Eiffel Tower.
_LAT, _LNG = 48.8584, 2.2945
_BOX = f"{_LNG - 0.0005},{_LAT - 0.0005},{_LNG + 0.0005},{_LAT + 0.0005}"
_LIMITS = HttpLimits(attempts=2, backoff_s=0.2, timeout_s=10.0)
_MOST_SKEW_S = 300.0


def examine_online(config: GeonavConfig) -> Iterator[Check]:
    """Call every service that is configured, one after another."""
    quick = config.model_copy(update={"fetch": config.fetch.model_copy(update={"attempts": 2, "timeout_s": 10.0})})
    yield from _google(quick)
    yield _mapillary(quick)
    yield _panoramax(config)
    yield from _openstreetmap(config)
    if config.elevation.source == "open-meteo":
        yield _open_meteo(quick)
    if config.milvus.uri is not None and config.milvus.uri.startswith(SCHEMES):
        yield _milvus(config.milvus)


def _milvus(settings: MilvusConfig) -> Check:
    from geonav.retrieval.milvus_store import open_store

    return _tried("milvus", lambda: open_store(settings.uri or "", settings), is_needed=True)


def _google(config: GeonavConfig) -> Iterator[Check]:
    from geonav.providers.registry import PROVIDERS

    name = "google metadata"
    if config.google.api_key is None:
        yield Check(name, "ok", "not called: no key")
        return
    is_needed = config.fetch.provider in ("google", "demo")
    provider = config.fetch.provider if is_needed else "google"
    yield _tried(
        name,
        lambda: PROVIDERS.load(provider).from_config(config).search(SearchQuery("doctor", _LAT, _LNG, 50.0)),
        is_needed=is_needed,
    )
    prices = config.prices
    for service, tiers in (("images", prices.street_view), ("elevation", prices.elevation)):
        price = max(price for _, price in tiers)
        found = f"not called: a call costs up to USD {price / 1000:.4f} (prices of {prices.as_of})"
        yield Check(f"google {service}", "ok", found)


def _mapillary(config: GeonavConfig) -> Check:
    token = config.mapillary.access_token
    if token is None:
        return Check("mapillary", "ok", "not called: no token")
    secret = token.get_secret_value()

    def ask() -> None:
        headers = {"Authorization": f"OAuth {secret}"}
        client = HttpClient(config.mapillary.url, _LIMITS, service="Mapillary", secrets=(secret,), headers=headers)
        client.get_json("/images", {"bbox": _BOX, "limit": "1", "fields": "id"})

    return _tried("mapillary", ask, is_needed=config.fetch.provider == "mapillary")


def _panoramax(config: GeonavConfig) -> Check:
    def ask() -> None:
        client = HttpClient(config.panoramax.url, _LIMITS, service="Panoramax")
        client.get_json("/api/search", {"bbox": _BOX, "limit": "1"})

    return _tried("panoramax", ask, is_needed=config.fetch.provider == "panoramax")


def _openstreetmap(config: GeonavConfig) -> Iterator[Check]:
    answers: list[Mapping[str, str]] = []

    def ask() -> None:
        client = HttpClient(config.osm.nominatim_url, _LIMITS, service="Nominatim")
        answers.append(client.request("/status").headers)

    yield _tried("nominatim", ask, is_needed=False)
    if answers:
        yield _clock(answers[0])
    yield _tried(
        "overpass",
        lambda: HttpClient(config.osm.overpass_url, _LIMITS, service="Overpass").get_bytes("/status"),
        is_needed=False,
    )


def _clock(headers: Mapping[str, str]) -> Check:
    """Links of services expire by their clock."""
    date = next((value for name, value in headers.items() if name.lower() == "date"), "")
    try:
        skew_s = time.time() - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return Check("clock", "ok", "not compared: the service does not say its time")
    if abs(skew_s) > _MOST_SKEW_S:
        found = f"this machine's clock differs by {skew_s:+.0f} s from the services'"
        return Check("clock", "warn", found, "set it: links to pictures expire by it")
    return Check("clock", "ok", "as the services'")


def _open_meteo(config: GeonavConfig) -> Check:
    from geonav.providers.registry import HEIGHT_SOURCES

    source = HEIGHT_SOURCES.load("open-meteo").from_config
    return _tried("open-meteo", lambda: source(config).heights([(_LAT, _LNG)]), is_needed=True)


def _tried(name: str, call: Callable[[], object], *, is_needed: bool) -> Check:
    began = time.perf_counter()
    try:
        call()
    except GeonavError as error:
        return failed(name, error, is_needed=is_needed)
    return Check(name, "ok", f"answers ({time.perf_counter() - began:.2f} s)")
