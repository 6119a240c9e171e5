"""Which references to match besides, where two places look alike and a photo is refused for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geonav.data.places import Places
from geonav.geometry.geodesy import LocalFrame
from geonav.geometry.pose import camera_center
from geonav.pipeline.found import Found
from geonav.pipeline.matching import MatchedPhoto, ReferenceMatcher
from geonav.pose.decide import Decision
from geonav.pose.solver import Solution

# The hits up to so many times as many as are matched for their own sake are matched first: the right place may be among
# them. Then the references around the poses in question, twice, for the first time may bring up another pose.
_ATTEMPTS = 3
_DEPTH = 3
_MOST_POSES = 3
_MOST_AROUND = 8
_NEAR_M = 25.0
_ALIKE_DEG = 60.0


@dataclass(frozen=True)
class Surroundings:
    """Finds the references near a pose, whether or not they resemble the photo.

    Attributes:
        places: of the database.
        frame: of its poses.
        allowed: only these may be found; None for all.
    """

    places: Places
    frame: LocalFrame
    allowed: set[str] | None = None

    def of(self, poses: Sequence[NDArray[np.float64]], tried: set[str]) -> list[str]:
        """Those not yet ``tried`` that stand nearest to each of some poses ``E`` (4, 4) and look nearly its way."""
        found = [uid for pose in poses for uid in self._around(pose, tried)]
        return list(dict.fromkeys(found))

    def _around(self, pose: NDArray[np.float64], tried: set[str]) -> list[str]:
        lat, lng, _ = self.frame.geo_from_enu(camera_center(pose))
        here = self.frame.enu_from_geo(lat, lng, 0.0)
        away = np.linalg.norm(self.frame.enu_from_ecef(self.places.ecef_m) - here, axis=1)
        azimuth = np.degrees(np.arctan2(pose[2, 0], pose[2, 1]))
        turn = np.abs((self.places.azimuth - azimuth + 180.0) % 360.0 - 180.0)
        near = np.flatnonzero((away <= _NEAR_M) & (turn <= _ALIKE_DEG))  # what is not known is NaN, and not near
        uids = (self.places.uids[row] for row in near[np.argsort(away[near], kind="stable")].tolist())
        may = [uid for uid in uids if uid not in tried and (self.allowed is None or uid in self.allowed)]
        return may[:_MOST_AROUND]


@dataclass(frozen=True)
class Contest:
    """Matches more and more references to a photo that two places might show.

    Each pose in question gets the references around it, so that none leads only because more of its were retrieved.

    Attributes:
        matcher: of the database.
        photo: what its references are matched to.
        found: what was retrieved and matched so far; matches are added to it.
        surroundings: where to look for references that were not retrieved.
    """

    matcher: ReferenceMatcher
    photo: MatchedPhoto
    found: Found
    surroundings: Surroundings

    def settled(self, decision: Decision, decide: Callable[[], Decision]) -> Decision:
        """What ``decide`` says once one place leads, or once all attempts are made; ``decision`` is the first."""
        for attempt in range(_ATTEMPTS):
            more = self._more(attempt, decision.candidates)
            with self.found.watch.stage("matching"):
                self.matcher.match_more(more, self.photo, self.found.matches)
            decision = decide()
            if not decision.is_contested:
                break
        return decision

    def _more(self, attempt: int, candidates: Sequence[Solution]) -> list[str]:
        """Further hits at first, then what lies around the best of the poses found."""
        if attempt == 0:
            return list(self.found.hits)[: _DEPTH * self.found.top_k]
        best = sorted(candidates, key=lambda solution: -solution.num_inliers)[:_MOST_POSES]
        return self.surroundings.of([solution.pose for solution in best], self.found.matches.tried)
