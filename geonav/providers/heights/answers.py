"""Heights in the shape that Google answers in, which others speak too; pure."""

from __future__ import annotations

import math
from typing import Any

from geonav.errors import NetworkError
from geonav.providers.google.parse import check_status, json_object


def parse_results(data: object, count: int, service: str) -> list[float | None]:
    """The heights of ``count`` points, by index.

    Google rounds the places that it says it answers for, so nothing but the index tells whose height it is.

    Raises:
        AuthError, QuotaError, MissingError, NetworkError, GeonavError: as the status says; NetworkError also where
            there are not as many heights as points.
    """
    answer = json_object(data, service)
    if answer.get("status") == "DATA_NOT_AVAILABLE":
        return [None] * count
    if "status" in answer or "results" not in answer:
        check_status(answer, service)
    results = answer.get("results")
    return parse_list(results, count, service, key="elevation")


def parse_list(values: object, count: int, service: str, *, key: str | None = None) -> list[float | None]:
    """``count`` heights out of a list of numbers, or of objects that hold them under ``key``.

    Raises:
        NetworkError: it is no list, or one of another length.
    """
    if not isinstance(values, list) or len(values) != count:
        found = len(values) if isinstance(values, list) else "no list of"
        msg = f"{service} answered {found} heights for {count} points; run the command again to go on"
        raise NetworkError(msg)
    return [_height(_member(value, key)) for value in values]


def _member(value: Any, key: str | None) -> object:  # noqa: ANN401 - whatever JSON holds
    if key is None:
        return value
    return value.get(key) if isinstance(value, dict) else None


def _height(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None  # type: ignore[arg-type]
