"""The directions in which vectors vary most."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Where both the vectors and their numbers are more, axes are found by subspace iteration: a full decomposition of
# 8192 x 8192 takes minutes and 1 GB.
_MAX_EXACT = 2048
# The spectra of descriptors fall slowly: with fewer directions or iterations the last axes come out blurred, which
# costs recall.
_OVERSAMPLING = 1.5
_ITERATIONS = 8
_ROWS_AT_ONCE = 4096


def principal_axes(
    rows: NDArray[np.floating[Any]], count: int, mean: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The first ``count`` eigenvectors of the rows' second moment about ``mean``, and their eigenvalues.

    Args:
        rows: (N, D), in memory or mapped.
        count: at most D.
        mean: (D,), subtracted from each row; nothing if None.

    Returns:
        (count, D) float32, orthonormal, each with its largest number positive, and (count,) falling.
    """
    num, dim = rows.shape
    if count <= num <= _MAX_EXACT < dim:
        values, vectors = _of_few(rows, count, mean)
    elif dim <= _MAX_EXACT or _tried(count) >= dim:
        values, vectors = np.linalg.eigh(_applied(rows, np.eye(dim, dtype=np.float32), mean))
    else:
        values, vectors = _iterated(rows, count, mean)
    axes = vectors[:, ::-1][:, :count].T
    axes *= np.sign(axes[np.arange(count), np.abs(axes).argmax(1)])[:, None]
    return axes.astype(np.float32), np.maximum(values[::-1][:count], 0)


def _of_few(
    rows: NDArray[np.floating[Any]], count: int, mean: NDArray[np.float32] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The last ``count`` eigenvalues and eigenvectors, rising: exactly, from the products (N, N) of the rows."""
    centred = rows.astype(np.float32) if mean is None else rows - mean
    values, mixed = np.linalg.eigh((centred @ centred.T).astype(np.float64) / len(rows))
    # From the largest on, so that those without a direction of their own give way.
    vectors = np.linalg.qr(centred.T.astype(np.float64) @ mixed[:, ::-1][:, :count])[0]
    return values[-count:], vectors[:, ::-1]


def _iterated(
    rows: NDArray[np.floating[Any]], count: int, mean: NDArray[np.float32] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """More than the last ``count`` eigenvalues and eigenvectors, rising: by subspace iteration."""
    basis = np.random.default_rng(0).standard_normal((rows.shape[1], _tried(count)), np.float32)
    for _ in range(_ITERATIONS):
        basis = np.linalg.qr(_applied(rows, basis, mean))[0].astype(np.float32)
    values, small = np.linalg.eigh(basis.T @ _applied(rows, basis, mean))
    return values, basis @ small


def _tried(count: int) -> int:
    return int(count * _OVERSAMPLING) + 1


def _applied(
    rows: NDArray[np.floating[Any]], basis: NDArray[np.float32], mean: NDArray[np.float32] | None
) -> NDArray[np.float64]:
    """The second moment (D, D) of the rows, times ``basis`` (D, M)."""
    total = np.zeros(basis.shape, np.float64)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        chunk = rows[start : start + _ROWS_AT_ONCE].astype(np.float32)
        if mean is not None:
            chunk -= mean
        total += chunk.T @ (chunk @ basis)
    return total / max(len(rows), 1)
