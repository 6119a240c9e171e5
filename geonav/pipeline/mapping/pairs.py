"""Which references are worth matching to each other: neighbours that look a similar way, and look-alikes anywhere.

The number of pairs grows with the number of references and not with its square, however dense a city is covered.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from geonav.pipeline.mapping.views import MapView
from geonav.settings.mapping import MapConfig

Array = NDArray[np.float64]
Pair = tuple[str, str]
Similar = Callable[[MapView], Iterable[str]]
# Views turned against each other by more hardly share anything.
_MAX_TURN_DEG = 100.0
# A turn of a right angle keeps two views apart as much as this many metres do.
_METRES_PER_DEG = 0.25
# Neighbours are looked for this much farther where positions are uncertain, in standard deviations.
_REACH_SIGMAS = 2.0
# Of one panorama's views, this share of a view's neighbours at most: the rest stand elsewhere.
_MOST_OF_FRAME = 0.4
# Views of one panorama are tied by each other's links: from the third on they need fewer of their own, but some.
_FREE_VIEWS = 2
_FEWEST = 3
# Pictures and panoramas with fewer links than this are matched to so many that are linked to those they are linked to.
_FEW_LINKS = 6
_CLOSING = 5


def choose_pairs(
    views: Sequence[MapView], similar: Similar, settings: MapConfig, wanted: Iterable[str] | None = None
) -> list[tuple[str, str]]:
    """Pairs of uids, each once and in order.

    Args:
        views: all references.
        similar: the uids that look most like one, best first.
        settings: how many of each kind.
        wanted: only pairs with one of these uids; None for all.
    """
    around = _Neighbours(views, settings)
    known = {view.uid: view for view in views}
    frames = Counter(view.frame for view in views)
    chosen = set(known if wanted is None else wanted)
    pairs: set[tuple[str, str]] = set()
    for view in views:
        if view.uid not in chosen:
            continue
        others = [uid for uid in similar(view) if uid in known and known[uid].frame != view.frame]
        share = min(_FREE_VIEWS / frames[view.frame], 1.0)
        for uid in [*around.of(view, share), *others[: math.ceil(share * settings.similar)]]:
            pairs.add((min(view.uid, uid), max(view.uid, uid)))
    return sorted(pairs)


def closing_pairs(matches: Mapping[Pair, int], least: int, views: Mapping[str, MapView]) -> list[Pair]:
    """Pairs of references that are linked to a common one, for references whose frame has few links.

    One whose source is grossly wrong has no neighbours where it says that it stands: those of the few that it resembles
    are its own.

    Args:
        matches: that pairs tried so far share.
        least: that make a link.
        views: the references.
    """
    around: dict[str, Counter[str]] = {}
    for (first, second), count in matches.items():
        if count >= least:
            around.setdefault(first, Counter())[second] = count
            around.setdefault(second, Counter())[first] = count
    links: Counter[str] = Counter()
    for uid, own in around.items():
        links[views[uid].frame] += len(own)
    found: set[Pair] = set()
    for uid, own in around.items():
        if links[views[uid].frame] >= _FEW_LINKS:
            continue
        shared: Counter[str] = Counter()
        for other, count in own.items():
            shared.update({third: min(count, further) for third, further in around[other].items()})
        fresh = [
            third for third, _ in shared.most_common() if third not in own and views[third].frame != views[uid].frame
        ]
        found.update((min(uid, third), max(uid, third)) for third in fresh[:_CLOSING])
    return sorted(found)


class _Neighbours:
    """Finds those that stand near, through a grid of squares."""

    def __init__(self, views: Sequence[MapView], settings: MapConfig) -> None:
        self._views = views
        self._settings = settings
        self._places = np.array([view.position_m[:2] for view in views]).reshape(-1, 2)
        spread = np.array([max(view.position_std_m[:2]) for view in views])
        self._cell_m = settings.radius_m + _REACH_SIGMAS * float(np.median(spread)) if len(views) else 1.0
        self._cells: dict[tuple[int, int], list[int]] = {}
        for row, place in enumerate(self._places):
            self._cells.setdefault(self._cell(place), []).append(row)
        self._azimuths = np.array([view.azimuth_deg for view in views])

    def _cell(self, place: Array) -> tuple[int, int]:
        x, y = np.floor(place / self._cell_m).astype(int).tolist()
        return x, y

    def of(self, view: MapView, share: float) -> list[str]:
        """Uids of the nearest, where a turn counts as distance; of one panorama not all.

        ``share``: of the wanted number of neighbours, as many as a view of this panorama needs.
        """
        wanted = max(math.ceil(share * self._settings.neighbours), min(_FEWEST, self._settings.neighbours))
        x, y = self._cell(view.position_m[:2])
        rows = np.array([r for i, j in product((-1, 0, 1), repeat=2) for r in self._cells.get((x + i, y + j), [])])
        away = np.linalg.norm(self._places[rows] - view.position_m[:2], axis=1)
        turn = np.abs((self._azimuths[rows] - view.azimuth_deg + 180.0) % 360.0 - 180.0)
        turn = np.where(np.isnan(turn), 0.0, turn)  # where one heading is not known, nearness alone decides
        near = (away <= self._cell_m) & (turn <= _MAX_TURN_DEG)
        rows, cost = rows[near], (away + _METRES_PER_DEG * turn)[near]
        found: list[str] = []
        of_frame: dict[str, int] = {}
        for row in rows[np.argsort(cost, kind="stable")]:
            other = self._views[row]
            if other.frame == view.frame or of_frame.get(other.frame, 0) >= max(_MOST_OF_FRAME * wanted, 1):
                continue
            of_frame[other.frame] = of_frame.get(other.frame, 0) + 1
            found.append(other.uid)
            if len(found) == wanted:
                break
        return found
