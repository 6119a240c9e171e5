"""From a place, a point or a file to the points at which imagery is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPoint, Point
from shapely.geometry.base import BaseGeometry

from geonav.config import GeonavConfig
from geonav.data.points import read_points
from geonav.data.survey import SamplePoint
from geonav.errors import UsageError
from geonav.geometry.plane import MetricPlane, mean_position, middle_of
from geonav.geometry.sampling import Disc, Grid, Polygons, Region, jittered
from geonav.providers import streets
from geonav.providers.places import find_place

# Lengths on the plane are off by 10 % there: what is larger is no place.
FARTHEST_M = 5_000_000.0
_QUARTER_EDGES = 32


@dataclass(frozen=True)
class SampleRequest:
    """Where to sample: one of a point with a radius, a place with or without one, and a file.

    Attributes:
        point: latitude and longitude in degrees.
        place: a name to look up.
        radius_m: of the disc about the point or the place's centre; without it a place is its outline.
        points_file: points of one's own, CSV or GeoJSON.
        along_streets: sample the streets of the area instead of all of it.
    """

    point: tuple[float, float] | None = None
    place: str | None = None
    radius_m: float | None = None
    points_file: Path | None = None
    along_streets: bool = False


@dataclass(frozen=True)
class Sampling:
    """An area and the points in it.

    Attributes:
        area: polygons in longitude and latitude, cut at the antimeridian.
        center: latitude and longitude of its middle, degrees.
        points: in the area, but for jitter.
        area_km2: its size.
        name: what it is, for people.
    """

    area: BaseGeometry
    center: tuple[float, float]
    points: tuple[SamplePoint, ...]
    area_km2: float
    name: str


@dataclass(frozen=True)
class _Site:
    """An area before its points are made."""

    plane: MetricPlane
    region: Region
    area: BaseGeometry
    name: str


def sample(request: SampleRequest, config: GeonavConfig) -> Sampling:
    """Find the area and its points; spacing, jitter and the most points are ``[sampling]``'s, the seed ``seed``.

    Raises:
        UsageError: the request makes no sense, or asks for more points than ``sampling.max_points``.
        InputError: no such place, no streets, or a file that cannot be used.
        NetworkError: a service that is needed cannot be reached.
    """
    _check(request, config)
    if request.points_file is not None:
        return _from_file(request.points_file, config)
    if request.along_streets:
        streets.check_installed()  # before any service is asked
    site = _disc_site(request) if request.place is None else _place_site(request, config)
    points = streets.street_points(site.area, config) if request.along_streets else _grid_points(site, config)
    moved = _jittered(points, config)
    center = site.plane.lat_deg, site.plane.lng_deg
    return Sampling(site.area, center, moved, site.region.area_m2 / 1e6, site.name)


def _check(request: SampleRequest, config: GeonavConfig) -> None:
    given = [request.point is not None, request.place is not None, request.points_file is not None]
    if sum(given) != 1:
        msg = "give exactly one of --point LAT LNG, --place NAME and --points FILE"
        raise UsageError(msg)
    _check_radius(request, config)
    lower_m, upper_m = config.sampling.jitter_m
    if not 0 <= lower_m <= upper_m < math.inf:
        msg = f"jitter {lower_m:g} {upper_m:g}: give LOWER and UPPER in metres with 0 <= LOWER <= UPPER"
        raise UsageError(msg)
    if request.point is not None:
        lat, lng = request.point
        if not (abs(lat) <= 90 and abs(lng) <= 180):
            msg = f"--point {lat:g} {lng:g} is not on Earth: LAT is -90 to 90 and LNG -180 to 180, in degrees"
            raise UsageError(msg)


def _check_radius(request: SampleRequest, config: GeonavConfig) -> None:
    radius_m, spacing_m = request.radius_m, config.sampling.spacing_m
    if request.points_file is not None and (radius_m is not None or request.along_streets):
        msg = "--points FILE says where to look by itself: leave --radius and --along-streets out"
        raise UsageError(msg)
    if radius_m is None:
        if request.point is not None:
            msg = "--point needs --radius METRES"
            raise UsageError(msg)
        return
    if not 0 < radius_m <= FARTHEST_M:
        msg = f"--radius {radius_m:g} is out of range: give more than 0 and at most {FARTHEST_M:.0f} metres"
        raise UsageError(msg)
    if spacing_m > radius_m:
        msg = f"--spacing {spacing_m:g} is larger than --radius {radius_m:g}: give a smaller spacing or a larger radius"
        raise UsageError(msg)


def _disc_site(request: SampleRequest) -> _Site:
    """The disc about a point."""
    lat, lng = request.point or (0.0, 0.0)
    return _disc(lat, lng, request.radius_m or 0.0, f"{request.radius_m:g} m about {lat:.5f} {lng:.5f}")


def _place_site(request: SampleRequest, config: GeonavConfig) -> _Site:
    """A place's outline, or the disc about its centre.

    Raises:
        UsageError: the place has no outline and there is no radius.
    """
    place = find_place(request.place or "", config)
    if request.radius_m is not None:
        return _disc(place.lat, place.lng, request.radius_m, f"{request.radius_m:g} m about {place.name}")
    if place.outline is None:
        msg = (
            f"'{place.name}' ({place.kind}) has no outline, it is a point or a line at {place.lat:.5f} "
            f"{place.lng:.5f}: give --radius METRES"
        )
        raise UsageError(msg)
    plane = MetricPlane(*middle_of(place.outline))
    metres = plane.project(place.outline)
    _check_reach(shapely.get_coordinates(metres), place.name)
    return _Site(plane, Polygons(metres), plane.unproject(metres), place.name)


def _disc(lat: float, lng: float, radius_m: float, name: str) -> _Site:
    plane = MetricPlane(lat, lng)
    outline = plane.unproject(Point(0.0, 0.0).buffer(radius_m, quad_segs=_QUARTER_EDGES))
    return _Site(plane, Disc(radius_m), outline, name)


def _grid_points(site: _Site, config: GeonavConfig) -> list[SamplePoint]:
    """The points of the grid in an area.

    Raises:
        UsageError: there are too many, or the area falls through the grid.
    """
    sampling = config.sampling
    xy = Grid(sampling.spacing_m, sampling.grid).points(site.region, sampling.max_points)
    if not len(xy):
        msg = f"no point of a grid of {sampling.spacing_m:g} m lies in {site.name}: give a smaller --spacing"
        raise UsageError(msg)
    lat, lng = site.plane.geo_from_xy(xy)
    return [SamplePoint(*place) for place in zip(lat.tolist(), lng.tolist(), strict=True)]


def _jittered(points: list[SamplePoint], config: GeonavConfig) -> tuple[SamplePoint, ...]:
    if config.sampling.jitter_m[1] == 0:
        return tuple(points)
    lat, lng = jittered(*_positions(points), config.sampling.jitter_m, config.seed)
    moved = zip(lat.tolist(), lng.tolist(), points, strict=True)
    return tuple(SamplePoint(at_lat, at_lng, point.heading_deg) for at_lat, at_lng, point in moved)


def _from_file(path: Path, config: GeonavConfig) -> Sampling:
    """Points of one's own; their area is all that is within the search radius of one of them."""
    points = _jittered(list(read_points(path, config.sampling.max_points)), config)
    lat, lng = _positions(points)
    plane = MetricPlane(*mean_position(lat, lng))
    xy = plane.xy_from_geo(lat, lng)
    _check_reach(xy, str(path))
    metres = MultiPoint(xy).buffer(config.fetch.search_radius_m, quad_segs=4)
    center = plane.lat_deg, plane.lng_deg
    return Sampling(plane.unproject(metres), center, points, metres.area / 1e6, path.name)


def _positions(points: list[SamplePoint] | tuple[SamplePoint, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.array([point.lat for point in points]), np.array([point.lng for point in points])


def _check_reach(xy: NDArray[np.float64], name: str) -> None:
    reach_m = float(np.hypot(xy[:, 0], xy[:, 1]).max(initial=0.0))
    if reach_m > FARTHEST_M:
        msg = f"{name} reaches {reach_m / 1000:,.0f} km from its middle, too far for one sampling: take a part of it"
        raise UsageError(msg)
