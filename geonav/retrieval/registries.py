"""The indexes that can be chosen by name; one line adds one, and the contract tests pick it up."""

from __future__ import annotations

from geonav.registry import Registry

INDEXES = Registry(
    "vector index",
    {
        "flat": "geonav.retrieval.flat:FlatIndex",
        "sq": "geonav.retrieval.scalar:HalfIndex",
    },
)
