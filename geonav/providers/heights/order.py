"""An order in which neighbours follow each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BITS = 24  # of each coordinate: 2.4 m of longitude
# Each step of the spreading moves half of every run of bits up and keeps what belongs there.
_SPREAD = (
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)


def spatial_order(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of (lat, lng) points along a Morton curve; equal for equal points, whatever their number.

    Google smooths the heights of one call's points over their spread, so that those of one call should be neighbours.
    """
    if not points:
        return []
    lat_lng = np.asarray(points, np.float64)
    scaled = (lat_lng + np.array([90.0, 180.0])) / 360.0 * (1 << _BITS)
    cells = np.clip(scaled, 0, (1 << _BITS) - 1).astype(np.uint64)
    codes = _spread(cells[:, 0]) << np.uint64(1) | _spread(cells[:, 1])
    # Ties are broken by the coordinates: the order must not depend on how the points come.
    order: list[int] = np.lexsort((lat_lng[:, 1], lat_lng[:, 0], codes)).tolist()
    return order


def _spread(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Put a zero between all bits of numbers below 2**32."""
    for shift, mask in _SPREAD:
        values = (values | values << np.uint64(shift)) & np.uint64(mask)
    return values
