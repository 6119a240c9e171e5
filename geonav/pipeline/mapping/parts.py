"""Which references are mapped together: what links join, in parts of bounded size that overlap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from geonav.pipeline.mapping.views import MapView
from geonav.settings.mapping import MapConfig

Pair = tuple[str, str]


def connected(uids: Sequence[str], pairs: Iterable[Pair], frames: dict[str, str]) -> list[list[str]]:
    """Uids that links, and being of one frame, join; the largest part first, each sorted."""
    parent: dict[str, str] = {uid: uid for uid in uids}

    def root(uid: str) -> str:
        while parent[uid] != uid:
            parent[uid] = parent[parent[uid]]
            uid = parent[uid]
        return uid

    first_of: dict[str, str] = {}
    for uid in uids:
        parent[root(uid)] = root(first_of.setdefault(frames[uid], uid))
    for first, second in pairs:
        parent[root(first)] = root(second)
    groups: dict[str, list[str]] = {}
    for uid in sorted(uids):
        groups.setdefault(root(uid), []).append(uid)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0]))


def divided(views: Sequence[MapView], links: Mapping[Pair, int], settings: MapConfig) -> list[list[str]]:
    """Cut a connected area into parts of at most ``max_views``, each with the references linked to it around.

    The area is halved across its longer side until each piece is small enough; then each takes over, of its
    neighbours' references, those that share most matches with it.

    Args:
        views: of the area.
        links: matches that two references share.
        settings: how large parts are.
    """
    pieces = _halved(list(views), max(settings.max_views - settings.overlap, settings.max_views // 2))
    if len(pieces) == 1:
        return [[view.uid for view in pieces[0]]]
    around: dict[str, dict[str, int]] = {}
    for (first, second), matches in links.items():
        around.setdefault(first, {})[second] = matches
        around.setdefault(second, {})[first] = matches
    found = []
    for piece in pieces:
        own = {view.uid for view in piece}
        shared: Counter[str] = Counter()
        for uid in own:
            shared.update({other: matches for other, matches in around.get(uid, {}).items() if other not in own})
        most = min(settings.overlap, max(settings.max_views - len(own), 0))
        taken = sorted(shared, key=lambda uid: (-shared[uid], uid))[:most]
        found.append(tuple(sorted([*own, *taken])))
    return [list(part) for part in dict.fromkeys(found)]


def _halved(views: list[MapView], most: int) -> list[list[MapView]]:
    """Frames stay whole."""
    if len(views) <= most:
        return [views]
    frames: dict[str, list[MapView]] = {}
    for view in views:
        frames.setdefault(view.frame, []).append(view)
    places = np.array([members[0].position_m[:2] for members in frames.values()])
    if len(places) < 2:
        return [views]
    axis = int(np.argmax(np.ptp(places, axis=0)))
    order = np.argsort(places[:, axis], kind="stable").tolist()
    members = list(frames.values())
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    return [piece for half in halves for piece in _halved([view for row in half for view in members[row]], most)]
