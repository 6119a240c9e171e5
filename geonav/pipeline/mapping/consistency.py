"""Links that the others contradict: facades that repeat make pictures of different places match, and rigidly so.

Where sources say which way references look, a link that turns otherwise is left out. Where they do not, loops tell:
three references that see one place turn against each other in a loop that closes (Zach et al., "Disambiguating Visual
Relations Using Loop Constraints", 2010), and a link most of whose loops do not close is left out.
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
# Focal lengths that are only guessed turn a link by some degrees.
_CLOSES_DEG = 10.0
_MAX_ROUNDS = 4
# A link and two sources may differ by this, and by this many standard deviations.
_AGREES_DEG, _AGREES_SIGMAS = 10.0, 4.0
# References beside each other may both be wrong: the second vote is held among those that the first put right.
_VOTES = 2


@dataclass(frozen=True)
class _Edge:
    """A link between two frames: the pair, how many matches, and the turn of the second frame against the first."""

    pair: Pair
    matches: int
    rotation: Array


def consistent(links: Mapping[Pair, Link], views: Mapping[str, MapView]) -> dict[Pair, Link]:
    """The links without those that more matches speak against, through loops, than for.

    Links that sources were asked about are left alone: where facades repeat all around a square, wrong links may be the
    majority.
    """
    kept, accused = dict(links), set[Pair]()
    for _ in range(_MAX_ROUNDS):
        balances = {pair: b for pair, b in _balances(kept, views).items() if _is_free(kept[pair], pair, views)}
        accused.update(pair for pair, balance in balances.items() if balance >= len(kept[pair].pairs))
        worst = max(balances.values(), default=0.0)
        if worst <= 0:
            break
        # The worst first: they spoil the loops of others.
        kept = {pair: link for pair, link in kept.items() if balances.get(pair, 0.0) < 0.5 * worst}
    # What stronger loops accused once must be confirmed by a loop that is left.
    balances = _balances(kept, views)
    return {pair: link for pair, link in kept.items() if pair not in accused or balances.get(pair, 0.0) < 0}


def agree(links: Mapping[Pair, Link], views: Mapping[str, MapView]) -> dict[Pair, Link]:
    """The links that turn as the sources of both references say; all of those whose headings are not known.

    A reference whose links agree with each other, through their other ends, but not with its source, counts as turned
    as they have it: one gross error does not cost it its links.
    """
    rotations = {uid: view.rotation for uid, view in views.items()}
    around: dict[str, dict[Pair, Link]] = {uid: {} for uid in views}
    for pair, link in links.items():
        around[pair[0]][pair] = around[pair[1]][pair] = link
    for _ in range(_VOTES):
        rotations = {uid: _voted(uid, own, views, rotations) for uid, own in around.items()}
    return {
        pair: link
        for pair, link in links.items()
        if _is_free(link, pair, views)
        or _apart_deg(rotations[pair[1]] @ rotations[pair[0]].T, link.rotation) <= _tolerance_deg(pair, views)
    }


def _voted(uid: str, links: Mapping[Pair, Link], views: Mapping[str, MapView], rotations: Mapping[str, Array]) -> Array:
    """The rotation of a reference that most matches speak for, its source's own unless another has twice as many."""
    votes = [
        (rotation, len(link.pairs), _tolerance_deg(pair, views))
        for pair, link in links.items()
        if not _is_free(link, pair, views)
        for rotation in [_implied(uid, pair, link, rotations)]
    ]

    def support(rotation: Array) -> int:
        return sum(matches for other, matches, tolerance in votes if _apart_deg(rotation, other) <= tolerance)

    own = support(rotations[uid])
    best = max((rotation for rotation, _, _ in votes), key=support, default=rotations[uid])
    return best if support(best) > 2 * own else rotations[uid]


def _implied(uid: str, pair: Pair, link: Link, rotations: Mapping[str, Array]) -> Array:
    """How a reference is turned if the other end of a link is turned right."""
    if uid == pair[1]:
        return np.asarray(link.rotation @ rotations[pair[0]], np.float64)
    return np.asarray(link.rotation.T @ rotations[pair[1]], np.float64)


def _is_free(link: Link, pair: Pair, views: Mapping[str, MapView]) -> bool:
    """Whether a link cannot be held against what sources say of headings."""
    known = all(np.isfinite(views[uid].heading_std_deg) for uid in pair)
    return not (known and np.isfinite(link.rotation).all())


def _tolerance_deg(pair: Pair, views: Mapping[str, MapView]) -> float:
    std = float(np.hypot(views[pair[0]].heading_std_deg, views[pair[1]].heading_std_deg))
    return max(_AGREES_DEG, _AGREES_SIGMAS * std)


def _apart_deg(a: Array, b: Array) -> float:
    return float(np.degrees(np.arccos(np.clip((np.trace(a @ b.T) - 1.0) / 2.0, -1.0, 1.0))))


def _balances(links: Mapping[Pair, Link], views: Mapping[str, MapView]) -> dict[Pair, float]:
    """Of each link between frames, by how many matches loops contradict it more than they confirm it."""
    around = _edges(links, views)
    return {
        edge.pair: _balance(edge, first, second, around)
        for first, neighbours in around.items()
        for second, edges in neighbours.items()
        if first < second
        for edge in edges
    }


def _balance(edge: _Edge, first: str, second: str, around: Mapping[str, Mapping[str, Sequence[_Edge]]]) -> float:
    """Matches of loops that do not close, less those of loops that do."""
    balance = 0.0
    for third in around[first].keys() & around[second].keys():
        closes, weight = False, 0
        for there in around[first][third]:
            for back in around[second][third]:
                closes |= _apart_deg(back.rotation.T @ there.rotation, edge.rotation) <= _CLOSES_DEG
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
