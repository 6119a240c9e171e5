"""Google Street View Static: image and metadata.

Source: developers.google.com/maps/documentation/streetview/{request-streetview,metadata}.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from geonav.providers.demo.twin.access import Access
from geonav.providers.demo.twin.city import City, Place
from geonav.providers.demo.twin.pictures import no_imagery
from geonav.providers.demo.twin.wire import (
    BadCallError,
    Call,
    Reply,
    Route,
    jpeg_reply,
    json_reply,
    numbers,
    position,
    text_reply,
    whole_number,
)

MAX_SIDE_PX = 640
MAX_FOV_DEG = 120.0
DEFAULT_RADIUS_M = 50
COPYRIGHT = "© geonav demo"
# Rendered views kept for calls that are tried again; about 100 kB each.
_KEPT_VIEWS = 128


class AddressNotFoundError(Exception):
    """The words of ``location`` are no place that is known."""


@dataclass(frozen=True)
class ImageCall:
    """The parameters of an image, defaults filled in and limits applied."""

    width: int
    height: int
    fov_deg: float
    pitch_deg: float
    heading_deg: float | None

    @classmethod
    def of(cls, query: dict[str, str]) -> ImageCall:
        """Read them.

        Raises:
            BadCallError: one is missing or wrong.
        """
        size = re.fullmatch(r"(\d{1,6})x(\d{1,6})", query.get("size", ""))
        if size is None or not (int(size[1]) and int(size[2])):
            name = "size"
            raise BadCallError(name)
        (fov,) = numbers(query.get("fov", "90"), 1)
        (pitch,) = numbers(query.get("pitch", "0"), 1)
        heading = numbers(query["heading"], 1)[0] if "heading" in query else None
        if fov <= 0.0 or abs(pitch) > 90.0:
            name = "fov or pitch"
            raise BadCallError(name)
        width, height = (min(int(side), MAX_SIDE_PX) for side in size.groups())
        return cls(width, height, min(fov, MAX_FOV_DEG), pitch, heading)


class StreetView:
    """Answers calls over a city."""

    def __init__(self, city: City, access: Access) -> None:
        self._city = city
        self._access = access
        self._places = {place.pano_id: place for place in city.panoramas}
        self._view = lru_cache(maxsize=_KEPT_VIEWS)(city.view)

    def routes(self) -> list[Route]:
        """Its addresses."""
        root = "/maps/api/streetview"
        return [
            Route("street_view_metadata", re.compile(f"{root}/metadata"), self.metadata, "google"),
            Route("street_view_image", re.compile(root), self.image, "image"),
        ]

    def metadata(self, call: Call, _match: re.Match[str] | None = None) -> Reply:
        """What is known of the panorama that an image call would show."""
        refusal = self._access.google_refusal(call)
        if refusal is not None:
            return json_reply({"error_message": refusal, "status": "REQUEST_DENIED"})
        try:
            place = self._find(call.query)
        except BadCallError as error:
            return json_reply({"error_message": f"Invalid request: {error}", "status": "INVALID_REQUEST"})
        except AddressNotFoundError:
            return json_reply({"status": "NOT_FOUND"})
        if place is None:
            return json_reply({"status": "ZERO_RESULTS"})
        return json_reply(
            {
                "copyright": COPYRIGHT,
                "date": place.captured_at[:7],
                "location": {"lat": place.lat, "lng": place.lng},
                "pano_id": place.pano_id,
                "status": "OK",
            }
        )

    def image(self, call: Call, _match: re.Match[str] | None = None) -> Reply:
        """The picture, or what stands for it: an error where asked for, else a grey picture."""
        refusal = self._access.google_refusal(call)
        if refusal is not None:
            return text_reply(refusal, 403)
        try:
            wanted = ImageCall.of(call.query)
        except BadCallError as error:
            return _no_image(call.query, 400, f"Invalid request: {error}", (MAX_SIDE_PX, MAX_SIDE_PX))
        size = wanted.width, wanted.height
        try:
            place = self._find(call.query)
        except BadCallError as error:
            return _no_image(call.query, 400, f"Invalid request: {error}", size)
        except AddressNotFoundError:
            place = None
        if place is None:
            return _no_image(call.query, 404, "No image found.", size)
        heading = wanted.heading_deg if wanted.heading_deg is not None else self._towards(place, call.query)
        picture = self._view(place.pano_id, heading % 360.0, wanted.pitch_deg, wanted.fov_deg, *size)
        return jpeg_reply(picture, billed_as="street_view")

    def _find(self, query: dict[str, str]) -> Place | None:
        if query.get("source", "default") not in ("default", "outdoor"):
            name = "source"
            raise BadCallError(name)
        radius_m = whole_number(query, "radius", DEFAULT_RADIUS_M)
        if query.get("pano"):
            return self._places.get(query["pano"])
        if not query.get("location"):
            name = "location or pano"
            raise BadCallError(name)
        lat, lng = self._located(query["location"])
        return self._city.nearest(lat, lng, float(radius_m))

    def _located(self, text: str) -> tuple[float, float]:
        if re.fullmatch(r"\s*[-+\d.eE]+\s*,\s*[-+\d.eE]+\s*", text):
            return position(text)
        if text.strip().casefold() != self._city.name.casefold():
            raise AddressNotFoundError(text)
        middle = self._city.outline.centroid
        return middle.y, middle.x

    def _towards(self, place: Place, query: dict[str, str]) -> float:
        """From the panorama to the point that was asked for; along its own heading where it was asked for by name."""
        if query.get("pano"):
            return place.heading_deg
        frame = self._city.frame
        lat, lng = self._located(query["location"])
        east, north, _ = frame.enu_from_geo(lat, lng, 0.0) - frame.enu_from_geo(place.lat, place.lng, 0.0)
        return float(np.degrees(np.arctan2(east, north)))


def _no_image(query: dict[str, str], status: int, reason: str, size: tuple[int, int]) -> Reply:
    if query.get("return_error_code") == "true":
        return text_reply(reason, status)
    return jpeg_reply(no_imagery(*size), billed_as="street_view")
