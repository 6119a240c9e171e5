"""What every re-ranker does with vectors first: check them, normalise them, find each one's neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geonav.errors import UsageError

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
# Rows whose similarities are sorted at once: they stay in the processor's cache.
_BLOCK = 256


def unit_rows(vectors: ArrayLike, what: str, dim: int | None = None) -> Floats:
    """Vectors (N, D), or one (D,), as rows of length one; a row of zeros stays.

    Raises:
        UsageError: not finite, not a matrix, or of another length than ``dim``.
    """
    rows = np.atleast_2d(np.asarray(vectors, np.float32))
    if rows.ndim != 2 or rows.shape[1] == 0:
        msg = f"{what} must be vectors as rows of a matrix, not an array of shape {rows.shape}"
        raise UsageError(msg)
    if dim is not None and rows.shape[1] != dim:
        msg = f"{what} have {rows.shape[1]} numbers each, the others {dim}: describe both with the same descriptor"
        raise UsageError(msg)
    if not np.isfinite(rows).all():
        bad = int(np.flatnonzero(~np.isfinite(rows).all(1))[0])
        msg = f"{what}: row {bad} is not finite: describe its picture again"
        raise UsageError(msg)
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0)[:, None], np.float32)


def at_least(minimum: int, **numbers: int) -> None:
    """Check parameters that count something.

    Raises:
        UsageError: one is smaller than ``minimum``.
    """
    for name, value in numbers.items():
        if value < minimum:
            msg = f"{name} = {value}: give a whole number of at least {minimum}"
            raise UsageError(msg)


def within(lower: float, upper: float, **numbers: float) -> None:
    """Check parameters that are shares or exponents.

    Raises:
        UsageError: one is not finite or outside the bounds.
    """
    for name, value in numbers.items():
        if not lower <= value <= upper:
            msg = f"{name} = {value}: give a number from {lower:g} to {upper:g}"
            raise UsageError(msg)


def top_columns(similarities: Floats, count: int) -> Ints:
    """The ``count`` largest of each row (N, M) as columns (N, count), largest first, ties by column."""
    count = min(count, similarities.shape[1])
    found = np.empty((len(similarities), count), np.int64)
    for start in range(0, len(similarities), _BLOCK):
        block = similarities[start : start + _BLOCK]
        near = _largest(block, count)
        order = np.argsort(-np.take_along_axis(block, near, 1), axis=1, kind="stable")
        found[start : start + _BLOCK] = np.take_along_axis(near, order, 1)
    return found


def _largest(block: Floats, count: int) -> Ints:
    """Columns of the ``count`` largest of each row, by column; of equals the first.

    Partitioning values and comparing them takes half the time of partitioning their columns.
    """
    last = np.partition(block, block.shape[1] - count, axis=1)[:, -count, None]
    is_near = block >= last
    surplus = np.flatnonzero(is_near.sum(1) > count)
    for row in surplus:
        equal = np.flatnonzero(block[row] == last[row])
        is_near[row, equal[count - np.count_nonzero(block[row] > last[row]) :]] = False
    return np.nonzero(is_near)[1].reshape(-1, count)
