"""Fewer numbers a vector: principal axes learned from the database, whitened as far as wanted.

Half whitening divides by the square root of the singular values, full whitening by the singular values themselves.
Half keeps what tells places apart without blowing up the noise of the last axes. Where it is known which vectors show
one place, the axes are divided by what differs between those instead (learned whitening: Mikolajczyk and Matas, ICCV
2007; Radenovic et al., PAMI 2018): what a step along the street changes then counts less than what stays.
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

# How much of the spread of all vectors is mixed into that within places, which is known from few pairs.
_SHRINKAGE = 0.5
# Axes along which a sample varies less than this, of the most, are rounding.
_RANK = 1e-6
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Kin:
    """Pairs of a sample's vectors that show one place.

    Attributes:
        first: (M,) rows of the sample.
        second: (M,) rows of the sample.
        weight: (M,) how much they show the same.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.weight)

    def of_rows(self, kept: NDArray[np.bool_]) -> Kin:
        """The pairs of the rows that are kept (N,), numbered without the others."""
        number = np.cumsum(kept) - 1
        both = kept[self.first] & kept[self.second]
        return Kin(number[self.first[both]], number[self.second[both]], self.weight[both])


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
    def learn(cls, samples: Iterable[Vectors], count: int, whitening: float, kin: Kin | None = None) -> Self:
        """Learn from vectors, given some (M, D) at a time; rows of zeros count for nothing.

        Args:
            samples: spread over the database; they are kept in a temporary file where they are many.
            count: length of the vectors to come; less where they, or the axes along which they vary, are fewer.
            whitening: 0 none, 0.5 half, 1 full.
            kin: pairs of samples that show one place, to whiten by them instead where they are no fewer than axes.

        Raises:
            DatabaseError: there is nothing to learn from.
        """
        rows: GrowingRows | None = None
        kept_rows: list[NDArray[np.bool_]] = []
        for some in samples:
            rows = rows or GrowingRows(some.shape[1], "fp32")
            kept_rows.append(np.any(some != 0, axis=1).reshape(-1))
            rows.append(some[kept_rows[-1]])
        if rows is None or rows.count < 2:
            msg = "PCA needs at least two photos that show something: import more, or leave --pca out"
            raise DatabaseError(msg)
        mean = rows.array.mean(0, dtype=np.float64).astype(np.float32)
        axes, weights = principal_axes(rows.array, min(count, rows.dim, rows.count), mean)
        kept = max(1, int((weights > _RANK * weights[0]).sum()))
        if weights[0] <= 0:
            msg = "PCA has nothing to learn: all photos have the same vector; leave --pca out"
            raise DatabaseError(msg)
        axes, weights = axes[:kept], weights[:kept]
        pairs = kin.of_rows(np.concatenate(kept_rows)) if kin is not None else None
        if pairs is not None and len(pairs) >= kept:
            return cls(mean, (_within(_turned(rows.array, mean, axes), pairs) @ axes).astype(np.float32))
        scale = (weights / weights[0]) ** (-whitening / 2)
        return cls(mean, (axes * scale[:, None]).astype(np.float32))

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


def _turned(rows: NDArray[np.floating[Any]], mean: NDArray[np.float32], axes: Vectors) -> NDArray[np.float64]:
    """Rows (N, D) along some axes (K, D), a few at a time since they may be mapped from a file: (N, K)."""
    parts = [(rows[at : at + _ROWS_AT_ONCE] - mean) @ axes.T for at in range(0, len(rows), _ROWS_AT_ONCE)]
    return np.concatenate(parts).astype(np.float64)


def _within(turned: NDArray[np.float64], kin: Kin) -> NDArray[np.float64]:
    """What makes the spread between kin the same along all axes, the axes that vary most first: (K, K)."""
    total = turned.T @ turned / len(turned)
    apart = turned[kin.first] - turned[kin.second]
    within = (apart * kin.weight[:, None]).T @ apart / (2 * kin.weight.sum())
    values, vectors = np.linalg.eigh((1 - _SHRINKAGE) * within + _SHRINKAGE * total)
    white = vectors / np.sqrt(np.maximum(values, _RANK * values[-1]))
    _, turn = np.linalg.eigh(white.T @ total @ white)
    return np.asarray((white @ turn[:, ::-1]).T)
