"""The source ``google``: the Elevation API, through Google's own client for Python.

The client builds the call and reads the answer; the way out to the network is geonav's own, since the client retries
neither UNKNOWN_ERROR nor 429 nor a broken connection, and writes the key into its errors.

Source: the Elevation API's reference: heights above local mean sea level, which is EGM96; 512 points a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import googlemaps
from googlemaps.exceptions import TransportError

from geonav.config import GeonavConfig
from geonav.errors import AuthError, GeonavError, NetworkError
from geonav.providers.google.credentials import KEY_ADVICE, Credentials
from geonav.providers.heights.answers import parse_results
from geonav.providers.http import HttpClient, HttpLimits, HttpResponse, json_of

SERVICE = "Google Elevation"
_REQUESTS_PER_MINUTE = 6000
_NO_LIMIT_PER_S = 1_000_000


class GoogleHeights:
    """Asks Google; each call is billed, however many points it holds."""

    name: str = "google"
    datum: str = "egm96"
    paid_as: str | None = "elevation"
    batch_size: int = 512

    def __init__(self, config: GeonavConfig, credentials: Credentials) -> None:
        """Prepare to call ``config.google.url``; no connection is made yet.

        Raises:
            AuthError: the key is not of the form that Google's client takes.
            UsageError: the address is none.
        """
        self._key = credentials.key
        if not self._key.get_secret_value().startswith("AIza"):
            msg = f"the key for Google is not of Google's form, which begins with 'AIza': {KEY_ADVICE}"
            raise AuthError(msg)
        self._http = HttpClient(
            config.google.url,
            HttpLimits.of(config, min(_REQUESTS_PER_MINUTE, config.google.requests_per_minute)),
            service=SERVICE,
            secrets=credentials.secrets,
            key_advice=KEY_ADVICE,
        )

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """The source as configured.

        Raises:
            AuthError: there is no key, or none of Google's form.
            UsageError: Google's terms are not acknowledged, or the address is none.
        """
        return cls(config, Credentials.from_config(config))

    def heights(self, points: Sequence[tuple[float, float]]) -> list[float | None]:
        """Heights above EGM96, by index; None where there are none."""
        if not points:
            return []
        way = _WayOut(self._http, len(points))
        failure: GeonavError
        try:
            # A client a call: the client itself is not made for several threads.
            client = googlemaps.Client(
                key=self._key.get_secret_value(),
                base_url=self._http.base_url,
                requests_session=way,
                queries_per_second=_NO_LIMIT_PER_S,
                queries_per_minute=60 * _NO_LIMIT_PER_S,
            )
            # As a list: the client takes a tuple for a single point.
            results = client.elevation(list(points))
        except TransportError as error:
            failure = _cause_of(error)
        else:
            return parse_results({"status": "OK", "results": results}, len(points), SERVICE)
        raise failure


class _WayOut:
    """What Google's client takes for a session of requests: geonav's own way out to the network."""

    def __init__(self, http: HttpClient, count: int) -> None:
        self._http = http
        self._count = count

    def get(self, url: str, **_ignored: object) -> _Answer:
        """GET, tried again where the status or the number of heights is not what it should be."""
        return self._http.call(url, self._checked)

    def _checked(self, response: HttpResponse) -> _Answer:
        data = json_of(response, SERVICE)
        heights = parse_results(data, self._count, SERVICE)
        # DATA_NOT_AVAILABLE is an error to the client; here it is an answer without heights.
        return _Answer({"status": "OK", "results": [{"elevation": height} for height in heights]})


class _Answer:
    """The part of a response that Google's client looks at."""

    status_code = 200

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def json(self) -> dict[str, Any]:
        """The body."""
        return self._data


def _cause_of(error: TransportError) -> GeonavError:
    """The error of geonav's own that the client wrapped; never its text, which may hold the key."""
    cause = error.base_exception
    if isinstance(cause, GeonavError):
        return cause
    return NetworkError(f"{SERVICE} cannot be called ({type(cause).__name__}); run the command again to go on")
