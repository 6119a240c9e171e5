"""How many keypoints of a photo agree with a reference: the strongest sign that both show one place."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.errors import DatabaseError
from geonav.pipeline.matching import keypoint_noise_px
from geonav.pipeline.stored import StoredFeatures
from geonav.pose.dissent import rigid_pairs
from geonav.vision.base import Matcher, Matches

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class InlierCounter:
    """Matches references to a photo and counts the matches that one rigid scene explains.

    Attributes:
        database: the references.
        features: their local features.
        matcher: matches local features.
        max_side_px: size at which keypoints were found.
        seed: of the random draws.
    """

    database: Database
    features: StoredFeatures
    matcher: Matcher
    max_side_px: int
    seed: int

    def match(self, uid: str, query: LocalFeatures, size: tuple[int, int]) -> tuple[int, Matches]:
        """Inliers among the matches of a photo of ``(width, height)`` pixels and a reference, and the matches.

        None of either where the reference cannot be read.
        """
        try:
            metadata = self.database.metadata(uid)
            reference = self.features.read(uid)
        except DatabaseError as error:
            logger.warning("%s is not matched: %s", uid, error)
            return 0, Matches.none()
        reference_size = metadata.w, metadata.h
        matches = self.matcher.match(query, size, reference, reference_size)
        pairs = matches.pairs
        noise_px = max(keypoint_noise_px(each, self.max_side_px) for each in (size, reference_size))
        pixels = query.keypoints[pairs[:, 0]].astype(float)
        others = reference.keypoints[pairs[:, 1]].astype(float)
        return int(rigid_pairs(pixels, others, noise_px, self.seed).sum()), matches
