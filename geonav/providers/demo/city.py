"""DemoCity: a synthetic city that is photographed as a provider's car and people photograph a real one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geonav.errors import InputError
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import LocalFrame
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center
from geonav.providers.demo.city_plan import SPACING_M, CityPlan, Layout, Line, lay_out
from geonav.providers.demo.city_render import render_equirectangular
from geonav.providers.demo.city_world import World
from geonav.providers.demo.photo import Conditions, jpeg_bytes, render

if TYPE_CHECKING:
    from shapely import Polygon

__all__ = ["CityPanorama", "CityPlan", "CityStreet", "DemoCity"]

Floats = NDArray[np.float64]

NAME = "Demostadt"
_OUTLINE_MARGIN_M = 12.0
_REFERENCE_CHANGE = 0.2
_QUALITY = 90
# Pictures rendered at a time, in threads that stay: a server's own come and go and each would keep memory of its own.
_MAX_RENDERERS = 4


@dataclass(frozen=True)
class CityStreet:
    """A straight street.

    Attributes:
        name: Of the street.
        start_enu: (3,) where it begins, metres at the city's origin.
        end_enu: (3,) where it ends.
    """

    name: str
    start_enu: Floats
    end_enu: Floats


@dataclass(frozen=True)
class CityPanorama:
    """A panorama as its provider reports it: with the plan's noise, if it has any.

    Attributes:
        pano_id: Its name.
        lat: Degrees.
        lng: Degrees.
        alt_m: Of the camera, in the datum of the origin's height.
        heading_deg: Of the middle of its picture, clockwise from north.
        captured_at: Year and month.
        street: Name of the street it stands in.
    """

    pano_id: str
    lat: float
    lng: float
    alt_m: float
    heading_deg: float
    captured_at: str
    street: str


@dataclass(frozen=True)
class _Station:
    """Where a panorama truly is, and how far its reported heading is off."""

    number: int
    line: Line
    center: Floats
    heading_deg: float
    turn_deg: float
    shift_m: Floats


class DemoCity:
    """Streets with houses, trees, cars and people; equal plans give equal pictures.

    Rendering is safe from several threads at once; memory is bounded whatever the city's size: see
    city_world.MAX_SITES_BYTES.
    """

    name = NAME

    def __init__(self, plan: CityPlan | None = None) -> None:
        """Lay the streets out; nothing is built before it is looked at."""
        self.plan = plan or CityPlan()
        self.layout: Layout = lay_out(self.plan)
        self.frame = LocalFrame(self.plan.origin)
        self.world = World(self.layout)
        self._renderers = ThreadPoolExecutor(min(_MAX_RENDERERS, os.cpu_count() or 1), "geonav-render")

    @cached_property
    def streets(self) -> list[CityStreet]:
        """All streets."""
        place, enu = self.layout.place, self.layout.enu
        return [
            CityStreet(line.name, enu(place(line, line.begin_m)), enu(place(line, line.end_m)))
            for line in self.layout.lines
        ]

    @cached_property
    def outline(self) -> Polygon:
        """The hull of all streets and a little more, (lng, lat) degrees."""
        from shapely.geometry import MultiPoint, Polygon

        ends = [end[:2] for street in self.streets for end in (street.start_enu, street.end_enu)]
        hull = MultiPoint(np.array(ends)).convex_hull.buffer(_OUTLINE_MARGIN_M, quad_segs=4)
        east, north = np.array(hull.exterior.coords).T
        lat, lng, _ = self.frame.geo_from_enu(np.stack([east, north, np.zeros_like(east)], axis=1))
        return Polygon(np.stack([lng, lat], axis=1))

    @cached_property
    def panoramas(self) -> list[CityPanorama]:
        """All panoramas, street by street."""
        return [self._reported(station) for station in self._stations]

    def nearest(self, lat: float, lng: float, radius_m: float) -> CityPanorama | None:
        """The panorama reported nearest to a point, or None where none is within the radius."""
        here = np.asarray(self.frame.enu_from_geo(lat, lng, self.plan.origin.alt_m))[:2]
        distances = np.linalg.norm(self._places - here, axis=1)
        best = int(np.argmin(distances))
        return self.panoramas[best] if distances[best] <= radius_m else None

    def view(
        self, pano_id: str, azimuth_deg: float, pitch_deg: float, fov_deg: float, width: int, height: int
    ) -> bytes:
        """JPEG of a view; the azimuth counts from what the provider takes for north.

        Raises:
            InputError: there is no such panorama.
        """
        direction = (azimuth_deg, pitch_deg)
        camera = Camera.from_fov(width, height, fov_deg)
        return self._renderers.submit(self._view, self._station(pano_id), direction, camera).result()

    def _view(self, station: _Station, direction: tuple[float, float], camera: Camera) -> bytes:
        azimuth_deg, pitch_deg = direction
        rotation = rotation_from_angles(azimuth_deg - station.turn_deg, pitch_deg)
        pose = pose_from_center(rotation, station.center)
        noise = self.plan.rng(52, station.number, *(round(100 * (part % 360)) for part in direction))
        scene = self.world.scene(station.center)
        return jpeg_bytes(render(scene, camera, pose, self._conditions(station), noise), _QUALITY)

    def equirectangular(self, pano_id: str, width: int) -> bytes:
        """JPEG of the whole sphere, half as high as wide; its middle looks along the panorama's heading.

        Raises:
            InputError: there is no such panorama.
        """
        return self._renderers.submit(self._equirectangular, self._station(pano_id), width).result()

    def _equirectangular(self, station: _Station, width: int) -> bytes:
        conditions, noise = self._conditions(station), self.plan.rng(53, station.number)
        scene = self.world.scene(station.center)
        picture = render_equirectangular(scene, station.center, station.heading_deg, width, conditions, noise)
        return jpeg_bytes(picture, _QUALITY)

    def ground_m(self, lat: float, lng: float) -> float:
        """Height of the ground, in the datum of the origin's height."""
        east, north, _ = (float(value) for value in self.frame.enu_from_geo(lat, lng, self.plan.origin.alt_m))
        up = east * self.plan.slope[0] + north * self.plan.slope[1]
        return float(self.frame.geo_from_enu(np.array([east, north, up]))[2])

    def write_queries(self, folder: Path, count: int) -> None:
        """Take photos of the city as people do, and write them with the truth; see city_queries."""
        from geonav.providers.demo.city_queries import write_queries

        write_queries(self, folder, count)

    def nearest_station_m(self, center: Sequence[float] | Floats) -> float:
        """Distance along the ground from a place, ENU metres, to where the nearest panorama truly is."""
        truth = np.array([station.center[:2] for station in self._stations])
        return float(np.linalg.norm(truth - np.asarray(center)[:2], axis=1).min())

    @cached_property
    def _stations(self) -> list[_Station]:
        """Panoramas about every 10 m, in the middle of a lane."""
        lengths = np.array([line.length_m for line in self.layout.lines])
        ends = np.rint(np.cumsum(lengths) / lengths.sum() * self.plan.num_panoramas).astype(int)
        counts = np.diff(np.concatenate([[0], ends]))
        stations: list[_Station] = []
        for line, count in zip(self.layout.lines, counts, strict=True):
            stations += self._along(line, int(count), len(stations))
        return stations

    def _along(self, line: Line, count: int, first: int) -> list[_Station]:
        rng = self.plan.rng(50, line.number)
        gap = line.length_m / max(count, 1)
        heading = self.layout.azimuth_deg(line)
        found = []
        for i in range(count):
            along = line.begin_m + (i + 0.5) * gap + rng.uniform(-0.1, 0.1) * min(gap, SPACING_M)
            center = self.layout.enu(self.layout.place(line, along, rng.normal(0, 0.2)), self.plan.camera_height_m)
            turn = self.plan.heading_noise_deg * rng.standard_normal()
            shift = self.plan.position_noise_m * rng.standard_normal(2)
            found.append(_Station(first + i, line, center, heading, float(turn), np.append(shift, 0.0)))
        return found

    def _reported(self, station: _Station) -> CityPanorama:
        lat, lng, alt = (float(value) for value in self.frame.geo_from_enu(station.center + station.shift_m))
        heading = float((station.heading_deg + station.turn_deg) % 360)
        month = 1 + station.line.number % 12
        return CityPanorama(
            f"demo{self.plan.seed}-{station.number:05d}", lat, lng, alt, heading, f"2025-{month:02d}", station.line.name
        )

    @cached_property
    def _by_id(self) -> dict[str, _Station]:
        return {pano.pano_id: station for pano, station in zip(self.panoramas, self._stations, strict=True)}

    @cached_property
    def _places(self) -> Floats:
        """(N, 2) reported places, metres east and north."""
        return np.array([(station.center + station.shift_m)[:2] for station in self._stations]).reshape(-1, 2)

    def _station(self, pano_id: str) -> _Station:
        if pano_id not in self._by_id:
            msg = f"{self.name} has no panorama '{pano_id}': fetch its metadata anew"
            raise InputError(msg)
        return self._by_id[pano_id]

    def _conditions(self, station: _Station) -> Conditions:
        """A street is driven on one day, so that its panoramas share light."""
        return Conditions.random(self.plan.rng(51, station.line.number), change=_REFERENCE_CHANGE)
