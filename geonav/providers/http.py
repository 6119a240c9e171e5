"""The one way out to the network: paced, retried, bounded, and with keys kept out of every message."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt

from geonav.config import GeonavConfig
from geonav.errors import AuthError, GeonavError, MissingError, NetworkError, QuotaError, UsageError
from geonav.providers.metering import CallMeter
from geonav.providers.pacing import RateLimit, backoff_s, retry_after_s
from geonav.providers.redaction import redact, redact_http_logs
from geonav.providers.transfer import HttpResponse, Params, Transfer, TransferError, origin

__all__ = ["HttpClient", "HttpLimits", "HttpResponse", "Params"]

logger = logging.getLogger(__name__)

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
# A service that asks for a longer pause is left alone: the run ends and a later one goes on.
LONGEST_PAUSE_S = 60.0
_MAX_WORDS = 160
_GO_ON = "run the command again to go on"

T = TypeVar("T")


@dataclass(frozen=True)
class HttpLimits:
    """How hard a service is tried.

    Attributes:
        attempts: tries of one call.
        backoff_s: pause before the second try; doubles with every further one.
        timeout_s: longest silence.
        requests_per_minute: of one client, all its threads together.
        max_bytes: of one answer.
    """

    attempts: int = 5
    backoff_s: float = 0.5
    timeout_s: float = 20.0
    requests_per_minute: int = 6000
    max_bytes: int = 64 << 20

    @classmethod
    def of(cls, config: GeonavConfig, requests_per_minute: int) -> HttpLimits:
        """What ``[fetch]`` says, at a service's own rate."""
        fetch = config.fetch
        return cls(fetch.attempts, fetch.backoff_s, fetch.timeout_s, requests_per_minute, fetch.max_image_bytes)


@dataclass(frozen=True)
class _Failure:
    """A try that failed: a value and no exception, so that nothing of it hangs on the error raised in the end."""

    error: GeonavError
    again: bool = False
    pause_s: float = 0.0


