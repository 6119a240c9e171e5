"""Tests and intervals for two runs over the same queries: what differs by more than chance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

NUM_DRAWS = 2000
# Numbers in memory at once.
_AT_ONCE = 1_000_000
# Up to so many pairs every assignment of signs is counted, beyond it the normal law is as good.
_MOST_EXACT = 50


def mcnemar_p(only_a: int, only_b: int) -> float:
    """Two-sided exact McNemar test: how likely so uneven a change is if either direction is as likely.

    Args:
        only_a: queries that hold in the first run alone.
        only_b: in the second alone.
    """
    total, least = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(total, k) for k in range(least + 1))
    return min(1.0, 2 * tail / (1 << total))


def wilcoxon_p(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Two-sided Wilcoxon signed-rank test of paired numbers; pairs that are equal are left out, ties share ranks.

    Exact, given the ties, up to 50 pairs that differ; beyond, the normal law with correction for ties. None where no
    pair differs.
    """
    difference = np.asarray(b, float) - np.asarray(a, float)
    difference = difference[difference != 0]
    if not len(difference):
        return None
    doubled = _doubled_ranks(np.abs(difference))
    positive = int(doubled[difference > 0].sum())
    if len(doubled) <= _MOST_EXACT:
        return _exact_p(doubled, positive)
    # Under chance a rank counts or not, like a coin: mean r / 2, variance r^2 / 4, here with doubled ranks.
    deviation = math.sqrt(float((doubled.astype(float) ** 2).sum()) / 4)
    return math.erfc(abs(positive - doubled.sum() / 2) / deviation / math.sqrt(2))


def share_difference(a: Flags, b: Flags, seed: int = 0) -> tuple[float, float, float]:
    """Share in the second less share in the first, and its bootstrap 95 % interval over the queries.

    Args:
        a: (N,) whether it holds of each query in the first run, N >= 1.
        b: (N,) in the second.
        seed: of the draws.
    """
    change = b.astype(float) - a.astype(float)
    drawn = np.concatenate([change[rows].mean(1) for rows in _draws(len(change), seed)])
    return (float(change.mean()), *_middle_95(drawn))


def median_difference(a: Floats, b: Floats, seed: int = 0) -> tuple[float, float, float]:
    """Median of the second less median of the first, and its bootstrap 95 % interval; queries are drawn as pairs.

    Args:
        a: (N,) of each query in the first run, N >= 1.
        b: (N,) in the second.
        seed: of the draws.
    """
    drawn = [np.median(b[rows], 1) - np.median(a[rows], 1) for rows in _draws(len(a), seed)]
    return (float(np.median(b) - np.median(a)), *_middle_95(np.concatenate(drawn)))


def _draws(count: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Rows that were drawn, (draws, count) at a time: not more than memory takes."""
    random, step = np.random.default_rng(seed), max(1, _AT_ONCE // count)
    for first in range(0, NUM_DRAWS, step):
        yield random.integers(0, count, (min(step, NUM_DRAWS - first), count))


def _middle_95(drawn: Floats) -> tuple[float, float]:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def _doubled_ranks(values: Floats) -> NDArray[np.int64]:
    """Twice the rank from 1 of each value; equal ones share the mean of theirs, which doubling makes whole."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((2 * last - counts + 1)[group], np.int64)


def _exact_p(doubled: NDArray[np.int64], positive: int) -> float:
    """Share of all assignments of signs whose sum of positive ranks is as far from the middle, or farther."""
    ways = np.zeros(int(doubled.sum()) + 1)
    ways[0] = 1.0
    for rank in doubled.tolist():
        ways[rank:] = ways[rank:] + ways[: len(ways) - rank]
    least = min(positive, len(ways) - 1 - positive)
    return min(1.0, 2 * float(ways[: least + 1].sum()) / float(ways.sum()))
