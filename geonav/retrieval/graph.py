"""HNSW: a graph from each row to its neighbours, along which a search walks (Malkov and Yashunin, 2018)."""

from __future__ import annotations

from typing import Any

import faiss

from geonav.retrieval.approximate import ApproximateIndex, spread_sample
from geonav.retrieval.base import Vectors
from geonav.retrieval.rows import Rows

_faiss: Any = faiss  # its stubs lack some names

_NEIGHBOURS = 32
_EFFORT_BUILDING = 80
_EFFORT = 128
_SAMPLE = 10_000


class GraphIndex(ApproximateIndex):
    """1 byte a number in the graph; ``effort`` is the length of the list of candidates (efSearch)."""

    kind = "hnsw"

    def _learned(self, sample: Rows, count: int) -> Any:  # noqa: ANN401, ARG002 - faiss index; as any number
        bits = faiss.ScalarQuantizer.QT_8bit
        graph = _faiss.IndexHNSWSQ(sample.dim, bits, _NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = _EFFORT_BUILDING
        graph.train(spread_sample(sample, _SAMPLE).array)
        return graph

    def _grow(self, lists: Any, rows: Vectors) -> None:  # noqa: ANN401 - faiss index
        """One row after another: threads would link them in an order that no two runs share."""
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)
        try:
            lists.add(rows)
        finally:
            faiss.omp_set_num_threads(threads)

    def _default_effort(self, lists: Any) -> int:  # noqa: ANN401, ARG002 - faiss index
        return _EFFORT

    def _parameters(self, effort: int, chosen: Any) -> Any:  # noqa: ANN401 - faiss objects
        return _faiss.SearchParametersHNSW(efSearch=effort, sel=chosen)
