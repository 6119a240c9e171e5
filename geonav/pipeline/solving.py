"""The pose of one photo, found again as more of its references are matched, until more could not improve it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from geonav.pipeline.found import Stopwatch
from geonav.pose.decide import DecideOptions, Decision, decide
from geonav.pose.solver import Query
from geonav.pose.tracks import View
from geonav.pose.uncertainty import ellipse_95

# A pose is settled once it explains this share of the photo's keypoints and is this certain. On castle-P30 three
# references that settle it give the errors of five (medians 1.9 and 2.0 cm); of a rendered city of copied houses, wrong
# poses explained less than half of a photo.
_SETTLED_SHARE = 0.6
_SETTLED_M = 0.25
# A focal length that is solved for with the pose needs one more.
_LEAST_FOR_FOCAL = 4


@dataclass
class PhotoSolver:
    """Decides on a photo's pose.

    Attributes:
        query: the photo.
        options: gates and thresholds.
        watch: counts the time as that of the stage "pose".
        prepare: gives the references as they are solved with: what a map knows of them, or adjusted among themselves.
    """

    query: Query
    options: DecideOptions
    watch: Stopwatch
    prepare: Callable[[Sequence[View]], Sequence[View]] = lambda views: views
    _decisions: dict[int, Decision] = field(default_factory=dict)

    def decide(self, views: Sequence[View]) -> Decision:
        """What the references matched so far say; they only ever become more, so that their number names them."""
        if len(views) not in self._decisions:
            with self.watch.stage("pose"):
                self._decisions[len(views)] = decide(self.query, self.prepare(views), self.options)
        return self._decisions[len(views)]

    def is_settled(self, views: Sequence[View]) -> bool:
        """Whether further references could hardly change the pose: it is believed, certain, and explains the photo."""
        if self.query.intrinsics_free and len(views) < _LEAST_FOR_FOCAL:
            return False
        enough = _SETTLED_SHARE * len(self.query.pixels)
        if len(np.unique(np.concatenate([view.query_index for view in views]))) < enough:
            return False  # without having solved anything
        decision = self.decide(views)
        if decision.refusal is not None or decision.solution is None or decision.evidence is None:
            return False
        return decision.solution.num_inliers >= enough and _open_m(decision) <= _SETTLED_M


def _open_m(decision: Decision) -> float:
    """Semi-major axis in metres of what further references could still make certain: not what a map is off itself."""
    if decision.solution is None or decision.evidence is None:
        return float("inf")
    own = decision.solution.covariance.own
    if own is None or all(view.joint is None for view in decision.solution.views):
        return decision.evidence.semi_major_m
    return ellipse_95(own[3:5, 3:5])[0]
