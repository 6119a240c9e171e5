"""The re-rankers under one signature: a query's vector, its candidates' and the options in, a score each out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geonav.retrieval.base import Vector, Vectors
from geonav.retrieval.rerank.gnn import rerank_gnn
from geonav.retrieval.rerank.k_reciprocal import rerank_k_reciprocal
from geonav.retrieval.rerank.query_expansion import augmented_database, expanded_query

# As published: the square of the similarity for the graph, its cube for means.
_GRAPH_ALPHA = 2.0
_MEAN_ALPHA = 3.0


@dataclass(frozen=True)
class RerankOptions:
    """What re-ranking depends on.

    Attributes:
        k1: neighbours in a list.
        k2: neighbours that are mixed or averaged.
        alpha: how much more near neighbours count; None for the re-ranker's own.
        layers: of the graph.
        blend: share of the plain similarity.
    """

    k1: int
    k2: int
    alpha: float | None = None
    layers: int = 2
    blend: float = 0.3

    def expanded(self, query: Vector, neighbours: Vectors) -> Vector:
        """The query (D,) together with its nearest neighbours (K, D)."""
        return expanded_query(query, neighbours, _MEAN_ALPHA if self.alpha is None else self.alpha)


def by_similarity(query: Vector, candidates: Vectors, _options: RerankOptions) -> Vectors:
    """The inner products (N,) as they are."""
    return np.asarray(candidates @ query, np.float32)


def by_shared_neighbours(query: Vector, candidates: Vectors, options: RerankOptions) -> Vectors:
    """Scores (N,) of :func:`geonav.retrieval.rerank.gnn.rerank_gnn`."""
    alpha = _GRAPH_ALPHA if options.alpha is None else options.alpha
    scores = rerank_gnn(query, candidates, options.k1, options.k2, alpha, options.layers, options.blend)
    return np.asarray(scores[0], np.float32)


def by_reciprocal_neighbours(query: Vector, candidates: Vectors, options: RerankOptions) -> Vectors:
    """Scores (N,) of :func:`geonav.retrieval.rerank.k_reciprocal.rerank_k_reciprocal`."""
    scores = rerank_k_reciprocal(query, candidates, options.k1, options.k2, options.blend)
    return np.asarray(scores[0], np.float32)


def by_augmented_vectors(query: Vector, candidates: Vectors, options: RerankOptions) -> Vectors:
    """Inner products (N,) with candidates that were averaged with their neighbours among the candidates."""
    alpha = _MEAN_ALPHA if options.alpha is None else options.alpha
    return np.asarray(augmented_database(candidates, options.k2, alpha) @ query, np.float32)
