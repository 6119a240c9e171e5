"""Mutual nearest neighbours: needs no weights, sees no geometry, fits any descriptors."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from geonav.config import GeonavConfig
from geonav.data.features import LocalFeatures
from geonav.errors import UsageError
from geonav.vision.base import Matches

_MIN_COSINE = 0.7
_BLOCK = 4096


class MutualNearestNeighbor:
    """Pairs two keypoints where each is the other's most similar one and their cosine is high enough."""

    name = "mutual_nn"

    def __init__(self, min_cosine: float = _MIN_COSINE) -> None:
        """Keep pairs whose descriptors have at least the cosine ``min_cosine``."""
        self.min_cosine = min_cosine

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:  # noqa: ARG003 - all matchers are built alike
        """The same for every configuration."""
        return cls()

    def settings(self) -> dict[str, Any]:
        """Everything that changes the matches."""
        return {"matcher": self.name, "min_cosine": self.min_cosine}

    def match(
        self,
        a: LocalFeatures,
        size_a: tuple[int, int],  # noqa: ARG002 - positions do not matter here
        b: LocalFeatures,
        size_b: tuple[int, int],  # noqa: ARG002
    ) -> Matches:
        """Match by descriptors alone; the score is their cosine, clipped to [0, 1].

        Raises:
            UsageError: descriptors of different lengths.
        """
        if len(a) == 0 or len(b) == 0:
            return Matches.none()
        if a.descriptors.shape[1] != b.descriptors.shape[1]:
            msg = f"descriptors of {a.descriptors.shape[1]} and {b.descriptors.shape[1]} numbers cannot be matched"
            raise UsageError(msg)
        first, second = _unit(a.descriptors), _unit(b.descriptors)
        best_b, cosine = _nearest(first, second)
        best_a, _ = _nearest(second, first)
        rows = np.arange(len(first))
        keep = (best_a[best_b] == rows) & (cosine >= self.min_cosine)
        pairs = np.stack([rows[keep], best_b[keep]], 1).astype(np.int32)
        return Matches(pairs, np.clip(cosine[keep], 0, 1).astype(np.float32))


def _unit(descriptors: NDArray[Any]) -> NDArray[np.float32]:
    rows = descriptors.astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return unit


def _nearest(a: NDArray[np.float32], b: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each row of ``a`` the index of its best row of ``b`` and their cosine, in blocks to bound the memory."""
    index = np.empty(len(a), np.int64)
    value = np.empty(len(a), np.float32)
    for start in range(0, len(a), _BLOCK):
        products = a[start : start + _BLOCK] @ b.T
        index[start : start + _BLOCK] = products.argmax(1)
        value[start : start + _BLOCK] = products.max(1)
    return index, value
