"""Where a place is and what its outline is: OpenStreetMap's Nominatim, asked as its usage policy wants."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import platformdirs
import shapely
from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry

from geonav import __version__
from geonav.config import GeonavConfig
from geonav.data.files import atomic_write_json
from geonav.errors import AuthError, ConfigError, GeonavError, InputError, NetworkError, QuotaError
from geonav.providers.redaction import redact
from geonav.providers.shared_pace import paced

if TYPE_CHECKING:
    from geopy.geocoders import Nominatim

USER_AGENT = f"geonav/{__version__}"
_MAX_RESULTS = 5
_TRIES = 3
_LONGEST_PAUSE_S = 60.0
_CACHED_KEYS = ("display_name", "lat", "lon", "type", "class", "osm_type", "osm_id", "geojson")


@dataclass(frozen=True)
class Place:
    """A place that OpenStreetMap knows.

    Attributes:
        name: in full, as OpenStreetMap has it.
        lat: of its centre, degrees.
        lng: of its centre, degrees.
        outline: polygons in longitude and latitude, holes included; None where it is a point or a line.
        kind: what it is, for example ``"boundary administrative"``.
    """

    name: str
    lat: float
    lng: float
    outline: BaseGeometry | None
    kind: str


def find_place(name: str, config: GeonavConfig) -> Place:
    """Look a place up, in the cache or by one call.

    Raises:
        InputError: no such place is known.
        AuthError: the service refuses to be used.
        NetworkError: the service cannot be reached, or its answer makes no sense.
        ConfigError: its address is none.
        StorageError: the cache cannot be written.
    """
    asked = " ".join(name.split())
    if not asked:
        msg = "the place has no name: give one, as in --place 'Ettlingen'"
        raise InputError(msg)
    geocoder = _Geocoder(config)
    cached = geocoder.cached(asked)
    if cached is not None:
        return parse_place(cached, asked, geocoder.host)
    results = geocoder.ask(asked)
    place = parse_place(results, asked, geocoder.host)
    geocoder.keep(asked, results)
    return place


def parse_place(results: list[dict[str, Any]], asked: str, host: str) -> Place:
    """The place that a service's results mean: the first, with the outline of another that contains it if need be.

    Raises:
        InputError: there are none.
        NetworkError: they are not what a Nominatim answers.
    """
    if not results:
        msg = (
            f"{host} knows no place '{asked}': check its spelling, add its country, or give --point LAT LNG --radius M"
        )
        raise InputError(msg)
    try:
        places = [_place(result) for result in results]
    except (KeyError, TypeError, ValueError, shapely.errors.ShapelyError):
        msg = f"{host} gave an answer for '{asked}' that is none of a Nominatim: check osm.nominatim_url"
        raise NetworkError(msg) from None
    first = places[0]
    if first.outline is not None:
        return first
    # A town's own node may come before its boundary.
    centre = Point(first.lng, first.lat)
    around = (place for place in places if place.outline is not None and place.outline.covers(centre))
    return next(around, first)


def _place(result: dict[str, Any]) -> Place:
    geometry = shapely.geometry.shape(result["geojson"]) if result.get("geojson") else None
    is_area = geometry is not None and geometry.geom_type in {"Polygon", "MultiPolygon"} and not geometry.is_empty
    return Place(
        name=str(result["display_name"]),
        lat=float(result["lat"]),
        lng=float(result["lon"]),
        outline=geometry if is_area else None,
        kind=f"{result.get('class', '')} {result.get('type', '')}".strip() or "place",
    )


@dataclass(frozen=True)
class _Failure:
    """A call that failed: what it comes to, and whether and when another may help."""

    error: GeonavError
    pause_s: float = 0.0
    again: bool = True


class _Geocoder:
    """One Nominatim, with its cache and its pace."""

    def __init__(self, config: GeonavConfig) -> None:
        address = urlsplit(config.osm.nominatim_url)
        if address.scheme not in {"http", "https"} or not address.netloc or address.query:
            msg = (
                "osm.nominatim_url is no address such as https://nominatim.openstreetmap.org (http or https, no query)"
            )
            raise ConfigError(msg)
        self._scheme = address.scheme
        self._domain = f"{address.netloc}{address.path}".rstrip("/")
        self.host = address.netloc.rpartition("@")[2]
        self._config = config
        base = config.cache_dir or Path(platformdirs.user_cache_dir("geonav"))
        self._folder = base / "places"

    def cached(self, asked: str) -> list[dict[str, Any]] | None:
        """What the service said about a name earlier; None where it was not asked, or the file is broken."""
        try:
            results = json.loads(self._file(asked).read_text(encoding="utf-8"))["results"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        is_whole = isinstance(results, list) and all(isinstance(item, dict) for item in results)
        return results if is_whole else None

    def keep(self, asked: str, results: list[dict[str, Any]]) -> None:
        """Put what the service said into the cache."""
        atomic_write_json(self._file(asked), {"asked": asked, "results": results})

    def _file(self, asked: str) -> Path:
        # The address may hold a password: the file's content does not name it, and the hash does not give it away.
        key = hashlib.sha256(json.dumps([self._scheme, self._domain, asked]).encode()).hexdigest()
        return self._folder / f"{key}.json"

    def ask(self, asked: str) -> list[dict[str, Any]]:
        """What the service says about a name; one call, and more only where that may help.

        Raises:
            AuthError: the service refuses to be used.
            QuotaError: it still asks for fewer calls after all tries, or for a pause that is too long to wait.
            NetworkError: it cannot be reached, or its answer makes no sense.
            StorageError: the cache cannot be written.
        """
        client = self._client()

        def call() -> list[dict[str, Any]]:
            found = client.geocode(asked, exactly_one=False, limit=_MAX_RESULTS, geometry="geojson")
            return [{key: item.raw.get(key) for key in _CACHED_KEYS} for item in found or []]

        for attempt in range(1, _TRIES + 1):
            with paced(self._folder / "last-call", self._config.osm.min_interval_s):
                outcome = self._tried(call)
            if isinstance(outcome, list):
                return outcome
            if not outcome.again or attempt == _TRIES:
                raise outcome.error
            time.sleep(max(outcome.pause_s, self._config.fetch.backoff_s) * 2 ** (attempt - 1))
        return []

    def _tried(self, call: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]] | _Failure:
        """The results of one call, or the error it stands for."""
        from geopy import exc

        try:
            return call()
        except exc.GeocoderRateLimited as error:
            asked_s = error.retry_after or 0.0
            failure = QuotaError(f"{self.host} asks for fewer calls: wait a minute and run the command again")
            # Twice the usual pause at least, and never before the service wants to be asked again.
            return _Failure(failure, max(asked_s, 2 * self._config.osm.min_interval_s), asked_s <= _LONGEST_PAUSE_S)
        except (exc.GeocoderAuthenticationFailure, exc.GeocoderInsufficientPrivileges):
            msg = f"{self.host} refuses to look places up: check osm.nominatim_url or use another service"
            return _Failure(AuthError(msg), again=False)
        except (exc.GeopyError, ValueError, TypeError, AttributeError, KeyError) as error:
            msg = (
                f"{self.host} cannot be asked for places ({self._reason(error)}): check the network and "
                "osm.nominatim_url and run the command again, or give --point LAT LNG --radius M"
            )
            return _Failure(NetworkError(msg))

    def _reason(self, error: Exception) -> str:
        """What went wrong, in few words; geopy's own hold the address and its library's names."""
        from geopy import exc

        status = getattr(error.__cause__, "status_code", None)
        if status is not None:
            return f"HTTP {status}"
        if "certificate" in str(error).lower():
            return "its certificate cannot be verified: check this machine's clock"
        if isinstance(error, exc.GeocoderUnavailable):
            return "it cannot be reached"
        if isinstance(error, exc.GeocoderTimedOut):
            return f"no answer within {self._config.fetch.timeout_s:g} s"
        return f"{type(error).__name__}: {redact(' '.join(str(error).split()), (self._domain,))[:160]}"

    def _client(self) -> Nominatim:
        from geopy.adapters import RequestsAdapter
        from geopy.geocoders import Nominatim

        return Nominatim(
            user_agent=USER_AGENT,
            domain=self._domain,
            scheme=self._scheme,
            timeout=self._config.fetch.timeout_s,
            # Its own retries know nothing of the pace, and sleep as long as any service says.
            adapter_factory=partial(RequestsAdapter, max_retries=0),
        )
