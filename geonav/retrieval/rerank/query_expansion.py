"""Averages over neighbours: alpha query expansion, and the same for the database's own vectors.

Alpha query expansion is that of Radenovic et al. 2018 (arXiv 1711.02512): the best hits join the query, each weighted
with a power of its similarity, so that poor ones hardly count. Database-side augmentation (Arandjelovic and Zisserman
2012) replaces every database vector by the same kind of mean over its own neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from geonav.retrieval.rerank.rows import Floats, at_least, top_columns, unit_rows, within

_MAX_ALPHA = 100.0
# Rows whose similarities to all others are in memory at once.
_BLOCK = 1024


def expanded_query(query: ArrayLike, neighbours: ArrayLike, alpha: float = 3.0) -> Floats:
    """The query's vector together with those of its nearest neighbours.

    Args:
        query: vector (D,).
        neighbours: its best hits' vectors (K, D); none leaves the query as it is.
        alpha: how much more a near neighbour counts than a far one; 0 gives the plain mean.

    Returns:
        A vector (D,) of length one.

    Raises:
        UsageError: vectors that are not finite or of different lengths, or ``alpha`` out of range.
    """
    within(0.0, _MAX_ALPHA, alpha=alpha)
    own = unit_rows(query, "the query")
    others = unit_rows(neighbours, "the neighbours", own.shape[1]) if np.size(neighbours) else own[:0]
    weights = np.maximum(others @ own[0], 0) ** np.float32(alpha)
    return np.asarray(unit_rows(own[0] + weights @ others, "the expanded query")[0])


def augmented_database(vectors: ArrayLike, k: int, alpha: float = 3.0) -> Floats:
    """Every vector together with those of its nearest neighbours.

    Args:
        vectors: the database's (N, D).
        k: vectors in a mean, the vector itself among them; 1 changes nothing but the lengths.
        alpha: how much more a near neighbour counts than a far one; 0 gives the plain mean.

    Returns:
        Vectors (N, D) of length one.

    Raises:
        UsageError: vectors that are not finite, or parameters out of range.
    """
    at_least(1, k=k)
    within(0.0, _MAX_ALPHA, alpha=alpha)
    rows = unit_rows(vectors, "the vectors")
    means = np.empty_like(rows)
    for start in range(0, len(rows), _BLOCK):
        similarities = rows[start : start + _BLOCK] @ rows.T
        nearest = top_columns(similarities, k)
        weights = np.maximum(np.take_along_axis(similarities, nearest, 1), 0) ** np.float32(alpha)
        for row, (columns, shares) in enumerate(zip(nearest, weights, strict=True), start=start):
            means[row] = shares @ rows[columns]
    return unit_rows(means, "the means")
