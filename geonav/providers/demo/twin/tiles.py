"""Mapillary's vector tiles: the layer ``image`` at zoom 14."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

TILE_ZOOM = 14
EXTENT = 4096


def tile_of(lat: float, lng: float) -> tuple[float, float]:
    """Column and row of the tile at :data:`TILE_ZOOM` with their fractions: spherical Mercator, row 0 in the north."""
    count = 1 << TILE_ZOOM
    mercator = math.asinh(math.tan(math.radians(lat)))
    return (lng + 180.0) / 360.0 * count, (1.0 - mercator / math.pi) / 2.0 * count


def encode_tile(column: int, row: int, images: Sequence[tuple[float, float, Mapping[str, Any]]]) -> bytes:
    """The tile that holds those of the images (lat, lng, properties) that lie in it; empty where none does."""
    features = []
    for lat, lng, properties in images:
        x, y = tile_of(lat, lng)
        if (int(x), int(y)) == (column, row):
            # The encoder's own y points up.
            spot = round((x - column) * EXTENT), round((row + 1 - y) * EXTENT)
            features.append({"geometry": f"POINT ({spot[0]} {spot[1]})", "properties": dict(properties)})
    return _encoder()([{"name": "image", "features": features}]) if features else b""


@lru_cache(maxsize=1)
def _encoder() -> Any:  # noqa: ANN401 - the package has no types
    from mapbox_vector_tile import encode

    return encode
