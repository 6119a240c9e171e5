"""Areas as the boxes that services are asked about: tiles of the Web Mercator grid, clipped to the area.

A tile of zoom ``z`` is one of ``2 ** z`` columns, from 180 degrees west eastwards, and as many rows, from the north
southwards (https://wiki.openstreetmap.org/wiki/Slippy_map_tilenames). The rows at the rim reach to the poles here,
so that every place lies in a tile.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.affinity import scale, translate
from shapely.geometry.base import BaseGeometry

from geonav.data.survey import SamplePoint, SearchQuery
from geonav.errors import UsageError

_EQUATOR_DEG_M = 111_319.49
# Coordinates that agree to a centimetre are the same; what is smaller than that squared is nothing.
_DECIMALS = 7
_SLIVER_DEG2 = 1e-14
# Which side of an edge a place lies on is not told finer than this.
_EDGE_DEG = 1e-9
_POLE_DEG = 89.9
_MAX_TILES = 100_000


@dataclass(frozen=True)
class Tile:
    """A tile of the Web Mercator grid."""

    zoom: int
    x: int
    y: int

    @classmethod
    def at(cls, lat: float, lng: float, zoom: int) -> Tile:
        """The tile that holds a place in degrees; longitudes wrap round, latitudes beyond the grid are at its rim."""
        count = 1 << zoom
        sine = math.sin(math.radians(max(-_POLE_DEG, min(_POLE_DEG, lat))))
        row = math.floor((0.5 - math.atanh(sine) / (2 * math.pi)) * count)
        return cls(zoom, math.floor((lng / 360.0 + 0.5) * count) % count, max(0, min(count - 1, row)))

    @property
    def box(self) -> tuple[float, float, float, float]:
        """South, west, north, east in degrees."""
        count = 1 << self.zoom
        south = -90.0 if self.y == count - 1 else self.lat(1.0)
        north = 90.0 if self.y == 0 else self.lat(0.0)
        return south, self.lng(0.0), north, self.lng(1.0)

    def lng(self, right: float) -> float:
        """Degrees of a place in the tile, ``right`` of its width from its western edge."""
        return (self.x + right) / (1 << self.zoom) * 360.0 - 180.0

    def lat(self, down: float) -> float:
        """Degrees of a place in the tile, ``down`` of its height from its northern edge."""
        return math.degrees(math.atan(math.sinh(math.pi * (1.0 - 2.0 * (self.y + down) / (1 << self.zoom)))))

    def children(self) -> Iterator[Tile]:
        """The four tiles of the next zoom that it consists of."""
        for dy in (0, 1):
            for dx in (0, 1):
                yield Tile(self.zoom + 1, 2 * self.x + dx, 2 * self.y + dy)

    @property
    def shape(self) -> BaseGeometry:
        """Its outline in (lng, lat) degrees."""
        south, west, north, east = self.box
        return shapely.box(west, south, east, north)


@dataclass(frozen=True)
class BoxSearch:
    """A query with the part of the area that it is for.

    Attributes:
        query: what is stored; its key names tile and part.
        tile: what the service is asked for.
        part: (lng, lat) degrees; None stands for the query's whole box.
    """

    query: SearchQuery
    tile: Tile
    part: BaseGeometry | None

    @classmethod
    def of(cls, query: SearchQuery) -> BoxSearch:
        """What can be told of a query alone: its tile.

        Raises:
            UsageError: it is no query of boxes.
        """
        try:
            zoom, x, y = (int(number) for number in query.key.split("/")[:3])
        except ValueError:
            msg = f"search '{query.key}' is of no tile: it was stored by another provider; fetch the metadata again"
            raise UsageError(msg) from None
        return cls(query, Tile(zoom, x, y), None)

    def contains(self, lat: float, lng: float) -> bool:
        """Whether a place in degrees belongs to it; places on an edge between tiles belong to one of them."""
        if Tile.at(lat, lng, self.tile.zoom) != self.tile:
            return False
        if self.part is not None:
            place = shapely.Point(_without_dust(np.array([lng, lat])))
            return bool(shapely.dwithin(self.part, place, _EDGE_DEG))
        south, west, north, east = self.query.box or self.tile.box
        return south - _EDGE_DEG <= lat <= north + _EDGE_DEG and west - _EDGE_DEG <= lng <= east + _EDGE_DEG


def box_searches(
    area: BaseGeometry | None, points: Sequence[SamplePoint], zoom: int, radius_m: float
) -> list[BoxSearch]:
    """The tiles of a zoom that find all there is in an area, or within ``radius_m`` of points where there is none.

    Raises:
        UsageError: the area takes more tiles than anybody would want to ask for.
    """
    wanted = shapely.transform(wrapped(area if area is not None else around(points, radius_m)), _without_dust)
    # No tile is larger in square degrees than those at the equator.
    _refuse_more_than(_MAX_TILES, wanted.area / (360.0 / (1 << zoom)) ** 2)
    found: list[BoxSearch] = []
    _collect(Tile(0, 0, 0), wanted, zoom, found)
    return sorted(found, key=lambda search: (search.tile.y, search.tile.x))


def wrapped(area: BaseGeometry) -> BaseGeometry:
    """An area with whatever lies beyond +-180 degrees brought back from the other side."""
    west, _, east, _ = area.bounds if not area.is_empty else (0, 0, 0, 0)
    if west >= -180 and east <= 180:
        return area
    world = shapely.box(-180, -90, 180, 90)
    turns = range(math.floor((west + 180) / 360), math.ceil((east - 180) / 360) + 1)
    return shapely.union_all([translate(area, -360.0 * turn).intersection(world) for turn in turns])


def around(points: Sequence[SamplePoint], radius_m: float) -> BaseGeometry:
    """The discs of a radius about points, in (lng, lat) degrees; a little too large rather than too small."""
    unit = shapely.Point(0, 0).buffer(1.01, quad_segs=8)
    discs = []
    for point in points:
        high = radius_m / (_EQUATOR_DEG_M * 0.993)
        wide = high / max(0.001, math.cos(math.radians(min(90.0, abs(point.lat) + high))))
        discs.append(translate(scale(unit, wide, high, origin=(0, 0)), point.lng, point.lat))
    return shapely.union_all(discs)


def _without_dust(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Degrees without digits that nobody measured; GEOS divides by numbers next to nothing."""
    return np.round(degrees, 12) + 0.0


