"""Numbers of 2 bytes, compared exactly as they are stored, and of 1 byte with the best compared again."""

from __future__ import annotations

from geonav.retrieval.stored import StoredIndex


class HalfIndex(StoredIndex):
    """fp16: half of flat's size, scores right to about 1e-4."""

    kind = "sq"
