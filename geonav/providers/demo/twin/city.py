"""What the twin asks of a city."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon

from geonav.geometry.geodesy import LocalFrame


class Street(Protocol):
    """A straight street; both ends are East-North-Up metres of the city's frame."""

    @property
    def name(self) -> str:
        """What its signs say."""

    @property
    def start_enu(self) -> Sequence[float] | NDArray[np.float64]:
        """Where it begins."""

    @property
    def end_enu(self) -> Sequence[float] | NDArray[np.float64]:
        """Where it ends."""


class Place(Protocol):
    """A panorama as a provider reports it."""

    @property
    def pano_id(self) -> str:
        """Its name."""

    @property
    def lat(self) -> float:
        """Degrees, WGS84."""

    @property
    def lng(self) -> float:
        """Degrees, WGS84."""

    @property
    def alt_m(self) -> float:
        """Of the camera."""

    @property
    def heading_deg(self) -> float:
        """Of the middle of its equirectangular picture, clockwise from true north."""

    @property
    def captured_at(self) -> str:
        """ISO 8601 date or its beginning."""

    @property
    def street(self) -> str:
        """Name of the street it was taken on."""


class City(Protocol):
    """A city with imagery; every method may be called from several threads at once."""

    @property
    def name(self) -> str:
        """What the geocoder knows it by."""

    @property
    def frame(self) -> LocalFrame:
        """East-North-Up at its origin."""

    @property
    def outline(self) -> Polygon:
        """Its boundary: lng, lat in degrees."""

    @property
    def streets(self) -> Sequence[Street]:
        """All of them."""

    @property
    def panoramas(self) -> Sequence[Place]:
        """All of them, always in the same order."""

    def nearest(self, lat: float, lng: float, radius_m: float) -> Place | None:
        """The panorama closest to a point; None where none is within the radius."""

    def view(
        self, pano_id: str, azimuth_deg: float, pitch_deg: float, fov_deg: float, width: int, height: int
    ) -> bytes:
        """JPEG of a perspective view."""

    def equirectangular(self, pano_id: str, width: int) -> bytes:
        """JPEG of the whole panorama, half as high as wide."""

    def ground_m(self, lat: float, lng: float) -> float:
        """Height of the ground."""
