"""Re-ranking by k-reciprocal neighbours (Zhong et al., CVPR 2017, arXiv 1701.08398).

Two vectors belong together when each is among the other's nearest. What belongs to a vector becomes a soft set, and
two vectors are alike when their sets overlap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geonav.retrieval.rerank.rows import Floats, Ints, at_least, top_columns, unit_rows, within

# A neighbour's own reciprocal neighbours join a set when more than this share of them is in it already.
_JOINS = 2 / 3
Flags = NDArray[np.bool_]


def rerank_k_reciprocal(queries: ArrayLike, gallery: ArrayLike, k1: int, k2: int, blend: float = 0.3) -> Floats:
    """Score gallery vectors for queries by the overlap of their reciprocal neighbours.

    Queries that are given together influence each other; memory grows with the square of the number of rows.

    Args:
        queries: vectors (Q, D), or one (D,).
        gallery: the candidates' vectors (N, D).
        k1: neighbours that may be reciprocal.
        k2: neighbours whose sets are averaged.
        blend: share of the plain distance in the score, in [0, 1]; the paper's lambda.

    Returns:
        Scores (Q, N) in [0, 1], higher is better: one minus the paper's distance.

    Raises:
        UsageError: vectors that are not finite or of different lengths, or parameters out of range.
    """
    at_least(1, k1=k1, k2=k2)
    within(0.0, 1.0, blend=blend)
    asked = unit_rows(queries, "the queries")
    given = unit_rows(gallery, "the gallery", asked.shape[1]) if np.size(gallery) else asked[:0]
    if not len(given) or not len(asked):
        return np.zeros((len(asked), len(given)), np.float32)
    rows = np.concatenate([asked, given])
    similarities = rows @ rows.T
    distances = np.maximum(2 - 2 * similarities, 0)
    farthest = distances.max(axis=1, keepdims=True)
    distances /= np.where(farthest > 0, farthest, 1)
    nearest = top_columns(similarities, max(k1 + 1, k2))
    sets = _soft_sets(nearest, distances, k1)
    if k2 > 1:
        sets = np.stack([sets[near].mean(0) for near in nearest[:, :k2]])
    overlaps = np.stack([np.minimum(own, sets[len(asked) :]).sum(1) for own in sets[: len(asked)]])
    jaccard = 1 - overlaps / (2 - overlaps)
    return np.asarray(1 - (1 - blend) * jaccard - blend * distances[: len(asked), len(asked) :], np.float32)


def _soft_sets(nearest: Ints, distances: Floats, k1: int) -> Floats:
    """Each row's set (N, N): memberships fall with distance and add up to one."""
    reciprocal = _reciprocal(nearest[:, : k1 + 1])
    close = _reciprocal(nearest[:, : round(k1 / 2) + 1])
    sets = np.zeros_like(distances)
    for row, own in enumerate(reciprocal):
        theirs = close[own]
        joins = (theirs & own).sum(1) > _JOINS * theirs.sum(1)
        members = own | theirs[joins].any(0)
        members[row] = True  # among equals a vector need not be the first of its own neighbours
        weights = np.exp(-distances[row, members])
        sets[row, members] = weights / weights.sum()
    return sets


def _reciprocal(nearest: Ints) -> Flags:
    """Whether row and column (N, N) are among each other's nearest (N, k)."""
    near = np.zeros((len(nearest), len(nearest)), np.bool_)
    np.put_along_axis(near, nearest, True, axis=1)
    return near & near.T