class HttpClient:
    """Talks to one service; safe to call from several threads at once, each of which keeps its own connections."""

    def __init__(
        self,
        base_url: str,
        limits: HttpLimits,
        *,
        service: str,
        secrets: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
        key_advice: str = "check it and what it may do",
    ) -> None:
        """Prepare to talk; no connection is made yet.

        Args:
            base_url: what paths are relative to.
            limits: how hard to try.
            service: its name in messages.
            secrets: never to be seen in a message or log.
            headers: sent with every call to the host of ``base_url``, and to no other.
            key_advice: what to do about a key that was refused.

        Raises:
            UsageError: ``base_url`` is no http(s) address.
        """
        self.base_url = base_url.rstrip("/")
        self._service = service
        self._secrets = tuple(secret for secret in secrets if secret)
        self._key_advice = key_advice
        self._limits = limits
        self._transfer = Transfer(self.base_url, headers or {}, limits.timeout_s, limits.max_bytes)
        self._rate = RateLimit(limits.requests_per_minute)
        if origin(self.base_url) is None:
            msg = f"{service}: '{self._hide(base_url)}' is no http(s) address; correct its url in the configuration"
            raise UsageError(msg)
        redact_http_logs(self._secrets)

    def __repr__(self) -> str:
        return f"HttpClient({self._service} at {self._where(self.base_url)})"

    def get_json(self, path: str, params: Params | None = None) -> Any:  # noqa: ANN401 - whatever JSON holds
        """The JSON that a GET answers; an answer that is none is tried again. Raises what :meth:`call` raises."""
        return self.call(path, self._json, params)

    def get_bytes(self, path: str, params: Params | None = None) -> bytes:
        """The body that a GET answers. Raises what :meth:`call` raises."""
        return self.request(path, params).content

    def request(self, path: str, params: Params | None = None, *, accept: tuple[int, ...] = (200,)) -> HttpResponse:
        """The answer to a GET. Takes and raises what :meth:`call` does."""
        return self.call(path, lambda response: response, params, accept=accept)

    def call(
        self,
        path: str,
        parse: Callable[[HttpResponse], T],
        params: Params | None = None,
        *,
        accept: tuple[int, ...] = (200,),
        meter: CallMeter | None = None,
    ) -> T:
        """GET and parse, and try again where that may help.

        Args:
            path: below the base address, or a whole http(s) address.
            parse: makes the result of the answer; a NetworkError of its counts as a failed try, others are final.
            params: of the query.
            accept: statuses that are an answer and no failure.
            meter: counts every try that is answered with 200, of calls that are paid.

        Raises:
            UsageError: the meter allows no more.
            AuthError: refused with 401 or 403.
            MissingError: 404 or 410.
            QuotaError: 429 after all tries, or a pause is asked for that is too long to wait.
            NetworkError: not reached, or not answered properly, after all tries.
        """
        url = path if origin(path) else f"{self.base_url}/{path.lstrip('/')}"

        def attempt() -> T | _Failure:
            self._rate.wait()
            try:
                response = self._transferred(url, params, meter)
            except TransferError as error:
                return self._failed(NetworkError(self._message(url, str(error))), again=error.again)
            return self._parsed(url, response, parse, accept)

        tries = Retrying(
            stop=stop_after_attempt(self._limits.attempts),
            wait=self._pause_s,
            retry=retry_if_result(lambda result: isinstance(result, _Failure) and result.again),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        result: T | _Failure = tries(attempt)
        if isinstance(result, _Failure):
            raise result.error
        return result

    def _pause_s(self, state: RetryCallState) -> float:
        failure = state.outcome.result() if state.outcome else None
        asked_s = failure.pause_s if isinstance(failure, _Failure) else 0.0
        return max(asked_s, backoff_s(self._limits.backoff_s, state.attempt_number))

    def _transferred(self, url: str, params: Params | None, meter: CallMeter | None) -> HttpResponse:
        """One try: whatever came back."""
        if meter is None:
            return self._transfer.get(url, params)
        meter.begin()
        status: int | None = None
        try:
            response = self._transfer.get(url, params)
            status = response.status
        except TransferError as error:
            status = error.status
            raise
        finally:
            meter.end(is_paid=status == 200)
        return response

    def _parsed(
        self, url: str, response: HttpResponse, parse: Callable[[HttpResponse], T], accept: tuple[int, ...]
    ) -> T | _Failure:
        """The result of an answer, or why there is none."""
        if response.status not in accept:
            return self._refused(url, response)
        try:
            return parse(response)
        except GeonavError as error:
            # Its text may hold what the service said, and a service may say our own address.
            return self._failed(type(error)(self._hide(str(error))), again=isinstance(error, NetworkError))

    def _refused(self, url: str, response: HttpResponse) -> _Failure:
        """The error that a status stands for."""
        status = response.status
        said = self._hide(words_of(response.content))
        if status in {401, 403}:
            msg = f"{self._service} at {self._where(url)} refused the key ({status}{said}): {self._key_advice}"
            return self._failed(AuthError(msg))
        if status in {404, 410}:
            msg = f"{self._service} has no {self._hide(urlsplit(url).path)} ({status}{said})"
            return self._failed(MissingError(msg))
        kind = QuotaError if status == 429 else NetworkError
        pause_s = retry_after_s(response.headers) or 0.0
        asks = f" and asks to wait {pause_s:.0f} s" if pause_s > LONGEST_PAUSE_S else ""
        error = kind(self._message(url, f"answered {status}{asks}{said}"))
        return self._failed(error, again=status in RETRIED_STATUSES and not asks, pause_s=pause_s)

    def _failed(self, error: GeonavError, *, again: bool = False, pause_s: float = 0.0) -> _Failure:
        logger.debug("%s%s", error, " (may be tried again)" if again else "")
        return _Failure(error, again, pause_s)

    def _json(self, response: HttpResponse) -> Any:  # noqa: ANN401 - whatever JSON holds
        return json_of(response, self._service)

    def _message(self, url: str, reason: str) -> str:
        return f"{self._service} at {self._where(url)}: {reason}; {_GO_ON}"

    def _where(self, url: str) -> str:
        return self._hide(urlsplit(url).netloc.rpartition("@")[2])

    def _hide(self, text: str) -> str:
        return redact(text, self._secrets)


def json_of(response: HttpResponse, service: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """The JSON of an answer.

    Raises:
        NetworkError: it is none, such as the page of a proxy or half an answer; another try may help.
    """
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        msg = f"{service} answered {len(response.content)} bytes that are no JSON; {_GO_ON}"
    raise NetworkError(msg)


def words_of(content: bytes) -> str:
    """What a service says about a failure, as ``": words"`` on one line; empty where it says nothing readable."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    error = data.get("error") if isinstance(data, dict) else data
    if not isinstance(error, str):
        told = error if isinstance(error, dict) else data if isinstance(data, dict) else {}
        error = next((told[key] for key in ("error_message", "message", "reason", "detail") if told.get(key)), "")
    words = " ".join(error.split()) if isinstance(error, str) else ""
    return f": {words[:_MAX_WORDS]}" if words else ""
