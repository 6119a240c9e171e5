"""Hits ordered by their own similarity and by that of the references around them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from geonav.data.places import Places
from geonav.retrieval.base import Vector, VectorIndex
from geonav.retrieval.neighbours import Floats, Neighbourhood, Rows


class Vouching:
    """Scores a query's hits together with the references around them, found or not."""

    def __init__(self, places: Places, index: VectorIndex, strength: float) -> None:
        """Ask ``index`` for the vectors of neighbours, which count ``strength`` times as much as the hit itself."""
        self._places, self._index, self._strength = places, index, strength
        self._neighbourhood = Neighbourhood(places)

    def scores(
        self,
        vector: Vector,
        found: Sequence[tuple[str, float]],
        allowed: Collection[str] | None,
        barred: Collection[str] = (),
    ) -> Floats:
        """The score (N,) of each hit.

        Args:
            vector: of the query (D,).
            found: the hits (N) with their similarities.
            allowed: only these references vouch; None for all.
            barred: these do not: the query itself, if it is among the references.
        """
        rows = self._places.rows_of(uid for uid, _ in found)
        own = np.array([score for _, score in found])
        without = np.flatnonzero([uid in barred for uid, _ in found])

        def similarity(others: Rows) -> Floats:
            names = [self._places.uids[row] for row in others.tolist()]
            may = [uid in self._index and uid not in barred and (allowed is None or uid in allowed) for uid in names]
            values = np.full(len(names), np.nan)
            if any(may):
                some = self._index.vectors([uid for uid, may_be in zip(names, may, strict=True) if may_be])
                values[may] = some @ np.asarray(vector, np.float32)
            return values

        return self._neighbourhood.supported(rows, own, similarity, self._strength, without)
