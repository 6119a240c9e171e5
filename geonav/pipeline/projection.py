"""A global descriptor whose vectors are shortened as the database's are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from geonav.config import GeonavConfig
from geonav.data.features import LocalFeatures
from geonav.retrieval.pca import Pca
from geonav.vision.base import GlobalDescriptor, Pixels, Vector


class ProjectedDescriptor:
    """Another descriptor, then a PCA learned from the database; what its index is asked with."""

    def __init__(self, inner: GlobalDescriptor, pca: Pca, settings: Mapping[str, Any]) -> None:
        """``settings`` say how the PCA was learned."""
        self._inner = inner
        self._pca = pca
        self._settings = dict(settings)
        self.name = inner.name
        self.source: Literal["features", "pixels"] = inner.source
        self.needs_training = inner.needs_training

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """It is made with a database, not from settings alone."""
        raise NotImplementedError

    @property
    def dim(self) -> int:
        """The length of a shortened vector."""
        return self._pca.dim

    def settings(self) -> dict[str, Any]:
        """Those of the descriptor, and how it is shortened."""
        return {**self._inner.settings(), **self._settings}

    def describe(self, item: LocalFeatures | Pixels) -> Vector:
        """Describe one picture: float32 (D,), length one, or all zero where there is nothing to describe."""
        vector: Vector = self._pca.apply(np.atleast_2d(self._inner.describe(item)))[0]
        return vector

    def train(self, samples: Sequence[LocalFeatures | Pixels]) -> None:
        """Let the descriptor learn; the PCA stays."""
        self._inner.train(samples)

    def learned(self) -> Mapping[str, NDArray[Any]]:
        """What the descriptor learned."""
        return self._inner.learned()

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what the descriptor learned."""
        self._inner.load(arrays)
