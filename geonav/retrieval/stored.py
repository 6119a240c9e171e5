"""What all indexes share: rows in files, names, removal, exact search, and saving what changed."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from geonav.data.files import storage_errors
from geonav.errors import DatabaseError, UsageError
from geonav.retrieval import shelf
from geonav.retrieval.base import Hits, Vector, Vectors
from geonav.retrieval.names import Names, Row
from geonav.retrieval.parts import Chosen, Found, Part, best_rows, chosen_of, products
from geonav.retrieval.rows import Code, GrowingRows
from geonav.retrieval.shelf import Form

logger = logging.getLogger(__name__)

# Removed rows are dropped from the files once they are this share of all, and worth it.
_WASTE = 0.25
_WASTE_ROWS = 1000
# Among so few allowed rows each is compared, whatever the index.
_FEW_ROWS = 2000
_ROWS_AT_ONCE = 8192


class StoredIndex:
    """Rows saved, rows not yet saved, and exact search over both; kinds add an approximate search over the first.

    A row number is a key for good: it is never given to another vector while the generation of the files lasts.
    Vectors of zeros are kept, so that their entries count as described, but no search finds them.
    """

    kind: ClassVar[str]
    code: ClassVar[Code] = "fp16"

    def __init__(self, dim: int, stamp: str) -> None:
        """Start empty, for vectors (``dim``,) made with the settings that ``stamp`` stands for."""
        self.stamp = stamp
        self._form = Form(self.kind, stamp, dim)
        self._home: Path | None = None
        self._saved: Part | None = None
        self._names = Names()
        self._gone: list[Row] = []
        self._new_rows = GrowingRows(dim, self.code)
        self._new = Part(self._new_rows, 0)
        self._changed()

    def __len__(self) -> int:
        """The number of vectors."""
        return self._names.num_alive

    def __contains__(self, uid: str) -> bool:
        """Whether a vector has this name."""
        return bool(self._names.rows([uid])[0] >= 0)

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return self._form.dim

    @property
    def uids(self) -> list[str]:
        """The names of the vectors, sorted."""
        return self._names.uids()

    @property
    def memory_bytes(self) -> int:
        """What it holds in memory of its own; what it only maps from files is not counted."""
        return self._names.memory_bytes + self._new_rows.memory_bytes

    def add(self, uids: Sequence[str], vectors: Vectors) -> None:
        """Add vectors (N, D); a uid that is there already gets the new one.

        Raises:
            UsageError: another length, NaN, or one uid twice.
            StorageError: there is no room for the temporary file of many vectors.
        """
        rows = np.ascontiguousarray(vectors, np.float32)
        if rows.shape != (len(uids), self.dim):
            msg = f"{len(uids)} vectors of {self.dim} numbers are wanted, not an array of {rows.shape}"
            raise UsageError(msg)
        if not np.isfinite(rows).all():
            bad = uids[int(np.flatnonzero(~np.isfinite(rows).all(1))[0])]
            msg = f"the global descriptor of {bad} is not finite: compute it again"
            raise UsageError(msg)
        if len(set(uids)) != len(uids):
            msg = "a uid is given twice for one index"
            raise UsageError(msg)
        self.remove(uids)
        self._new_rows.append(rows)
        self._names.append(uids, np.logical_not(rows.any(axis=1)))
        self._new = Part(self._new_rows, self._new.start)
        self._changed()

    def remove(self, uids: Sequence[str]) -> int:
        """Remove vectors by name, unknown names are passed over; returns how many went."""
        rows = np.unique(self._names.rows(uids))
        rows = rows[rows >= 0]
        if len(rows):
            self._names.remove(rows)
            self._gone.append(rows)
            self._changed()
        return len(rows)

    def vectors(self, uids: Sequence[str]) -> Vectors:
        """The vectors (N, D) of some uids, as exact as they are stored.

        Raises:
            DatabaseError: one is not in the index.
        """
        rows = self._names.rows(uids)
        if (rows < 0).any():
            msg = f"{uids[int(np.argmax(rows < 0))]} is not in the index: run `geonav index global`"
            raise DatabaseError(msg)
        return self._take(rows)

    def search(self, vector: Vector, k: int, *, allowed: Collection[str] | None = None) -> Hits:
        """The ``k`` best (all, if fewer) among ``allowed``, best first; exact ties in order of uid.

        Raises:
            UsageError: another length, or not finite.
        """
        query = np.ascontiguousarray(vector, np.float32).reshape(1, -1)
        if query.shape[1] != self.dim or not np.isfinite(query).all():
            msg = f"a query of {self.dim} finite numbers is wanted, not one of {query.shape[1]}"
            raise UsageError(msg)
        rows = None if allowed is None else self._allowed_rows(allowed)
        total = self._num_searchable if rows is None else len(rows)
        count = min(k, total)
        if count < 1 or not query.any():
            return []
        scores, found = self._found(query, count, rows)
        hits = [(self._names.of(row), score) for score, row in zip(scores.tolist(), found.tolist(), strict=True)]
        return sorted(hits, key=lambda hit: (-hit[1], hit[0]))[:count]

    def _found(self, query: Vectors, count: int, rows: Row | None) -> Found:
        """At least the best ``count`` rows, of which there are as many, in any order."""
        if rows is not None and len(rows) <= max(count, _FEW_ROWS):
            scores = products(query, self._take(rows))
            return scores, rows
        all_scores: list[NDArray[np.float32]] = []
        all_rows: list[Row] = []
        for part, chosen in zip(self._parts, self._chosen(rows), strict=True):
            scores, numbers = self._search_part(part, query, min(count, chosen.count), chosen)
            all_scores.append(scores)
            all_rows.append(numbers + part.start)
        return np.concatenate(all_scores), np.concatenate(all_rows)

    def _chosen(self, rows: Row | None) -> list[Chosen]:
        """Which rows of each part may be found: these, or all that count."""
        if rows is None:
            return self._standing
        mask = np.zeros(len(self._names), np.bool_)
        mask[rows] = True
        return [chosen_of(part, mask) for part in self._parts]

    @cached_property
    def _standing(self) -> list[Chosen]:
        mask = self._names.alive & ~self._names.silent
        return [chosen_of(part, mask) for part in self._parts]

    @property
    def _parts(self) -> list[Part]:
        """The saved rows and the new ones, where there are any."""
        return [part for part in (self._saved, self._new) if part is not None and part.rows.count]

    def _search_part(self, part: Part, query: Vectors, count: int, chosen: Chosen) -> Found:
        """The best ``count`` rows of a part, or more."""
        return best_rows(part, query, count, chosen)

    @property
    def _num_searchable(self) -> int:
        return sum(chosen.count for chosen in self._standing)

    def _changed(self) -> None:
        self.__dict__.pop("_standing", None)
        self._last_allowed: tuple[Collection[str] | None, Row | None] = (None, None)

    def _allowed_rows(self, allowed: Collection[str]) -> Row:
        known, last = self._last_allowed
        if last is not None and known is allowed and isinstance(allowed, frozenset):
            return last
        named = np.unique(self._names.rows(allowed))
        present = named[named >= 0]
        rows: Row = present[~self._names.silent[present]]
        self._last_allowed = (allowed, rows)
        return rows

    def _take(self, rows: Row) -> Vectors:
        """Some rows, float32."""
        result = np.zeros((len(rows), self.dim), np.float32)
        for part in self._parts:
            here = (rows >= part.start) & (rows < part.start + part.rows.count)
            if here.any():
                result[here] = part.rows.take(rows[here] - part.start)
        return result

    def save(self, directory: Path) -> None:
        """Store what changed; where much was removed, or in another folder, the whole.

        Raises:
            StorageError: the disk is full, read-only or not permitted.
        """
        with storage_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
        num_gone = len(self._names) - len(self)
        is_wasteful = num_gone > max(_WASTE_ROWS, _WASTE * len(self._names))
        if self._home == directory and not is_wasteful and self._is_current(directory):
            form = self._append(directory)
        else:
            form = self._write_whole(directory)
        form = self._complete(directory, form)
        shelf.commit(directory, form)
        self._open(directory, form)

    def _is_current(self, directory: Path) -> bool:
        """Whether the folder still holds what this index was read from."""
        try:
            return shelf.read_form(directory) == self._form
        except DatabaseError:
            return False

    def _append(self, directory: Path) -> Form:
        form, start = self._form, self._form.rows
        self._write_rows(directory, form, _chunks(self._new_rows.array))
        gone = np.concatenate([np.zeros(0, np.int64), *self._gone])
        parts = {"names": self._names.text(start), "keys": self._names.keys(start).tobytes()}
        parts["removed"] = gone.astype("<i8").tobytes()
        pairs: dict[str, Any] = {part: shelf.append_part(directory, form, part, data) for part, data in parts.items()}
        return replace(form, rows=len(self._names), **pairs)

    def _write_whole(self, directory: Path) -> Form:
        """Write the rows that count in order of uid, so that the files do not depend on the order of adding."""
        form = Form(self.kind, self.stamp, self.dim, shelf.last_generation(directory) + 1)
        uids = self.uids
        order = self._names.rows(uids)
        chunks = (self._take(rows).astype(self._new_rows.array.dtype) for rows in _chunks(order))
        self._write_rows(directory, form, chunks)
        names = Names()
        names.append(uids, self._names.silent[order])
        parts = {"names": names.text(), "keys": names.keys().tobytes()}
        pairs: dict[str, Any] = {part: shelf.append_part(directory, form, part, data) for part, data in parts.items()}
        return replace(form, rows=len(uids), **pairs)

    def _write_rows(self, directory: Path, form: Form, chunks: Iterable[NDArray[Any]]) -> None:
        """Put rows behind those that count."""
        shelf.append_rows(directory, form, chunks, self._new_rows.width)

    def _complete(self, directory: Path, form: Form) -> Form:  # noqa: ARG002 - for kinds with an approximate part
        """Write what else belongs to an index of these rows; its stamp is still to come."""
        return form

    @classmethod
    def load(cls, directory: Path, stamp: str) -> Self:
        """Read an index back.

        Raises:
            DatabaseError: there is none, it is broken, or it was made with other settings.
        """
        form = cls.checked_form(directory, stamp)
        index = cls(form.dim, stamp)
        index._open(directory, form)
        return index

    @classmethod
    def checked_form(cls, directory: Path, stamp: str) -> Form:
        """What the stamp of a stored index says.

        Raises:
            DatabaseError: there is none, it is broken, of another kind, or was made with other settings.
        """
        form = shelf.read_form(directory)
        if form.stamp != stamp or form.kind != cls.kind:
            what = "with other settings" if form.kind == cls.kind else f"as {form.kind}, not as {cls.kind}"
            msg = f"the index at {directory} was made {what}: run `geonav index global`"
            raise DatabaseError(msg)
        return form

    def _open(self, directory: Path, form: Form) -> None:
        """Map what ``form`` says is stored."""
        self._saved = Part(shelf.read_rows(directory, form, self.code), 0)
        self._names = shelf.read_names(directory, form)
        self._home, self._form, self._gone = directory, form, []
        self._new_rows = GrowingRows(self.dim, self.code)
        self._new = Part(self._new_rows, len(self._names))
        self._changed()


def _chunks(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield rows[start : start + _ROWS_AT_ONCE]
