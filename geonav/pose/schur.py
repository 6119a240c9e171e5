"""Products of observations that share a point, summed by the pair of frames that made them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geonav.pose.tracks import Ints

Array = NDArray[np.float64]
_BLOCK = 100_000


class GroupSums:
    """Sums of rows by group; the order of the rows is worked out once."""

    def __init__(self, group: Ints, count: int) -> None:
        """``group``: of each row (N,), below ``count``."""
        self._order = np.argsort(group, kind="stable")
        self._used, self._starts = np.unique(group[self._order], return_index=True)
        self._count = count

    def of(self, values: Array) -> Array:
        """(G, ...) of rows (N, ...)."""
        total = np.zeros((self._count, *values.shape[1:]))
        if len(self._used):
            total[self._used] = np.add.reduceat(values[self._order], self._starts)
        return total


class PairSums:
    """For observations sorted by point: sums over all pairs of one point, for each pair of frames."""

    def __init__(self, point: Ints, frame: Ints, num_frames: int) -> None:
        """Find the pairs once; they stay the same while a scene is adjusted."""
        self._num_frames = num_frames
        left, right = pairs_within(point)
        key = frame[left] * num_frames + frame[right]
        order = np.argsort(key, kind="stable")
        self._left, self._right = left[order], right[order]
        self._keys, self._starts = np.unique(key[order], return_index=True)

    def of(self, left: Array, right: Array) -> Array:
        """(6F, 6F): the sums of ``left[i] @ right[j].T``, both (O, 6, 3), over all pairs i, j of one point."""
        count = self._num_frames
        total = np.zeros((count * count, 6, 6))
        ends = np.append(self._starts, len(self._left))[1:]
        first = 0
        while first < len(self._keys):
            # Whole keys, as many as a block holds, so that each is summed once.
            last = max(int(np.searchsorted(ends, self._starts[first] + _BLOCK, "right")), first + 1)
            rows = slice(int(self._starts[first]), int(ends[last - 1]))
            products = left[self._left[rows]] @ np.swapaxes(right[self._right[rows]], 1, 2)
            total[self._keys[first:last]] = np.add.reduceat(products, self._starts[first:last] - self._starts[first])
            first = last
        blocks = total.reshape(count, count, 6, 6)
        return np.ascontiguousarray(np.swapaxes(blocks, 1, 2)).reshape(6 * count, 6 * count)


def pairs_within(group: Ints) -> tuple[Ints, Ints]:
    """All ordered pairs (N,), (N,) of rows of one group, each row with itself too; groups are sorted."""
    starts = np.flatnonzero(np.r_[True, np.diff(group) > 0]) if len(group) else np.zeros(0, np.int64)
    sizes = np.diff(np.r_[starts, len(group)])
    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for size in np.unique(sizes):
        first = starts[sizes == size][:, None]
        i, j = np.divmod(np.arange(size * size), size)
        left.append((first + i).ravel())
        right.append((first + j).ravel())
    return np.concatenate(left), np.concatenate(right)