def _collect(tile: Tile, area: BaseGeometry, zoom: int, found: list[BoxSearch]) -> None:
    """Append the tiles below ``tile`` that the area touches, with the part of it that they hold."""
    outline = tile.shape
    part = area.intersection(outline)
    if part.area < _SLIVER_DEG2:
        return
    if tile.zoom == zoom:
        found.append(_search(tile, part, is_whole=outline.difference(part).area < _SLIVER_DEG2))
        _refuse_more_than(_MAX_TILES, len(found))
        return
    for child in tile.children():
        _collect(child, part, zoom, found)


def _refuse_more_than(limit: int, count: float) -> None:
    if count > limit:
        msg = f"the area takes at least {count:.0f} searches, more than {limit}: choose a smaller one"
        raise UsageError(msg)


def _search(tile: Tile, part: BaseGeometry, *, is_whole: bool) -> BoxSearch:
    key = f"{tile.zoom}/{tile.x}/{tile.y}"
    if not is_whole:
        rounded = shapely.normalize(shapely.transform(part, lambda places: np.round(places, _DECIMALS) + 0.0))
        key += f"/{hashlib.sha256(shapely.to_wkb(rounded)).hexdigest()[:16]}"
    west, south, east, north = part.bounds
    shapely.prepare(part)
    query = SearchQuery(key, (south + north) / 2, (west + east) / 2, box=(south, west, north, east))
    return BoxSearch(query, tile, part)
