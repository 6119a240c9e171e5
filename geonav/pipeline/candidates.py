"""Which retrieved references to match next: first the best hits, then neighbours of those that matched well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from geonav.data.database import Database
from geonav.errors import DatabaseError
from geonav.geometry.pose import camera_center
from geonav.pose.tracks import View

# Views of one panorama share a centre: more of them than this add pixels, but no baseline.
_VIEWS_PER_PLACE = 2
_SAME_PLACE_M = 0.3
# Places that must have strong references before matching may stop, where there are that many.
MIN_PLACES = 3
# A neighbour stands this near to a strong reference and looks this nearly the same way.
_NEIGHBOUR_M = 25.0
_NEIGHBOUR_COS = 0.5
_MAX_NEIGHBOURS = 12
# Neighbours are looked for among this many times as many hits as are matched for their own sake.
DEPTH = 6


def num_places(centers: Sequence[NDArray[np.float64]]) -> int:
    """How many of some centres (3,) stand apart from each other."""
    places: list[NDArray[np.float64]] = []
    for center in centers:
        if all(np.linalg.norm(center - place) > _SAME_PLACE_M for place in places):
            places.append(center)
    return len(places)


@dataclass
class Candidates:
    """References in the order in which they should be matched; tell it of the strong ones while iterating.

    A position is found from references at several places. Retrieval often brings several views of one panorama
    and none of the next, which looks at the same houses from ten metres on: what stands near a strong reference and
    looks the same way is matched although others resemble the photo more.

    Attributes:
        database: the references.
        uids: hits, best first, ``DEPTH`` times as many as are to be matched for their own sake.
        top_k: how many are.
        strong: views that matched well so far; the caller adds them.
    """

    database: Database
    uids: Sequence[str]
    top_k: int
    strong: list[View] = field(default_factory=list)

    def __iter__(self) -> Iterator[str]:
        """Uids to match, each once."""
        tried: set[str] = set()
        for uid in self.uids[: self.top_k]:
            if not self._is_full(uid):
                tried.add(uid)
                yield uid
        for _ in range(_MAX_NEIGHBOURS):
            uid = next((uid for uid in self.uids if uid not in tried and self._is_neighbour(uid)), "")
            if not uid:
                return
            tried.add(uid)
            yield uid

    def _is_full(self, uid: str) -> bool:
        """Whether its place has given as many strong views as help."""
        pose = self._pose(uid)
        if pose is None:
            return False
        center = camera_center(pose)
        here = [view for view in self.strong if np.linalg.norm(camera_center(view.pose) - center) <= _SAME_PLACE_M]
        return len(here) >= _VIEWS_PER_PLACE

    def _is_neighbour(self, uid: str) -> bool:
        """Whether it stands near a strong reference, but elsewhere than all of them, and looks the same way."""
        pose = self._pose(uid) if self.strong else None
        if pose is None:
            return False
        center = camera_center(pose)
        away = np.array([np.linalg.norm(camera_center(view.pose) - center) for view in self.strong])
        alike = np.array([float(view.pose[2, :3] @ pose[2, :3]) for view in self.strong])
        return bool(away.min() > _SAME_PLACE_M and ((away <= _NEIGHBOUR_M) & (alike >= _NEIGHBOUR_COS)).any())

    def _pose(self, uid: str) -> NDArray[np.float64] | None:
        try:
            return self.database.metadata(uid).pose
        except DatabaseError:
            return None  # told of when it is matched
