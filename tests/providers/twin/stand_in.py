"""A city that costs nothing to photograph: two crossing streets, four panoramas; pictures tell where they look."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from PIL import Image
from shapely import Polygon

from geonav.geometry.geodesy import GeoPoint, LocalFrame, distance_m


@dataclass(frozen=True)
class StandInStreet:
    name: str
    start_enu: tuple[float, float, float]
    end_enu: tuple[float, float, float]


@dataclass(frozen=True)
class StandInPanorama:
    pano_id: str
    lat: float
    lng: float
    alt_m: float
    heading_deg: float
    captured_at: str
    street: str


@dataclass
class StandInCity:
    name: str = "Standdorf"
    frame: LocalFrame = field(default_factory=lambda: LocalFrame(GeoPoint(48.94, 8.40, 120.0)))
    views_taken: list[tuple] = field(default_factory=list)

    streets = (
        StandInStreet("Lange Gasse", (-60.0, 0.0, 0.0), (60.0, 0.0, 0.0)),
        StandInStreet("Quergasse", (20.0, -40.0, 0.0), (20.0, 40.0, 0.0)),
    )

    @cached_property
    def panoramas(self) -> list[StandInPanorama]:
        spots = [("a0", -40, 0, 90, 0), ("a1", -20, 0, 90, 0), ("a2", 0, 0, 90, 0), ("b0", 20, 30, 0, 1)]
        found = []
        for name, east, north, heading, street in spots:
            lat, lng, alt = (float(v) for v in self.frame.geo_from_enu([east, north, 2.5]))
            found.append(StandInPanorama(name, lat, lng, alt, heading, "2024-05-17", self.streets[street].name))
        return found

    @property
    def outline(self) -> Polygon:
        corners = np.array([(-80, -60, 0), (80, -60, 0), (80, 60, 0), (-80, 60, 0)], float)
        lats, lngs, _ = self.frame.geo_from_enu(corners)
        return Polygon(list(zip(lngs, lats, strict=True)))

    def nearest(self, lat: float, lng: float, radius_m: float) -> StandInPanorama | None:
        here = GeoPoint(lat, lng)
        by_distance = {distance_m(here, GeoPoint(p.lat, p.lng)): p for p in self.panoramas}
        return by_distance[min(by_distance)] if min(by_distance) <= radius_m else None

    def view(
        self, pano_id: str, azimuth_deg: float, pitch_deg: float, fov_deg: float, width: int, height: int
    ) -> bytes:
        self.views_taken.append((pano_id, azimuth_deg, pitch_deg, fov_deg, width, height))
        return _picture(width, height, seed=round(azimuth_deg))

    def equirectangular(self, pano_id: str, width: int) -> bytes:
        return _picture(width, width // 2, seed=0)

    def ground_m(self, lat: float, lng: float) -> float:
        return 120.0 + 1000.0 * (lat - 48.94)


def _picture(width: int, height: int, seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).resize((width, height)).save(stream, "JPEG", quality=80)
    return stream.getvalue()
