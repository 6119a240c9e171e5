"""Local features of one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LocalFeatures:
    """Keypoints with their descriptors.

    Attributes:
        keypoints: (N, 2) float32, x and y in pixels of the upright image.
        scores: (N,) float32, higher is better.
        descriptors: (N, D) float16 or float32.
    """

    keypoints: NDArray[np.float32]
    scores: NDArray[np.float32]
    descriptors: NDArray[np.float16] | NDArray[np.float32]

    def __post_init__(self) -> None:
        """Check that the arrays belong together.

        Raises:
            ValueError: their shapes do not fit each other.
        """
        shapes = (self.keypoints.shape, self.scores.shape, self.descriptors.shape)
        count = len(self.keypoints)
        fits = shapes[0] == (count, 2) and shapes[1] == (count,) and len(shapes[2]) == 2
        if not fits or len(self.descriptors) != count:
            msg = f"keypoints, scores and descriptors have shapes {shapes}, not (N, 2), (N,), (N, D)"
            raise ValueError(msg)

    def __len__(self) -> int:
        """Number of keypoints."""
        return len(self.keypoints)
