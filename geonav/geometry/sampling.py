"""Points on a grid in metres within a disc or polygons, counted before they are made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from geonav.errors import UsageError
from geonav.geometry.geodesy import moved
from geonav.geometry.plane import wrapped_lng

Array = NDArray[np.float64]
Pattern = Literal["hex", "square"]

# Blocks of the grid with at most this many points are tested point by point; larger ones are split.
_BLOCK_POINTS = 4096


class Region(Protocol):
    """An area on a plane in metres."""

    @property
    def area_m2(self) -> float:
        """Its area."""

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north edge in metres."""

    def covers(self, block: tuple[float, float, float, float]) -> bool | None:
        """Whether a block (west, south, east, north) lies within it, or outside; None if neither is sure."""

    def contains(self, xy: Array) -> NDArray[np.bool_]:
        """Which of the points ``(N, 2)`` it contains, its edge included."""


@dataclass(frozen=True)
class Disc:
    """All that is no farther than ``radius_m`` from the plane's middle."""

    radius_m: float

    @property
    def area_m2(self) -> float:
        """Its area."""
        return math.pi * self.radius_m**2

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north edge in metres."""
        return -self.radius_m, -self.radius_m, self.radius_m, self.radius_m

    def covers(self, block: tuple[float, float, float, float]) -> bool | None:
        """Whether a block (west, south, east, north) lies within it, or outside; None if neither is sure."""
        west, south, east, north = block
        if math.hypot(max(-west, east), max(-south, north)) <= self.radius_m:
            return True
        nearest = math.hypot(max(west, -east, 0.0), max(south, -north, 0.0))
        return False if nearest > self.radius_m else None

    def contains(self, xy: Array) -> NDArray[np.bool_]:
        """Which of the points ``(N, 2)`` it contains, its edge included."""
        return np.asarray(np.hypot(xy[:, 0], xy[:, 1]) <= self.radius_m)


class Polygons:
    """Polygons in metres on the plane; their holes are outside."""

    def __init__(self, area: BaseGeometry) -> None:
        self._parts = area
        shapely.prepare(self._parts)

    @property
    def area_m2(self) -> float:
        """Its area."""
        return float(self._parts.area)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north edge in metres."""
        west, south, east, north = self._parts.bounds
        return west, south, east, north

    def covers(self, block: tuple[float, float, float, float]) -> bool | None:
        """Whether a block (west, south, east, north) lies within it, or outside; None if neither is sure."""
        tile = box(*block)
        if not self._parts.intersects(tile):
            return False
        return True if self._parts.covers(tile) else None

    def contains(self, xy: Array) -> NDArray[np.bool_]:
        """Which of the points ``(N, 2)`` it contains, its edge included."""
        return np.asarray(shapely.intersects_xy(self._parts, xy[:, 0], xy[:, 1]), bool)


@dataclass(frozen=True)
class Grid:
    """A regular pattern of points with one of them in the plane's middle.

    Attributes:
        spacing_m: distance of each point to its nearest neighbours.
        pattern: ``hex`` has six of these and covers an area best, ``square`` has four.
    """

    spacing_m: float
    pattern: Pattern = "hex"

    @property
    def row_m(self) -> float:
        """Distance between rows."""
        return self.spacing_m * (math.sqrt(3) / 2 if self.pattern == "hex" else 1.0)

    def estimate(self, area_m2: float) -> int:
        """How many points an area holds, up to the points along its edge."""
        return round(area_m2 / (self.spacing_m * self.row_m))

    def points(self, region: Region, max_points: int) -> Array:
        """The points within a region ``(N, 2)`` in metres, row by row from the south-west.

        Raises:
            UsageError: there are more than ``max_points``; known before they are made.
        """
        _refuse(self.estimate(region.area_m2), max_points, region, self)
        west, south, east, north = region.bounds
        columns = math.floor(west / self.spacing_m) - 1, math.ceil(east / self.spacing_m) + 1
        rows = math.floor(south / self.row_m), math.ceil(north / self.row_m)
        blocks = self._blocks(region, (columns[0], rows[0], columns[1] + 1, rows[1] + 1))
        indices = np.vstack(blocks) if blocks else np.empty((0, 2), np.int64)
        _refuse(len(indices), max_points, region, self)
        order = np.lexsort((indices[:, 0], indices[:, 1]))
        return self._xy(indices[order])

    def _blocks(self, region: Region, block: tuple[int, int, int, int]) -> list[NDArray[np.int64]]:
        """Columns and rows of the points of a block (half-open) that lie in the region."""
        first_column, first_row, end_column, end_row = block
        width, height = end_column - first_column, end_row - first_row
        is_within = region.covers(self._extent(block))
        if is_within is False:
            return []
        if is_within or width * height <= _BLOCK_POINTS:
            indices = np.stack(
                np.meshgrid(np.arange(first_column, end_column), np.arange(first_row, end_row)), axis=-1
            ).reshape(-1, 2)
            return [indices if is_within else indices[region.contains(self._xy(indices))]]
        if width >= height:
            middle = first_column + width // 2
            halves = (first_column, first_row, middle, end_row), (middle, first_row, end_column, end_row)
        else:
            middle = first_row + height // 2
            halves = (first_column, first_row, end_column, middle), (first_column, middle, end_column, end_row)
        return [part for half in halves for part in self._blocks(region, half)]

    def _extent(self, block: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
        """West, south, east, north edge in metres of all points of a block."""
        first_column, first_row, end_column, end_row = block
        shift = 0.5 if self.pattern == "hex" else 0.0
        return (
            first_column * self.spacing_m,
            first_row * self.row_m,
            (end_column - 1 + shift) * self.spacing_m,
            (end_row - 1) * self.row_m,
        )

    def _xy(self, indices: NDArray[np.int64]) -> Array:
        x, y = indices[:, 0].astype(float), indices[:, 1]
        if self.pattern == "hex":
            x = x + 0.5 * (y % 2)  # every other row stands between its neighbours' points
        return np.column_stack([x * self.spacing_m, y * self.row_m])


def jittered(lat_deg: Array, lng_deg: Array, jitter_m: tuple[float, float], seed: int) -> tuple[Array, Array]:
    """Positions moved by a uniform LOWER to UPPER metres, each in a random direction.

    Args:
        lat_deg: (N,).
        lng_deg: (N,).
        jitter_m: LOWER and UPPER.
        seed: equal seeds move equal positions alike.
    """
    lower_m, upper_m = jitter_m
    if upper_m == 0.0:
        return lat_deg, lng_deg
    random = np.random.default_rng(seed)
    distance_m = random.uniform(lower_m, upper_m, len(lat_deg))
    azimuth_deg = random.uniform(0.0, 360.0, len(lat_deg))
    lat, lng = moved(lat_deg, lng_deg, azimuth_deg, distance_m)
    return lat, wrapped_lng(lng)


def _refuse(num_points: int, max_points: int, region: Region, grid: Grid) -> None:
    if num_points > max_points:
        msg = (
            f"a grid of {grid.spacing_m:g} m over {region.area_m2 / 1e6:,.1f} km2 has about {num_points:,} points, "
            f"more than the {max_points:,} that sampling.max_points allows: choose a larger spacing or a smaller area"
        )
        raise UsageError(msg)
