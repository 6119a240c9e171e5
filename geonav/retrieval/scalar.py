"""Numbers of 2 bytes, compared as they are stored, and of 1 byte, the best of which are compared again."""

from __future__ import annotations

from typing import Any

import faiss

from geonav.retrieval.approximate import ApproximateIndex, spread_sample
from geonav.retrieval.rows import Rows
from geonav.retrieval.stored import StoredIndex

_SAMPLE = 50_000


class HalfIndex(StoredIndex):
    """fp16: half of flat's size; scores are right to about 1e-4."""

    kind = "sq"


class ByteIndex(ApproximateIndex):
    """All rows are compared by numbers of 1 byte, then the best as they are stored, with 2 bytes a number."""

    kind = "sq8"
    reading = faiss.IO_FLAG_MMAP_IFC

    def _learned(self, sample: Rows, count: int) -> Any:  # noqa: ANN401, ARG002 - faiss index; as any number
        index = faiss.IndexScalarQuantizer(sample.dim, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
        index.train(spread_sample(sample, _SAMPLE).array)
        return index

    def _default_effort(self, lists: Any) -> int:  # noqa: ANN401, ARG002 - all are looked at
        return 0

    def _parameters(self, effort: int, chosen: Any) -> Any:  # noqa: ANN401, ARG002 - faiss objects
        return faiss.SearchParameters(sel=chosen)  # type: ignore[call-arg]
