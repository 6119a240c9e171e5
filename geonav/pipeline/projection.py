"""Vectors made shorter for the index: the PCA of one database, and a descriptor that goes through it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from geonav.config import GeonavConfig
from geonav.data.features import LocalFeatures
from geonav.data.stamps import stamp as stamp_of
from geonav.pipeline.stored import LearnedArrays, fingerprint
from geonav.retrieval.base import Vectors
from geonav.retrieval.pca import Kin, Pca
from geonav.settings.stages import GlobalConfig
from geonav.vision.base import GlobalDescriptor, Pixels, Vector

logger = logging.getLogger(__name__)

_PCA_FILE = "pca.npz"
# With fewer vectors than so many for each axis, the last axes that a PCA finds are chance.
_VECTORS_PER_AXIS = 4
# Of fewer photos than these nothing is learned unless it is asked for.
_LEAST_PHOTOS = 200
# Where it is not known which photos show one place.
_USUAL_WHITENING = 0.5


class Projection:
    """How the vectors of one descriptor in one database are shortened for its index.

    That is what was asked for; else what is usual for the descriptor, once there are photos enough to learn it from.
    """

    def __init__(self, folder: Path, section: GlobalConfig, vectors_stamp: str, usual: int) -> None:
        """Bind it to what is stored in ``folder``.

        Args:
            folder: of the index.
            section: what is asked for.
            vectors_stamp: that of the vectors before.
            usual: how many numbers, where ``section`` does not say.
        """
        self._is_usual = section.pca is None
        self._count, self._whitening = usual if section.pca is None else section.pca, section.whitening
        self._vectors_stamp = vectors_stamp
        self._stored = LearnedArrays(folder / _PCA_FILE)
        self._pca: Pca | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What was asked for; nothing where vectors stay as they are."""
        return {"pca": self._count, "whitening": self._whitening} if self._count else {}

    def is_due(self, num_photos: int) -> bool:
        """Whether one is to be learned from a database of so many photos: it is wanted and there is none yet."""
        is_wanted = num_photos >= _LEAST_PHOTOS if self._is_usual else bool(self._count)
        return bool(self._count) and is_wanted and self._pca is None

    @property
    def stamp(self) -> str:
        """Of everything that the vectors in the index depend on."""
        if self._pca is None:
            return self._vectors_stamp
        return stamp_of({"vectors": self._vectors_stamp, **self.settings, "learned": fingerprint(self._pca.learned())})

    def load(self) -> bool:
        """Take over what is stored; False where one was asked for and there is none of these settings."""
        arrays = self._stored.read(self._asked) if self._count else None
        if arrays is not None:
            self._pca = Pca.load(arrays)
        return self._is_usual or not self._count or self._pca is not None

    def learn(self, samples: Iterable[Vectors], num_photos: int, kin: Kin) -> None:
        """Learn from vectors, given some at a time, of a database of so many photos.

        ``kin`` are those that show one place: unless told how far to whiten, the axes are whitened by them.

        Raises:
            DatabaseError: there is nothing to learn from.
            StorageError: what was learned cannot be stored.
        """
        if num_photos < _VECTORS_PER_AXIS * self._count and not self._is_usual:
            logger.warning(
                "a PCA to %d numbers is learned from %d photos only: run `geonav index global --retrain` when there "
                "are more",
                self._count,
                num_photos,
            )
        if self._whitening is None:
            self._pca = Pca.learn(samples, self._count, _USUAL_WHITENING, kin)
        else:
            self._pca = Pca.learn(samples, self._count, self._whitening)
        self._stored.write(self._asked, self._pca.learned())

    def apply(self, vectors: Vectors) -> Vectors:
        """Vectors (M, D) as the index takes them."""
        return vectors if self._pca is None else self._pca.apply(vectors)

    def asking(self, descriptor: GlobalDescriptor) -> GlobalDescriptor:
        """A descriptor whose vectors the index can be asked with."""
        return descriptor if self._pca is None else ProjectedDescriptor(descriptor, self._pca, self.settings)

    @property
    def _asked(self) -> str:
        return stamp_of({"vectors": self._vectors_stamp, **self.settings})


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
        self.usual_pca = 0

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
