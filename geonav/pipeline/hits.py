"""What is asked of retrieval, and what it finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from geonav.data.features import LocalFeatures
from geonav.pipeline.query import QueryPhoto
from geonav.retrieval.base import Vector
from geonav.vision.base import Matches


@dataclass(frozen=True)
class Hit:
    """A reference that was found.

    Attributes:
        uid: its name.
        score: what it was ordered by, higher is better: similarity, or what a re-ranker made of it.
        similarity: inner product of the global descriptors.
        num_inliers: matches that one rigid scene explains; None where it was not matched.
    """

    uid: str
    score: float
    similarity: float
    num_inliers: int | None = None


@dataclass(frozen=True)
class Retrieved:
    """What was found for one photo.

    Attributes:
        hits: best first.
        reason: why there are none; None where there are.
        notes: what a careful reader should know.
        excluded: references left out because they are the photo itself.
        matches: of the references whose inliers were counted, for whoever would match them again.
        allowed: only these passed the filters; None where all did.
    """

    hits: list[Hit] = field(default_factory=list)
    reason: str | None = None
    notes: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    matches: dict[str, Matches] = field(default_factory=dict)
    allowed: set[str] | None = None


@dataclass(frozen=True)
class Asked:
    """A photo to find references for.

    Attributes:
        photo: its pixels and EXIF.
        vectors: its global descriptor (D,), or several where several looks at it are searched for.
        features: its local features, which counting inliers needs.
        leaves_out_itself: a reference made of the same file is no hit.
    """

    photo: QueryPhoto
    vectors: Sequence[Vector]
    features: LocalFeatures | None = None
    leaves_out_itself: bool = False

    @property
    def vector(self) -> Vector:
        """The one vector (D,), or the mean of several."""
        return self.vectors[0] if len(self.vectors) == 1 else np.mean(self.vectors, axis=0, dtype=np.float32)
