"""What goes wrong on request: each kind at its own rate, the same for the same seed whatever the order of calls."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from geonav.errors import UsageError
from geonav.providers.demo.twin.pictures import no_imagery
from geonav.providers.demo.twin.wire import Call, Reply, json_reply, text_reply


class FaultKind(StrEnum):
    """Ways for a call to fail; the values are their names on the command line."""

    TOO_MANY = "429"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    SLOW = "slow"
    TRUNCATED = "truncated"
    WRONG_LENGTH = "wrong-length"
    GREY = "grey"
    REQUEST_DENIED = "request-denied"
    OVER_QUERY_LIMIT = "over-query-limit"
    UNKNOWN_ERROR = "unknown-error"
    REDIRECT = "redirect"


# What the image service answers instead of a status in JSON.
_AS_HTTP = {FaultKind.REQUEST_DENIED: 403, FaultKind.OVER_QUERY_LIMIT: 429, FaultKind.UNKNOWN_ERROR: 500}
_GOOGLE_ONLY = frozenset(_AS_HTTP)
_HTTP_ERRORS = {FaultKind.TOO_MANY: 429, FaultKind.SERVER_ERROR: 500, FaultKind.UNAVAILABLE: 503}
# Before a path that a redirect has led to, so that it leads there once.
REDIRECTED = "/redirected"


@dataclass(frozen=True)
class Faults:
    """Which calls fail, and how.

    Attributes:
        rates: share of calls, 0 to 1, by kind; kinds are drawn one after another, and the first that hits holds.
        seed: of the draws.
        only: regular expression found in the path of the calls that may fail; all if empty.
        slow_s: how long a slow reply takes.
        retry_after_s: what replies of 429 and 503 say in Retry-After; left out if None.
        at_most: times that one and the same call fails, after which it succeeds; no limit if None.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    only: str = ""
    slow_s: float = 1.0
    retry_after_s: float | None = None
    at_most: int | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: an unknown kind, a rate that is no share, or a path that is no regular expression.
        """
        try:
            re.compile(self.only)
        except re.error as error:
            msg = f"faults: '{self.only}' is no regular expression ({error}): give one such as streetview"
            raise UsageError(msg) from None
        for kind, rate in self.rates.items():
            if kind not in list(FaultKind):
                msg = f"unknown fault '{kind}': choose of {', '.join(FaultKind)}"
                raise UsageError(msg)
            if not 0.0 <= rate <= 1.0:
                msg = f"fault '{kind}': a rate of {rate} is no share of the calls: give 0 to 1"
                raise UsageError(msg)


class FaultDraw:
    """Draws the faults of a server's calls."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._rates = [(kind, faults.rates[kind]) for kind in FaultKind if faults.rates.get(kind, 0.0) > 0.0]
        self._only = re.compile(faults.only)
        self._lock = threading.Lock()
        self._tries: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()

    def draw(self, address: str, kind_of_reply: str) -> FaultKind | None:
        """The fault of the next call of an address, if any.

        Args:
            address: path and query.
            kind_of_reply: as a route says it.
        """
        if not self._rates or not self._only.search(address.partition("?")[0]):
            return None
        with self._lock:
            self._tries[address] += 1
            if self._faults.at_most is not None and self._failures[address] >= self._faults.at_most:
                return None
            for kind, rate in self._rates:
                if _applies(kind, address, kind_of_reply) and self._chance(address, kind) < rate:
                    self._failures[address] += 1
                    return kind
        return None

    def _chance(self, address: str, kind: FaultKind) -> float:
        text = f"{self._faults.seed}|{kind}|{self._tries[address]}|{address}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest()) / 2.0**56


def replacement(kind: FaultKind, kind_of_reply: str, call: Call, faults: Faults) -> Reply | None:
    """What is sent instead of the true answer; None where a fault only spoils how the answer is sent."""
    if kind in _HTTP_ERRORS:
        wait = {} if faults.retry_after_s is None else {"Retry-After": f"{faults.retry_after_s:g}"}
        status = _HTTP_ERRORS[kind]
        return Reply(status, f"{status} on request".encode(), "text/plain", wait)
    if kind in _GOOGLE_ONLY:
        if kind_of_reply == "image":
            return text_reply(f"{kind} on request", _AS_HTTP[kind])
        status_text = kind.value.replace("-", "_").upper()
        return json_reply({"error_message": "on request", "results": [], "status": status_text})
    if kind is FaultKind.GREY:
        size = re.fullmatch(r"(\d{1,3})x(\d{1,3})", call.query.get("size", "640x640"))
        width, height = map(int, size.groups()) if size else (640, 640)
        billed_as = "street_view" if call.path.startswith("/maps/api/") else None
        return Reply(200, no_imagery(width, height), "image/jpeg", billed_as=billed_as)
    if kind is FaultKind.REDIRECT:
        target = f"{call.base_url}{REDIRECTED}{call.raw_path}"
        return Reply(302, headers={"Location": f"{target}?{call.raw_query}" if call.raw_query else target})
    return None


def _applies(kind: FaultKind, address: str, kind_of_reply: str) -> bool:
    if kind is FaultKind.GREY:
        return kind_of_reply == "image"
    if kind is FaultKind.REDIRECT:
        return not address.startswith(REDIRECTED)
    if kind in _GOOGLE_ONLY:
        return "/maps/api/" in address
    return True
