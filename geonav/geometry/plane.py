"""A plane in metres about a point, and areas of longitude and latitude drawn on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely.geometry import LineString, MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

if TYPE_CHECKING:
    from pyproj import Proj

Array = NDArray[np.float64]

# Edges of longitude and latitude are bent on the plane: pieces of this length are straight to 0.1 m up to 80 degrees
# north or south.
_PIECE_DEG = 0.01
_FULL_TURN_DEG = 360.0


@dataclass(frozen=True)
class MetricPlane:
    """Metres east and north of a point: the azimuthal equidistant projection of WGS84.

    Distances and directions from the middle are exact everywhere. Across them lengths grow with the distance from the
    middle: by 0.004 % at 100 km and 0.4 % at 1,000 km. Antimeridian and poles are places like any other.

    Attributes:
        lat_deg: of the middle.
        lng_deg: of the middle.
    """

    lat_deg: float
    lng_deg: float

    @cached_property
    def _projection(self) -> Proj:
        from pyproj import Proj

        return Proj(proj="aeqd", lat_0=self.lat_deg, lon_0=self.lng_deg, datum="WGS84", units="m")

    def xy_from_geo(self, lat_deg: ArrayLike, lng_deg: ArrayLike) -> Array:
        """Metres east and north ``(..., 2)`` of positions in degrees."""
        lat, lng = np.broadcast_arrays(np.asarray(lat_deg, float), np.asarray(lng_deg, float))
        x, y = self._projection(lng, lat)
        return np.stack([np.asarray(x, float), np.asarray(y, float)], axis=-1)

    def geo_from_xy(self, xy: ArrayLike) -> tuple[Array, Array]:
        """Latitudes and longitudes in degrees of metres ``(..., 2)``; longitudes are in [-180, 180)."""
        metres = np.asarray(xy, float)
        lng, lat = self._projection(metres[..., 0], metres[..., 1], inverse=True)
        return np.asarray(lat, float), wrapped_lng(lng)

    def project(self, area: BaseGeometry) -> BaseGeometry:
        """A valid area in metres of polygons in longitude and latitude; holes stay holes.

        Rings may cross the antimeridian in any of the usual ways: cut in two there, running past 180 degrees, or
        jumping from one side to the other.
        """
        polygons = [part for part in _parts(area) if isinstance(part, Polygon) and not part.is_empty]
        drawn = []
        for polygon in polygons:
            holes = [self._projected_ring(ring.coords) for ring in polygon.interiors]
            drawn.append(shapely.make_valid(Polygon(self._projected_ring(polygon.exterior.coords), holes)))
        # Parts that the antimeridian cut in two touch here but for rounding: closing a millimetre joins them.
        joined = shapely.union_all(drawn)
        if len(drawn) > 1:
            joined = joined.buffer(1e-3, join_style="mitre").buffer(-1e-3, join_style="mitre")
        return MultiPolygon([part for part in _parts(joined) if isinstance(part, Polygon) and part.area > 0])

    def unproject(self, area: BaseGeometry) -> BaseGeometry:
        """Polygons in longitude and latitude of an area in metres, cut in two at the antimeridian (RFC 7946)."""
        pieces = []
        for part in _parts(area):
            if isinstance(part, Polygon) and not part.is_empty:
                shell = self._unprojected_ring(part.exterior.coords)
                holes = [self._unprojected_ring(ring.coords) for ring in part.interiors]
                pieces.append(shell.difference(shapely.union_all(holes)) if holes else shell)
        return shapely.union_all(pieces)

    def _projected_ring(self, coordinates: ArrayLike) -> Array:
        ring = np.asarray(coordinates, float)[:, :2].copy()
        ring[:, 0] = np.unwrap(ring[:, 0], period=_FULL_TURN_DEG)
        pieces = shapely.get_coordinates(shapely.segmentize(LineString(ring), _PIECE_DEG))
        return self.xy_from_geo(pieces[:, 1], pieces[:, 0])

    def _unprojected_ring(self, coordinates: ArrayLike) -> BaseGeometry:
        """The area within a ring, in [-180, 180] degrees."""
        lat, lng = self.geo_from_xy(np.asarray(coordinates, float)[:, :2])
        lng = np.unwrap(lng, period=_FULL_TURN_DEG)
        ring = np.column_stack([lng, lat])
        if abs(lng[-1] - lng[0]) > _FULL_TURN_DEG / 2:  # the ring goes round a pole, which is a line in degrees
            pole = np.copysign(90.0, lat.mean())
            ring = np.vstack([ring, [lng[-1], pole], [lng[0], pole]])
        whole = shapely.make_valid(Polygon(ring))
        return shapely.union_all([_one_turn(whole, turn) for turn in (-1, 0, 1)])


def middle_of(area: BaseGeometry) -> tuple[float, float]:
    """Latitude and longitude in degrees of the centroid of polygons in longitude and latitude."""
    coordinates = shapely.get_coordinates(area)
    lat, lng = mean_position(coordinates[:, 1], coordinates[:, 0])
    plane = MetricPlane(lat, lng)
    centroid = plane.project(area).centroid
    if centroid.is_empty:  # the area has no width
        return lat, lng
    middle_lat, middle_lng = plane.geo_from_xy(np.array([centroid.x, centroid.y]))
    return float(middle_lat), float(middle_lng)


def mean_position(lat_deg: ArrayLike, lng_deg: ArrayLike) -> tuple[float, float]:
    """Latitude and longitude in degrees in the middle of positions, wherever the antimeridian is."""
    lat, lng = np.radians(np.asarray(lat_deg, float)), np.radians(np.asarray(lng_deg, float))
    x, y, z = np.cos(lat) * np.cos(lng), np.cos(lat) * np.sin(lng), np.sin(lat)
    mean = np.array([x.mean(), y.mean(), z.mean()])
    latitude = float(np.degrees(np.arctan2(mean[2], np.hypot(mean[0], mean[1]))))
    return latitude, float(wrapped_lng(np.degrees(np.arctan2(mean[1], mean[0]))))


def wrapped_lng(lng_deg: ArrayLike) -> Array:
    """Longitudes in [-180, 180) degrees."""
    lng = np.asarray(lng_deg, float)
    is_within = (lng >= -180.0) & (lng < 180.0)  # these stay as they are to the last bit
    return np.where(is_within, lng, (lng + 180.0) % _FULL_TURN_DEG - 180.0)


def _parts(area: BaseGeometry) -> list[BaseGeometry]:
    """The simple geometries an area is made of, however it is nested."""
    return list(shapely.get_parts(shapely.get_parts([area])))


def _one_turn(area: BaseGeometry, turn: int) -> BaseGeometry:
    """What of an area lies in a turn of longitude, moved to [-180, 180]."""
    start = -180.0 + turn * _FULL_TURN_DEG
    part = area.intersection(box(start, -90.0, start + _FULL_TURN_DEG, 90.0))
    return shapely.transform(part, lambda xy: xy - np.array([turn * _FULL_TURN_DEG, 0.0]))
