"""The pose of one photo, found again as more of its references are matched, until more could not improve it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from geonav.pipeline.found import Stopwatch
from geonav.pose.decide import DecideOptions, Decision, decide
from geonav.pose.solver import Query
from geonav.pose.tracks import View

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
    """

    query: Query
    options: DecideOptions
    watch: Stopwatch
    _decisions: dict[int, Decision] = field(default_factory=dict)

    def decide(self, views: Sequence[View]) -> Decision:
        """What the references matched so far say; they only ever become more, so that their number names them."""
        if len(views) not in self._decisions:
            with self.watch.stage("pose"):
                self._decisions[len(views)] = decide(self.query, views, self.options)
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
        return decision.solution.num_inliers >= enough and decision.evidence.semi_major_m <= _SETTLED_M
