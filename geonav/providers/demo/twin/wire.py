"""Calls that reach the twin, the replies it gives, and the routes between them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        path: as it came, percent signs undone.
        raw_query: as it came.
        raw_path: as it came; what a signature signs.
        headers: names in lower case.
        body: of a POST.
        base_url: under which the caller reached the twin; what links in replies begin with.
    """

    path: str
    raw_query: str = ""
    raw_path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base_url: str = "http://127.0.0.1"

    @cached_property
    def query(self) -> dict[str, str]:
        """Parameters of the address; the last of several of one name."""
        return {name: values[-1] for name, values in parse_qs(self.raw_query, keep_blank_values=True).items()}

    @cached_property
    def form(self) -> dict[str, str]:
        """Parameters of a form in the body."""
        text = self.body.decode("utf-8", "replace")
        return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}


@dataclass(frozen=True)
class Reply:
    """One answer.

    Attributes:
        status: of HTTP.
        body: whole; what of it is sent is the fault's business.
        content_type: of the body.
        headers: further ones.
        billed_as: what the real service would bill it as; None where it is free.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    billed_as: str | None = None


@dataclass(frozen=True)
class Route:
    """Which calls a service answers.

    Attributes:
        service: its name in the counters.
        pattern: of the whole path.
        answer: from the call and the path's match.
        kind: what its replies are: ``image``, ``google`` (JSON with a status) or ``other``; faults depend on it.
    """

    service: str
    pattern: re.Pattern[str]
    answer: Callable[[Call, re.Match[str]], Reply]
    kind: str = "other"


class BadCallError(Exception):
    """A parameter is missing or wrong; each service says so in its own words."""


def json_reply(data: object, status: int = 200, billed_as: str | None = None) -> Reply:
    """JSON."""
    body = json.dumps(data, ensure_ascii=False).encode()
    return Reply(status, body, "application/json; charset=utf-8", billed_as=billed_as)


def text_reply(text: str, status: int = 200) -> Reply:
    """Plain text."""
    return Reply(status, text.encode(), "text/plain; charset=utf-8")


def jpeg_reply(picture: bytes, *, billed_as: str | None = None) -> Reply:
    """A picture."""
    return Reply(200, picture, "image/jpeg", billed_as=billed_as)


def numbers(text: str, count: int) -> tuple[float, ...]:
    """The ``count`` finite numbers of a comma-separated list.

    Raises:
        BadCallError: it holds something else.
    """
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise BadCallError(text) from error
    if len(values) != count or any(value - value != 0.0 for value in values):
        raise BadCallError(text)
    return values


def position(text: str) -> tuple[float, float]:
    """Latitude and longitude out of ``lat,lng``.

    Raises:
        BadCallError: it is not a position on Earth.
    """
    lat, lng = numbers(text, 2)
    if abs(lat) > 90.0 or abs(lng) > 180.0:
        raise BadCallError(text)
    return lat, lng


def whole_number(query: Mapping[str, Any], name: str, default: int) -> int:
    """A parameter that is a non-negative whole number.

    Raises:
        BadCallError: it is something else.
    """
    text = str(query.get(name, default))
    if not re.fullmatch(r"\d{1,9}", text):
        raise BadCallError(name)
    return int(text)
