"""Rows that lie together, and exact search among them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from geonav.retrieval.base import Vectors
from geonav.retrieval.names import Row
from geonav.retrieval.rows import Rows

Found = tuple[NDArray[np.float32], Row]
"""Scores and rows."""


@dataclass
class Part:
    """Rows that lie together, and the number of the first.

    Attributes:
        rows: themselves.
        start: the number of the first.
    """

    rows: Rows
    start: int

    @cached_property
    def searcher(self) -> Any:  # noqa: ANN401 - faiss has no types
        """A faiss index over them."""
        return self.rows.searcher()


@dataclass(frozen=True)
class Chosen:
    """Some rows of a part.

    Attributes:
        count: how many.
        sieve: lets a faiss search find only them; None where it is all of the part.
    """

    count: int
    sieve: Any


def chosen_of(part: Part, mask: NDArray[np.bool_]) -> Chosen:
    """The rows of ``part`` among those of the whole index whose ``mask`` is True."""
    here = mask[part.start : part.start + part.rows.count]
    count = int(np.count_nonzero(here))
    if count == len(here):
        return Chosen(count, None)
    return Chosen(count, faiss.IDSelectorBitmap(np.packbits(here, bitorder="little")))  # type: ignore[call-arg, arg-type]


def best_rows(part: Part, query: Vectors, count: int, chosen: Chosen) -> Found:
    """The best ``count`` rows of a part and every further one with the score of the last, so that uid may decide."""
    if not count:
        return np.zeros(0, np.float32), np.zeros(0, np.int64)
    options: dict[str, Any] = {}
    if chosen.sieve is not None:
        options["params"] = faiss.SearchParameters(sel=chosen.sieve)  # type: ignore[call-arg]
    asked = count
    while True:
        asked = min(chosen.count, 2 * asked)
        (scores,), (rows,) = part.searcher.search(query, asked, **options)
        if asked == chosen.count or scores[-1] < scores[count - 1]:
            keep = scores >= scores[count - 1]
            return scores[keep], rows[keep]


def products(query: Vectors, rows: Vectors) -> NDArray[np.float32]:
    """The inner product with each row; the same row gives the same bits wherever it lies."""
    flat: Any = faiss.IndexFlatIP(rows.shape[1])
    flat.add(rows)
    distances = np.empty(len(rows), np.float32)
    numbers = np.arange(len(rows), dtype=np.int64)
    flat.compute_distance_subset(
        1, faiss.swig_ptr(query), len(rows), faiss.swig_ptr(distances), faiss.swig_ptr(numbers)
    )
    return distances
