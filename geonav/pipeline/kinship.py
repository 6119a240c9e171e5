"""Which of a database's photos to learn from, and which of those show one place."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geonav.data.places import Places
from geonav.retrieval.neighbours import Neighbourhood
from geonav.retrieval.pca import Kin

logger = logging.getLogger(__name__)

# A database so many times as large as the one that was learned from is worth learning from again.
_GROWN = 4
# Below this weight two references show too little in common.
_LEAST_WEIGHT = 0.2
# Of a sample that is not the whole database, a photo with so many neighbours stands for one place.
_NEIGHBOURS_EACH = 3


@dataclass(frozen=True)
class Sample:
    """Photos to learn from.

    Attributes:
        uids: their names.
        kin: pairs of them that show one place.
    """

    uids: list[str]
    kin: Kin


def spread(uids: Sequence[str], count: int) -> list[str]:
    """At most ``count`` of them, evenly spread."""
    if len(uids) <= count:
        return list(uids)
    return [uids[i] for i in np.linspace(0, len(uids) - 1, count).round().astype(int)]


def hint_at_growth(name: str, learned_from: int, num_photos: int) -> None:
    """Say so where a database has outgrown what a descriptor learned from."""
    if num_photos >= _GROWN * max(learned_from, 1):
        logger.warning(
            "%s learned from %d photos and there are %d now: `geonav index global --retrain` would find places better",
            name,
            learned_from,
            num_photos,
        )


def sample(places: Places, uids: Sequence[str], most: int) -> Sample:
    """At most ``most`` of a database's photos, spread over it, each with some of its neighbours, and who those are."""
    rows = places.rows_of(uids)
    rows = rows[rows >= 0]
    if len(rows) > most:
        rows = _with_neighbours(places, rows, most)
    pairs = Neighbourhood(places).of(rows)
    position = np.full(len(places), -1)
    position[rows] = np.arange(len(rows))
    second = position[pairs.row]
    # Each pair is found from both sides.
    useful = (second > pairs.of) & (pairs.weight >= _LEAST_WEIGHT)
    return Sample(
        [places.uids[row] for row in rows.tolist()],
        Kin(pairs.of[useful], second[useful], pairs.weight[useful]),
    )


def _with_neighbours(places: Places, rows: np.ndarray, most: int) -> np.ndarray:
    """Some rows, spread evenly, and the nearest neighbours of each among them."""
    seeds = rows[np.linspace(0, len(rows) - 1, most // (1 + _NEIGHBOURS_EACH)).round().astype(int)]
    pairs = Neighbourhood(places).of(seeds)
    order = np.lexsort((-pairs.weight, pairs.of))
    starts = np.searchsorted(pairs.of[order], np.arange(len(seeds)))
    is_near = np.arange(len(order)) - starts[pairs.of[order]] < _NEIGHBOURS_EACH
    near = pairs.row[order][is_near & np.isin(pairs.row[order], rows)]
    return np.unique(np.concatenate([seeds, near]))
