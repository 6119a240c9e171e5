"""Re-ranking as message passing on a graph of neighbours (Zhang et al. 2020, arXiv 2012.07620).

Every vector becomes the list of its nearest neighbours; lists of neighbours are then mixed along the graph, and two
vectors are alike when their lists are. The whole of it sees the queries and the gallery together, so a score depends
on what else is in the gallery, and on queries that are handed in together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from geonav.retrieval.rerank.rows import Floats, Ints, at_least, top_columns, unit_rows, within

# Rows mixed at once: what they gather stays in the processor's cache.
_BLOCK = 32
_MAX_ALPHA = 100.0


def rerank_gnn(  # noqa: PLR0913, PLR0917 - the parameters of the paper
    queries: ArrayLike,
    gallery: ArrayLike,
    k1: int,
    k2: int,
    alpha: float = 2.0,
    layers: int = 2,
    blend: float = 0.3,
) -> Floats:
    """Score gallery vectors for queries by the neighbours they share.

    With X the queries and the gallery together as unit rows and S = X X^T: A[i, j] = 1 for the ``k1`` nearest j of i,
    itself included. Each layer adds A's transpose to A, replaces every row by the sum of the rows of its ``k2``
    nearest, weighted with ``|S| ** alpha``, and scales it to length one; with ``k2`` = 1 there are no layers. The
    score is ``(1 - blend) * A_q A_g^T + blend * cosine``.

    Queries that are given together influence each other. Ask with one query at a time where a result must not depend
    on which others were asked with it. Memory grows with the square of the number of rows (8 bytes each): hand in the
    best few hundred candidates, not a city.

    Args:
        queries: vectors (Q, D), or one (D,).
        gallery: the candidates' vectors (N, D).
        k1: neighbours in a list; about the number of pictures of one place, the query among them.
        k2: neighbours whose lists are mixed, at most ``k1``.
        alpha: how much more a near neighbour counts than a far one.
        layers: times that lists are mixed.
        blend: share of the plain cosine in the score, in [0, 1].

    Returns:
        Scores (Q, N), higher is better.

    Raises:
        UsageError: vectors that are not finite or of different lengths, or parameters out of range.
    """
    at_least(1, k1=k1, k2=k2)
    at_least(0, layers=layers)
    within(0.0, 1.0, blend=blend)
    within(0.0, _MAX_ALPHA, alpha=alpha)
    asked = unit_rows(queries, "the queries")
    given = unit_rows(gallery, "the gallery", asked.shape[1]) if np.size(gallery) else asked[:0]
    if not len(given) or not len(asked):
        return np.zeros((len(asked), len(given)), np.float32)
    rows = np.concatenate([asked, given])
    similarities = rows @ rows.T
    nearest = top_columns(similarities, max(k1, k2))
    lists = _neighbour_lists(nearest[:, :k1])
    near = nearest[:, :k2]
    weights = np.abs(np.take_along_axis(similarities, near, 1)) ** np.float32(alpha)
    for _ in range(layers if k2 > 1 else 0):
        lists = _mixed(lists, near, weights)
    shared = lists[: len(asked)] @ lists[len(asked) :].T
    cosine = similarities[: len(asked), len(asked) :]
    return np.asarray((1 - blend) * shared + blend * cosine, np.float32)


def _neighbour_lists(nearest: Ints) -> Floats:
    """One in the columns of each row's neighbours (N, k), zero elsewhere (N, N)."""
    lists = np.zeros((len(nearest), len(nearest)), np.float32)
    np.put_along_axis(lists, nearest, 1.0, axis=1)
    return lists


def _mixed(lists: Floats, near: Ints, weights: Floats) -> Floats:
    """One layer: N * k2 rows of N numbers are added up, no product of two N x N matrices."""
    both = lists + lists.T
    mixed = lists  # not needed any more; its memory is
    for start in range(0, len(both), _BLOCK):
        part = slice(start, start + _BLOCK)
        # (block, 1, k2) @ (block, k2, N)
        rows = (weights[part, None] @ both[near[part]])[:, 0]
        lengths = np.sqrt(np.einsum("nm,nm->n", rows, rows))
        np.divide(rows, np.where(lengths > 0, lengths, 1.0)[:, None], out=mixed[part])
    return mixed
