"""Hits that stand at one place, so that k hits can be k places and not k views of one panorama."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from geonav.data.places import Places

Score = TypeVar("Score")
# Two references show the same when they stand this near to each other and look this nearly the same way.
_SAME_VIEW_M = 25.0
_SAME_VIEW_DEG = 45.0
# Entries whose neighbours are counted, spread over the table.
_MAX_COUNTED = 1000
_DEG_PER_M = 1 / 110_500.0  # of latitude, where a degree is shortest
_UNKNOWN_VIEWS = 4
_MAX_NEIGHBOURS = 60


def one_per_place(hits: Iterable[tuple[str, Score]], places: Places, within_m: float) -> Iterator[tuple[str, Score]]:
    """The first hit of every place, in the order given.

    Two entries are of one place when they were cut from one panorama, or stand within ``within_m`` metres of the hit
    that speaks for it. An entry whose place is not known is a place of its own.
    """
    panoramas: set[tuple[int, int]] = set()
    kept: list[NDArray[np.float64]] = []
    for uid, score in hits:
        row = int(places.rows_of([uid])[0])
        if row < 0:
            yield uid, score
            continue
        panorama = (int(places.provider.code[row]), int(places.panorama.code[row]))
        is_known = bool(places.panorama[row])
        here = places.ecef_m[row]
        near = len(kept) > 0 and bool((np.linalg.norm(np.array(kept) - here, axis=1) <= within_m).any())
        if near or (is_known and panorama in panoramas):
            continue
        panoramas.add(panorama)
        if np.isfinite(here).all():
            kept.append(here)
        yield uid, score


def views_per_place(places: Places) -> int:
    """How many references show what one of them shows, itself included: the median over a sample.

    They stand within 25 m, the distance at which the field counts a hit, and look the same way within 45 degrees, or
    any way where the azimuth is not known. Four where no position is known.
    """
    known = np.flatnonzero(np.isfinite(places.lat))
    if not len(known):
        return _UNKNOWN_VIEWS
    order = known[np.argsort(places.lat[known], kind="stable")]
    lat, azimuth, ecef_m = places.lat[order], places.azimuth[order], places.ecef_m[order]
    step = _SAME_VIEW_M * _DEG_PER_M
    counts = []
    for row in np.unique(np.linspace(0, len(order) - 1, min(len(order), _MAX_COUNTED)).round().astype(int)):
        band = slice(*np.searchsorted(lat, (lat[row] - step, lat[row] + step)))
        near = np.linalg.norm(ecef_m[band] - ecef_m[row], axis=1) <= _SAME_VIEW_M
        turned = np.abs((azimuth[band] - azimuth[row] + 180.0) % 360.0 - 180.0)
        counts.append(np.count_nonzero(near & ~(turned > _SAME_VIEW_DEG)))
    return max(1, round(float(np.median(counts))))


def neighbours_by_views(views: int) -> tuple[int, int]:
    """How many neighbours re-ranking takes for so many views of a place: ``k1`` in a list, ``k2`` of them mixed.

    A list holds the query and the views of its place; half of them are mixed, for the far half shows little of what
    the query shows. On simulated streets of 3 to 21 views this was the best of 12 pairs for dense ones, and no
    re-ranking helps where fewer than six references show one place.
    """
    k1 = min(views + 1, _MAX_NEIGHBOURS)
    return k1, min(k1, max(2, round(views / 2)))
