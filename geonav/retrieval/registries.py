"""The indexes that can be chosen by name; one line adds one, and the contract tests pick it up."""

from __future__ import annotations

from geonav.registry import Registry

INDEXES = Registry(
    "vector index",
    {
        "flat": "geonav.retrieval.flat:FlatIndex",
        "hnsw": "geonav.retrieval.graph:GraphIndex",
        "ivf": "geonav.retrieval.inverted:InvertedIndex",
        "ivfpq": "geonav.retrieval.inverted:ProductIndex",
        "milvus": "geonav.retrieval.milvus:MilvusIndex",
        "sq": "geonav.retrieval.scalar:HalfIndex",
        "sq8": "geonav.retrieval.scalar:ByteIndex",
    },
)
