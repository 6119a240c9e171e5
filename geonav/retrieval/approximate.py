"""Indexes that look at a part of the vectors or at short codes of them, and compare the best with the stored rows.

The approximate part holds the rows in their order, is learned once from a sample and then only grows; rows that are not
saved yet are compared one by one. Below :data:`MIN_ROWS` there is none and all rows are.
"""

from __future__ import annotations

import ctypes
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import faiss
import numpy as np

from geonav.data.files import TEMPORARY_PREFIX, storage_errors
from geonav.retrieval import shelf
from geonav.retrieval.base import Vectors
from geonav.retrieval.parts import Chosen, Found, Part
from geonav.retrieval.rows import GrowingRows, Rows
from geonav.retrieval.shelf import Form
from geonav.retrieval.stored import StoredIndex

_faiss: Any = faiss  # its stubs lack some names

# Fewer are compared one by one.
MIN_ROWS = 1000
_ROWS_AT_ONCE = 16384


class ApproximateIndex(StoredIndex):
    """An exact index whose saved rows are first sieved by a faiss index over them.

    Attributes:
        effort: how much of the approximate part a search looks at; what it counts depends on the kind.
    """

    reading: ClassVar[int] = 0
    """How faiss opens the file of the approximate part."""
    candidates: ClassVar[int] = 100
    """Rows that are compared in full, for up to a tenth as many results."""

    def __init__(self, dim: int, stamp: str) -> None:
        """Start empty, for vectors (``dim``,) made with the settings that ``stamp`` stands for."""
        super().__init__(dim, stamp)
        self._lists: Any = None
        self._refined: Any = None
        self.effort = 0

    @abstractmethod
    def _learned(self, sample: Rows, count: int) -> Any:  # noqa: ANN401 - faiss index
        """An empty faiss index for ``count`` rows, with what it needs to learn from some of them."""

    @abstractmethod
    def _default_effort(self, lists: Any) -> int:  # noqa: ANN401 - faiss index
        """What a search looks at unless told otherwise."""

    @abstractmethod
    def _parameters(self, effort: int, chosen: Any) -> Any:  # noqa: ANN401 - faiss objects
        """The faiss search parameters; ``chosen`` is a selector or None."""

    def _grow(self, lists: Any, rows: Vectors) -> None:  # noqa: ANN401 - faiss index
        """Put rows behind those in ``lists``."""
        lists.add(rows)

    @property
    def memory_bytes(self) -> int:
        """What it holds in memory of its own; what it only maps from files is not counted."""
        lists = 0 if self._lists is None or self.reading else self._form.lists_bytes
        return super().memory_bytes + lists

    @property
    def refined(self) -> Any:  # noqa: ANN401 - faiss index
        """The faiss index over the saved rows, the comparison with them included; None where there is none."""
        return self._refined

    def parameters(self, k: int, sieve: Any = None) -> Any:  # noqa: ANN401 - faiss objects
        """With what :attr:`refined` is asked for the ``k`` best of the rows that ``sieve`` lets through."""
        factor = max(self.candidates, 10 * k) / k
        base = self._parameters(self.effort, sieve)
        return faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=base)  # type: ignore[call-arg]

    def _search_part(self, part: Part, query: Vectors, count: int, chosen: Chosen) -> Found:
        if self._refined is None or part is not self._saved or not count:
            return super()._search_part(part, query, count, chosen)
        parameters = self.parameters(count, chosen.sieve)
        (scores,), (rows,) = self._refined.search(query, count, params=parameters)
        if rows[-1] < 0:  # the lists looked at hold fewer than were asked for
            return super()._search_part(part, query, count, chosen)
        return scores, rows

    def _complete(self, directory: Path, form: Form) -> Form:
        """Put the rows that are new into the approximate part and store it under a name of its own."""
        if form.rows < MIN_ROWS or form.listed == form.rows:
            return form
        self._lists = self._refined = None  # not two in memory; until the new one is stored, all rows are compared
        stored = shelf.read_rows(directory, form, self.code)
        lists = _read(form.path(directory, "lists"), 0) if form.listed else self._learned(stored, form.rows)
        for chunk in float_chunks(stored, form.listed):
            self._grow(lists, chunk)
        form = replace(form, listed=form.rows)
        path = form.path(directory, "lists")
        temporary = directory / f"{TEMPORARY_PREFIX}{path.name}"
        with storage_errors(path):
            _write(lists, temporary)
            temporary.replace(path)
            form = replace(form, lists_bytes=path.stat().st_size)
        del lists
        _give_memory_back()
        return form

    def _open(self, directory: Path, form: Form) -> None:
        super()._open(directory, form)
        self._lists = self._refined = None
        if not form.listed:
            return
        path = form.path(directory, "lists")
        try:
            if path.stat().st_size != form.lists_bytes:
                raise shelf.broken(directory)
            self._lists = _read(path, self.reading)
        except (OSError, RuntimeError) as error:
            raise shelf.broken(directory) from error
        if self._lists.ntotal != form.rows or self._lists.d != form.dim or self._saved is None:
            raise shelf.broken(directory)
        self._refined = faiss.IndexRefine(self._lists, self._saved.searcher)
        self.effort = self.effort or self._default_effort(self._lists)


def float_chunks(rows: Rows, start: int = 0) -> Iterator[Vectors]:
    """The rows from ``start`` on, float32, some at a time."""
    for first in range(start, rows.count, _ROWS_AT_ONCE):
        yield rows.array[first : first + _ROWS_AT_ONCE].astype(np.float32)


def spread_sample(rows: Rows, count: int) -> GrowingRows:
    """At most ``count`` rows, evenly spread, float32; in a temporary file where they are many."""
    sample = GrowingRows(rows.dim, "fp32")
    chosen = np.unique(np.linspace(0, rows.count - 1, min(count, rows.count)).round().astype(np.int64))
    for start in range(0, len(chosen), _ROWS_AT_ONCE):
        sample.append(rows.take(chosen[start : start + _ROWS_AT_ONCE]))
    return sample


def _give_memory_back() -> None:
    """Hand freed memory to the system: glibc keeps what many small lists held, twice the index after building it."""
    with suppress(OSError, AttributeError, TypeError):  # other systems' libraries do not have it
        ctypes.CDLL(None).malloc_trim(0)


def _read(path: Path, flags: int) -> Any:  # noqa: ANN401 - faiss index
    return faiss.read_index(str(path), flags)


def _write(index: Any, path: Path) -> None:  # noqa: ANN401 - faiss index
    """Write by way of Python, whose errors keep their number when the disk is full."""
    with path.open("wb") as stream:
        writer = _faiss.PyCallbackIOWriter(stream.write)
        faiss.write_index(index, writer)
