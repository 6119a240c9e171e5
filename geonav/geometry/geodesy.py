"""WGS84 positions and local East-North-Up frames."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from pyproj import Geod, Transformer

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GeoPoint:
    """A position: latitude and longitude in degrees (WGS84), height in metres.

    The height's datum is that of whoever holds the point; geometry treats it as ellipsoidal.
    """

    lat_deg: float
    lng_deg: float
    alt_m: float = 0.0


@lru_cache(maxsize=1)
def _ecef() -> Transformer:
    from pyproj import Transformer

    # A pipeline from longitude, latitude, height to Earth-centred metres; needs no grid file.
    return Transformer.from_pipeline("+proj=pipeline +step +proj=cart +ellps=WGS84")


@lru_cache(maxsize=1)
def _geod() -> Geod:
    from pyproj import Geod

    return Geod(ellps="WGS84")


def ecef_from_geo(lat_deg: ArrayLike, lng_deg: ArrayLike, alt_m: ArrayLike) -> Array:
    """Earth-centred, Earth-fixed metres ``(..., 3)`` of geodetic positions."""
    lat, lng, alt = np.broadcast_arrays(*(np.asarray(v, float) for v in (lat_deg, lng_deg, alt_m)))
    return np.stack(_ecef().transform(lng, lat, alt), axis=-1)


def geo_from_ecef(ecef: ArrayLike) -> tuple[Array, Array, Array]:
    """Latitude and longitude in degrees and ellipsoidal height in metres of ECEF ``(..., 3)``."""
    xyz = np.asarray(ecef, float)
    lng, lat, alt = _ecef().transform(xyz[..., 0], xyz[..., 1], xyz[..., 2], direction="INVERSE")
    return np.asarray(lat, float), np.asarray(lng, float), np.asarray(alt, float)


@dataclass(frozen=True)
class LocalFrame:
    """East-North-Up metres at ``origin``: a plane tangent to the WGS84 ellipsoid.

    Exact everywhere (a rigid motion of ECEF), so it holds across a city, the antimeridian and at
    the poles' neighbourhood alike.
    """

    origin: GeoPoint

    @property
    def enu_from_ecef_rotation(self) -> Array:
        """Rotation ``(3, 3)`` whose rows are east, north and up in ECEF."""
        lat, lng = np.radians(self.origin.lat_deg), np.radians(self.origin.lng_deg)
        sin_lat, cos_lat, sin_lng, cos_lng = np.sin(lat), np.cos(lat), np.sin(lng), np.cos(lng)
        return np.array(
            [
                [-sin_lng, cos_lng, 0.0],
                [-sin_lat * cos_lng, -sin_lat * sin_lng, cos_lat],
                [cos_lat * cos_lng, cos_lat * sin_lng, sin_lat],
            ]
        )

    @property
    def _origin_ecef(self) -> Array:
        return ecef_from_geo(self.origin.lat_deg, self.origin.lng_deg, self.origin.alt_m)

    def enu_from_ecef(self, ecef: ArrayLike) -> Array:
        """ENU metres ``(..., 3)`` of ECEF metres ``(..., 3)``."""
        return (np.asarray(ecef, float) - self._origin_ecef) @ self.enu_from_ecef_rotation.T

    def enu_from_geo(self, lat_deg: ArrayLike, lng_deg: ArrayLike, alt_m: ArrayLike) -> Array:
        """ENU metres ``(..., 3)`` of positions given in degrees and metres."""
        return self.enu_from_ecef(ecef_from_geo(lat_deg, lng_deg, alt_m))

    def geo_from_enu(self, enu: ArrayLike) -> tuple[Array, Array, Array]:
        """Latitude, longitude (degrees) and height (metres) of ENU metres ``(..., 3)``."""
        return geo_from_ecef(np.asarray(enu, float) @ self.enu_from_ecef_rotation + self._origin_ecef)

    def rigid_from(self, other: LocalFrame) -> Array:
        """``self_from_other``, 4x4: takes coordinates in ``other`` to coordinates in ``self``."""
        transform = np.eye(4)
        transform[:3, :3] = self.enu_from_ecef_rotation @ other.enu_from_ecef_rotation.T
        transform[:3, 3] = self.enu_from_ecef(other._origin_ecef)
        return transform


def distance_m(a: GeoPoint, b: GeoPoint) -> float:
    """Length in metres of the geodesic between two points; their heights are not looked at."""
    return float(_geod().inv(a.lng_deg, a.lat_deg, b.lng_deg, b.lat_deg)[2])


def moved(lat_deg: ArrayLike, lng_deg: ArrayLike, azimuth_deg: ArrayLike, distance_m: ArrayLike) -> tuple[Array, Array]:
    """Latitudes and longitudes in degrees after ``distance_m`` along the geodesic that starts at ``azimuth_deg``."""
    lng, lat, azimuth, distance = _broadcast(lng_deg, lat_deg, azimuth_deg, distance_m)
    lng, lat, _ = _geod().fwd(lng, lat, azimuth, distance)
    return np.asarray(lat, float), np.asarray(lng, float)


def azimuths_deg(lat_from: ArrayLike, lng_from: ArrayLike, lat_to: ArrayLike, lng_to: ArrayLike) -> Array:
    """Directions in [0, 360) degrees clockwise from true north in which geodesics from point to point start."""
    azimuth, _, _ = _geod().inv(*_broadcast(lng_from, lat_from, lng_to, lat_to), return_back_azimuth=True)
    return np.asarray(azimuth, np.float64) % 360.0


def _broadcast(*values: ArrayLike) -> tuple[Array, Array, Array, Array]:
    first, second, third, fourth = np.broadcast_arrays(*(np.asarray(value, np.float64) for value in values))
    return first, second, third, fourth
