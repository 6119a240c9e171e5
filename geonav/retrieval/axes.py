"""The directions in which vectors vary most."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Longer vectors get their axes by subspace iteration: a full decomposition of 8192 x 8192 takes minutes and 1 GB.
_MAX_EXACT = 2048
_OVERSAMPLED = 32
_ITERATIONS = 4
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
    dim = rows.shape[1]
    if dim <= _MAX_EXACT or count + _OVERSAMPLED >= dim:
        moment = _applied(rows, np.eye(dim, dtype=np.float32), mean)
        values, vectors = np.linalg.eigh(moment)
    else:
        basis = np.random.default_rng(0).standard_normal((dim, count + _OVERSAMPLED), np.float32)
        for _ in range(_ITERATIONS):
            basis = np.linalg.qr(_applied(rows, basis, mean))[0].astype(np.float32)
        values, small = np.linalg.eigh(basis.T @ _applied(rows, basis, mean))
        vectors = basis @ small
    axes = vectors[:, ::-1][:, :count].T
    axes *= np.sign(axes[np.arange(count), np.abs(axes).argmax(1)])[:, None]
    return axes.astype(np.float32), np.maximum(values[::-1][:count], 0)


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
