"""VLAD over the local features that matching needs anyway (Jegou et al., CVPR 2010), intra-normalised.

Each descriptor goes to its nearest word of a vocabulary; the differences to the word are summed for each word; each
sum is scaled to length one, so that a repeated facade does not drown the rest (Arandjelovic and Zisserman, CVPR 2013),
and then the whole. The vocabulary is learned from the database itself by k-means. Powers of the sums below one, which
even out bursts in SIFT (Jegou et al., PAMI 2012), gained nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from geonav.config import GeonavConfig
from geonav.data.features import LocalFeatures
from geonav.errors import DatabaseError, UsageError
from geonav.vision.base import Pixels, Vector

REVISION = 2
_NUM_CLUSTERS = 256
_ITERATIONS = 25
# Descriptors that k-means sees for each word; more change the words little.
_SAMPLES_PER_WORD = 512


class VladDescriptor:
    """D = words x descriptor length: 256 x 128 = 32768 numbers for DISK and ALIKED, half as many for XFeat."""

    name = "vlad"
    source: Literal["features", "pixels"] = "features"
    needs_training = True
    usual_pca = 512

    def __init__(self, num_clusters: int = _NUM_CLUSTERS, seed: int = 0) -> None:
        """Learn ``num_clusters`` words, with every random choice made from ``seed``."""
        self.num_clusters = num_clusters
        self.seed = seed
        self._words: NDArray[np.float32] | None = None

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """Take the number of words and the seed from ``config``."""
        section = config.retrieval
        return cls(section.num_clusters or _NUM_CLUSTERS, config.seed)

    @property
    def dim(self) -> int:
        """The length of a vector; known once there is a vocabulary."""
        return int(self._vocabulary().size)

    def settings(self) -> dict[str, Any]:
        """Everything that changes the vectors but the vocabulary."""
        return {
            "descriptor": self.name,
            "revision": REVISION,
            "num_clusters": self.num_clusters,
            "normalisation": "intra",
        }

    def train(self, samples: Sequence[LocalFeatures | Pixels]) -> None:
        """Learn the vocabulary from a sample of the database's pictures; the same sample gives the same words.

        Raises:
            DatabaseError: the pictures hold no keypoints at all.
        """
        rng = np.random.default_rng(self.seed)
        quota = -(-self.num_clusters * _SAMPLES_PER_WORD // max(1, len(samples)))
        chosen = [_sample(_features(item), quota, rng) for item in samples]
        rows = np.concatenate([part for part in chosen if len(part)] or [np.zeros((0, 1), np.float32)])
        distinct = len(np.unique(rows, axis=0))
        if distinct == 0:
            msg = "no vocabulary can be learned: the database's images have no keypoints; run `geonav index local`"
            raise DatabaseError(msg)
        # Fewer points than words would leave words without a meaning.
        words = min(self.num_clusters, distinct)
        kmeans = faiss.Kmeans(
            rows.shape[1],
            words,
            niter=_ITERATIONS,
            seed=self.seed + 1,
            min_points_per_centroid=1,
            max_points_per_centroid=len(rows),
        )
        kmeans.train(rows)
        self._words = np.ascontiguousarray(kmeans.centroids, np.float32)

    def learned(self) -> Mapping[str, NDArray[Any]]:
        """The vocabulary, (K, D) float32."""
        return {} if self._words is None else {"words": self._words}

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over a stored vocabulary.

        Raises:
            DatabaseError: it is not one.
        """
        words = arrays.get("words")
        if words is None or words.ndim != 2 or words.size == 0 or not np.isfinite(words).all():
            msg = "the stored vocabulary of vlad is broken: run `geonav index global`"
            raise DatabaseError(msg)
        self._words = np.ascontiguousarray(words, np.float32)

    def describe(self, item: LocalFeatures | Pixels) -> Vector:
        """The VLAD vector, float32 (K * D,), length one; all zero without keypoints.

        Raises:
            DatabaseError: there is no vocabulary yet.
            UsageError: the descriptors are of another length than the vocabulary's.
        """
        words = self._vocabulary()
        rows = _features(item).descriptors.astype(np.float32)
        if len(rows) == 0:
            return np.zeros(words.size, np.float32)
        if rows.shape[1] != words.shape[1]:
            msg = f"vlad's vocabulary is for descriptors of {words.shape[1]} numbers, not {rows.shape[1]}"
            raise UsageError(msg)
        # argmin |row - word|^2 without the term that is the same for all words
        nearest = np.argmin((words**2).sum(1)[None] - 2 * (rows @ words.T), 1)
        sums = np.zeros(words.shape, np.float64)
        np.add.at(sums, nearest, rows - words[nearest])
        vector: Vector = _unit(_unit(sums).reshape(1, -1))[0].astype(np.float32)
        return vector

    def _vocabulary(self) -> NDArray[np.float32]:
        if self._words is None:
            msg = "vlad has no vocabulary yet: run `geonav index global`"
            raise DatabaseError(msg)
        return self._words


def _features(item: LocalFeatures | Pixels) -> LocalFeatures:
    if not isinstance(item, LocalFeatures):
        msg = "vlad describes local features, not pixels"
        raise UsageError(msg)
    return item


def _sample(features: LocalFeatures, quota: int, rng: np.random.Generator) -> NDArray[np.float32]:
    rows = features.descriptors.astype(np.float32)
    if len(rows) <= quota:
        return rows
    return rows[np.sort(rng.choice(len(rows), quota, replace=False))]


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of length one; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return unit
