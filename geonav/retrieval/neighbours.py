"""References that stand side by side and look the same way vouch for each other.

What a photo shows is seen from several references, each at its own angle; a look-alike elsewhere in the city fits one
of them by chance, but hardly its neighbours too. So the similarity of a reference is averaged with those of the
references around it, by how near they stand and how nearly they look the same way. The poses of a database are known
before any photo comes: this needs no training, and none of it is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from geonav.data.places import Places

# Standard deviations of a Gaussian over distance and turn: best of those tried on simulated and real streets.
_NEAR_M, _ALIKE_DEG = 10.0, 60.0
# Beyond so many of them a neighbour counts for nothing.
_REACH = 2.5
_DEG_PER_M = 1 / 110_500.0  # of latitude, where a degree is shortest
# All neighbours together count at most as so many at the same place.
_MOST_SUPPORT = 4.0
Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """Which references are neighbours of which.

    Attributes:
        of: (M,) positions in the list that was asked for.
        row: (M,) rows of the table: a neighbour each.
        weight: (M,) in (0, 1].
    """

    of: Rows
    row: Rows
    weight: NDArray[np.float64]


class Neighbourhood:
    """Finds the neighbours of a database's references."""

    def __init__(self, places: Places) -> None:
        """Bind the table of their places; it is sorted when first asked."""
        self._places = places

    def of(self, rows: Rows) -> Pairs:
        """The neighbours of some rows of the table, none for a row of -1 or one whose place or azimuth is not known."""
        found = [self._of(row) for row in rows.tolist()]
        counts = [len(near) for near, _ in found]
        empty: tuple[Rows, Floats] = np.zeros(0, np.int64), np.zeros(0)
        near, weights = (np.concatenate(part) for part in zip(empty, *found, strict=True))
        return Pairs(np.repeat(np.arange(len(rows)), counts), near, weights)

    def supported(
        self, rows: Rows, own: Floats, similarity: Callable[[Rows], Floats], strength: float, silent: Rows
    ) -> Floats:
        """Scores of some references: their own similarity and, as far as they are near, that of their neighbours.

        Args:
            rows: (N,) rows of the table, -1 for what is not in it.
            own: (N,) similarities of them.
            similarity: tells those of other rows (M,), NaN for a row that may not be found.
            strength: how much a neighbour at the same place counts.
            silent: positions in ``rows`` of those that vouch for nobody.

        Returns:
            (N,) scores; where many neighbours stand, as in a street passed many times, they count less each.
        """
        pairs = self.of(rows)
        needed, where = np.unique(pairs.row, return_inverse=True)
        own_or_none = own.copy()
        own_or_none[silent] = np.nan
        known = dict(zip(rows.tolist(), own_or_none.tolist(), strict=True))
        values = np.array([known.get(row, np.nan) for row in needed.tolist()])
        missing = np.isnan(values)
        if missing.any():
            values[missing] = similarity(needed[missing])
        given = np.isfinite(values)[where]
        weight = np.where(given, pairs.weight, 0.0)
        total = np.bincount(pairs.of, weight, len(rows))
        support = np.bincount(pairs.of, weight * np.where(given, values[where], 0.0), len(rows))
        return own + strength * support * np.minimum(1.0, _MOST_SUPPORT / np.maximum(total, _MOST_SUPPORT))

    def _of(self, row: int) -> tuple[Rows, Floats]:
        places = self._places
        if row < 0 or not (np.isfinite(places.lat[row]) and np.isfinite(places.azimuth[row])):
            return np.zeros(0, np.int64), np.zeros(0)
        step = _REACH * _NEAR_M * _DEG_PER_M
        band = self._order[slice(*np.searchsorted(self._lat, (places.lat[row] - step, places.lat[row] + step)))]
        away = np.linalg.norm(places.ecef_m[band] - places.ecef_m[row], axis=1) / _NEAR_M
        turned = np.abs((places.azimuth[band] - places.azimuth[row] + 180.0) % 360.0 - 180.0) / _ALIKE_DEG
        is_near = (away <= _REACH) & (turned <= _REACH) & (band != row)
        return band[is_near], np.exp(-0.5 * (away[is_near] ** 2 + turned[is_near] ** 2))

    @cached_property
    def _order(self) -> Rows:
        """Rows whose place is known, from south to north."""
        known = np.flatnonzero(np.isfinite(self._places.lat))
        return known[np.argsort(self._places.lat[known], kind="stable")]

    @cached_property
    def _lat(self) -> NDArray[np.float64]:
        return self._places.lat[self._order]
