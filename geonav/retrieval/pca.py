"""Fewer numbers a vector: principal axes learned from the database, whitened as far as wanted.

Half whitening divides by the square root of the singular values, full whitening by the singular values themselves.
Half keeps what tells places apart without blowing up the noise of the last axes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from geonav.errors import DatabaseError
from geonav.retrieval.axes import principal_axes
from geonav.retrieval.base import Vectors
from geonav.retrieval.rows import GrowingRows

# Axes along which a sample varies less than this, of the most, are rounding.
_RANK = 1e-6


@dataclass(frozen=True)
class Pca:
    """Turns vectors (D,) into vectors (N,) of length one.

    Attributes:
        mean: (D,) float32, of what it was learned from.
        axes: (N, D) float32, each divided by its singular value to the power of the whitening.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]

    @property
    def dim(self) -> int:
        """The length N of what comes out."""
        return len(self.axes)

    @classmethod
    def learn(cls, samples: Iterable[Vectors], count: int, whitening: float) -> Self:
        """Learn from vectors, given some (M, D) at a time; rows of zeros count for nothing.

        Args:
            samples: spread over the database; they are kept in a temporary file where they are many.
            count: length of the vectors to come; less where they, or the axes along which they vary, are fewer.
            whitening: 0 none, 0.5 half, 1 full.

        Raises:
            DatabaseError: there is nothing to learn from.
        """
        rows: GrowingRows | None = None
        for some in samples:
            rows = rows or GrowingRows(some.shape[1], "fp32")
            rows.append(some[some.any(1)])
        if rows is None or rows.count < 2:
            msg = "PCA needs at least two photos that show something: import more, or leave --pca out"
            raise DatabaseError(msg)
        mean = rows.array.mean(0, dtype=np.float64).astype(np.float32)
        axes, weights = principal_axes(rows.array, min(count, rows.dim), mean)
        kept = max(1, int((weights > _RANK * weights[0]).sum()))
        if weights[0] <= 0:
            msg = "PCA has nothing to learn: all photos have the same vector; leave --pca out"
            raise DatabaseError(msg)
        scale = (weights[:kept] / weights[0]) ** (-whitening / 2)
        return cls(mean, (axes[:kept] * scale[:, None]).astype(np.float32))

    def apply(self, vectors: Vectors) -> Vectors:
        """Vectors (M, D) as (M, N), float32, of length one; rows of zeros stay zero."""
        turned = (vectors - self.mean) @ self.axes.T
        lengths = np.linalg.norm(turned, axis=1, keepdims=True)
        found: Vectors = np.divide(turned, lengths, out=np.zeros_like(turned), where=lengths > 0)
        found[~vectors.any(1)] = 0
        return found

    def learned(self) -> Mapping[str, NDArray[Any]]:
        """What to store."""
        return {"mean": self.mean, "axes": self.axes}

    @classmethod
    def load(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over what :meth:`learned` gave.

        Raises:
            DatabaseError: it is broken.
        """
        mean, axes = arrays.get("mean"), arrays.get("axes")
        fits = mean is not None and axes is not None and axes.ndim == 2 and mean.shape == axes.shape[1:]
        if mean is None or axes is None or not fits or not (np.isfinite(mean).all() and np.isfinite(axes).all()):
            msg = "the stored PCA is broken: run `geonav index global --retrain`"
            raise DatabaseError(msg)
        return cls(mean.astype(np.float32), axes.astype(np.float32))
