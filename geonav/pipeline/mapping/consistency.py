"""Links that the others contradict: facades that repeat make pictures of different places match, and rigidly so.

Three references that see one place turn against each other in a loop that closes (Zach et al., "Disambiguating Visual
Relations Using Loop Constraints", 2010). A link most of whose loops do not close is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geonav.data.links import Link
from geonav.pipeline.mapping.views import MapView

Array = NDArray[np.float64]
Pair = tuple[str, str]
_CLOSES_DEG = 6.0
_MAX_ROUNDS = 4


@dataclass(frozen=True)
class _Edge:
    """A link between two frames: the pair, how many matches, and the turn of the second frame against the first."""

    pair: Pair
    matches: int
    rotation: Array


def consistent(links: Mapping[Pair, Link], views: Mapping[str, MapView]) -> dict[Pair, Link]:
    """The links without those that more matches speak against, through loops, than for."""
    kept = dict(links)
    for _ in range(_MAX_ROUNDS):
        wrong = _contradicted(kept, views)
        if not wrong:
            break
        # The worst first: it spoils the loops of others.
        limit = 0.5 * max(wrong.values())
        kept = {pair: link for pair, link in kept.items() if wrong.get(pair, 0.0) < max(limit, 1e-9)}
    return kept


def _contradicted(links: Mapping[Pair, Link], views: Mapping[str, MapView]) -> dict[Pair, float]:
    """Links that are contradicted, and by how much more than they are confirmed."""
    around = _edges(links, views)
    found: dict[Pair, float] = {}
    for first, neighbours in around.items():
        for second, edges in neighbours.items():
            if first >= second:
                continue
            for edge in edges:
                balance = _balance(edge, first, second, around)
                if balance > 0:
                    found[edge.pair] = balance
    return found


def _balance(edge: _Edge, first: str, second: str, around: Mapping[str, Mapping[str, Sequence[_Edge]]]) -> float:
    """Matches of loops that do not close, less those of loops that do."""
    balance = 0.0
    for third in around[first].keys() & around[second].keys():
        closes, weight = False, 0
        for there in around[first][third]:
            for back in around[second][third]:
                loop = back.rotation.T @ there.rotation @ edge.rotation.T
                angle = np.degrees(np.arccos(np.clip((np.trace(loop) - 1.0) / 2.0, -1.0, 1.0)))
                closes |= bool(angle <= _CLOSES_DEG)
                weight = max(weight, min(there.matches, back.matches))
        balance += -weight if closes else weight
    return balance


def _edges(links: Mapping[Pair, Link], views: Mapping[str, MapView]) -> dict[str, dict[str, list[_Edge]]]:
    """Edges of each frame to each other, both ways; between frames as between the views that stand for them."""
    firsts: dict[str, MapView] = {}
    for view in views.values():
        firsts.setdefault(view.frame, view)
    around: dict[str, dict[str, list[_Edge]]] = {}
    for pair, link in links.items():
        a, b = views[pair[0]], views[pair[1]]
        if a.frame == b.frame or not np.isfinite(link.rotation).all():
            continue
        own_a, own_b = (view.rotation @ firsts[view.frame].rotation.T for view in (a, b))
        turn = own_b.T @ link.rotation @ own_a
        around.setdefault(a.frame, {}).setdefault(b.frame, []).append(_Edge(pair, len(link.pairs), turn))
        around.setdefault(b.frame, {}).setdefault(a.frame, []).append(_Edge(pair, len(link.pairs), turn.T))
    return around
