"""What Street View Static answers; pure.

Source: the reference page of Street View metadata; that of the Elevation API for the statuses they share.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image

from geonav.errors import AuthError, GeonavError, MissingError, NetworkError, QuotaError
from geonav.providers.google.credentials import KEY_ADVICE

SERVICE = "Google Street View"
_GO_ON = "run the command again to go on"
_GOOGLES_OWN = re.compile(r"(©|\(c\)|Copyright)?\s*(\d{4}\s+)?Google(,?\s+(Inc|LLC)\.?)?", re.IGNORECASE)
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
_MAX_WORDS = 160
# The picture that says there is no imagery: one grey, a line of text on it.
_GREY_SHARE = 0.9
_GREY_LEVELS = 3
_GREY_TINT = 12
_GREY_FROM, _GREY_TO = 16, 250


@dataclass(frozen=True)
class PanoramaFacts:
    """What the metadata says of a panorama.

    Attributes:
        pano_id: Google's name for it.
        lat: degrees.
        lng: degrees, in [-180, 180).
        captured_at: year and month as in ``2023-05``; None where not said.
        copyright: whose it is; empty where not said.
        is_googles: whether Google's own car took it, and not a user.
    """

    pano_id: str
    lat: float
    lng: float
    captured_at: str | None
    copyright: str
    is_googles: bool


def parse_metadata(data: object) -> PanoramaFacts | None:
    """The panorama that an answer of the metadata service describes; None where there is none.

    Raises:
        AuthError, QuotaError, MissingError, NetworkError, GeonavError: as :func:`check_status` says; NetworkError
            also of an answer that lacks what it should hold.
    """
    answer = json_object(data, SERVICE)
    if answer.get("status") == "ZERO_RESULTS":
        return None
    check_status(answer, SERVICE)
    try:
        place = answer["location"]
        lat, lng, pano_id = float(place["lat"]), float(place["lng"]), answer["pano_id"]
    except (KeyError, TypeError, ValueError):
        lat, lng, pano_id = math.nan, math.nan, None
    if not (isinstance(pano_id, str) and pano_id and -90.0 <= lat <= 90.0 and -180.0 <= lng <= 180.0):
        msg = f"{SERVICE} answered OK without a panorama's name and position; {_GO_ON}"
        raise NetworkError(msg)
    owner, date = str(answer.get("copyright") or ""), str(answer.get("date") or "")
    return PanoramaFacts(
        pano_id=pano_id,
        lat=lat,
        lng=-180.0 if lng == 180.0 else lng,
        captured_at=date if _DATE.fullmatch(date) else None,
        copyright=owner,
        is_googles=_GOOGLES_OWN.fullmatch(owner.strip()) is not None,
    )


def json_object(data: object, service: str) -> Mapping[str, Any]:
    """An answer that is an object.

    Raises:
        NetworkError: it is none.
    """
    if isinstance(data, dict):
        return data
    msg = f"{service} answered something that is no JSON object; {_GO_ON}"
    raise NetworkError(msg)


def check_status(answer: Mapping[str, Any], service: str) -> None:
    """Turn every status but OK into what it means.

    Raises:
        AuthError: the key was refused; nothing else will work either.
        QuotaError: the quota of the moment or of the day is used up.
        MissingError: the place asked for is not known.
        NetworkError: the service failed, and may not do so next time.
        GeonavError: the service did not understand the call: a mistake of this program.
    """
    status = answer.get("status")
    if status == "OK":
        return
    words = " ".join(str(answer.get("error_message") or "").split())[:_MAX_WORDS]
    said = f"{status}: {words}" if words else str(status)[:_MAX_WORDS]
    if status == "REQUEST_DENIED":
        msg = f"{service} refused the key ({said}): {KEY_ADVICE}"
        raise AuthError(msg)
    if status in {"OVER_QUERY_LIMIT", "OVER_DAILY_LIMIT"}:
        msg = f"{service}: the quota is used up ({said}); raise it or wait, then {_GO_ON}"
        raise QuotaError(msg)
    if status in {"NOT_FOUND", "ZERO_RESULTS"}:
        msg = f"{service} does not know the place or panorama asked for ({said})"
        raise MissingError(msg)
    if status == "INVALID_REQUEST":
        msg = f"{service} did not understand the call ({said}): please report this as a fault of geonav"
        raise GeonavError(msg)
    msg = f"{service} failed ({said}); {_GO_ON}"
    raise NetworkError(msg)


def check_picture(content: bytes, width: int, height: int) -> None:
    """Refuse what is no picture of ``width`` by ``height`` pixels that shows something.

    Raises:
        NetworkError: broken, of another size, or the grey picture that says there is no imagery: none of them should
            come with a good status, so another try may bring the picture.
    """
    pixels = _decoded(content, (width, height))
    middle = np.median(pixels.reshape(-1, 3), axis=0)
    near = np.abs(pixels - middle).max(axis=-1) <= _GREY_LEVELS
    is_grey = np.ptp(middle) <= _GREY_TINT and _GREY_FROM <= middle.mean() <= _GREY_TO
    if is_grey and near.mean() >= _GREY_SHARE:
        msg = f"{SERVICE} sent the grey picture that stands for no imagery; {_GO_ON}"
        raise NetworkError(msg)


def _decoded(content: bytes, size: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Every fourth pixel of a JPEG, decoded whole; (h, w, 3)."""
    reason = ""
    try:
        with PIL.Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
            if image.size == size:
                return np.asarray(image.convert("RGB"), np.int16)[::4, ::4]
            reason = f"a picture of {image.width}x{image.height} pixels instead of {size[0]}x{size[1]}"
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        reason = f"{len(content)} bytes that are no whole JPEG ({type(error).__name__})"
    msg = f"{SERVICE} sent {reason}; {_GO_ON}"
    raise NetworkError(msg)
