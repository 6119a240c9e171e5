"""Exact indexes: every vector is compared with the one asked for, where it lies in its file."""

from __future__ import annotations

from typing import ClassVar

from geonav.retrieval.rows import Code
from geonav.retrieval.stored import StoredIndex


class FlatIndex(StoredIndex):
    """All digits: 4 bytes a number."""

    kind = "flat"
    code: ClassVar[Code] = "fp32"
