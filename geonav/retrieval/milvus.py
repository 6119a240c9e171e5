"""An index whose vectors lie in Milvus; which uid is which row stays in the index's own files.

A row's number is its key in the collection. The stamp says how many rows count and which were removed, so whatever a
killed run left in the collection, rows beyond the end or removed ones, is passed over: the old index holds until the
stamp is replaced. Rows are inserted before that and deleted after it. An index that is written as a whole gets a
collection of its own; a link file names it before it is made, and is removed after it was dropped.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from geonav.data.files import atomic_write_json, storage_errors
from geonav.errors import DatabaseError, GeonavError
from geonav.retrieval import shelf
from geonav.retrieval.base import Vectors
from geonav.retrieval.milvus_link import KIND, LINKS, Link, link_path
from geonav.retrieval.milvus_store import MOST_HITS, Store, absolute, in_rows, is_gone, make_parents, open_store
from geonav.retrieval.names import Row
from geonav.retrieval.parts import Found, Part, best_rows, chosen_of
from geonav.retrieval.rows import Code, GrowingRows
from geonav.retrieval.shelf import Form
from geonav.retrieval.stored import StoredIndex
from geonav.settings.milvus import MilvusConfig

logger = logging.getLogger(__name__)

# Allowed rows are named in the question up to here; among more, the best of all are asked for and sieved.
_NAMED_ROWS = 8192
_MORE = 4
# milvus-lite keeps vectors twice in memory: the table and its index.
_COPIES = 2


class MilvusIndex(StoredIndex):
    """Vectors in Milvus, 4 bytes a number; exact with its index type ``FLAT``."""

    kind = KIND
    code: ClassVar[Code] = "fp32"

    def __init__(self, dim: int, stamp: str, settings: MilvusConfig | None = None) -> None:
        """Start empty; nothing is connected to before :meth:`save`."""
        self._settings = settings or MilvusConfig()
        self._link: Link | None = None
        self._store: Store | None = None
        super().__init__(dim, stamp)

    @property
    def memory_bytes(self) -> int:
        """What it holds in memory of its own, that of an embedded milvus-lite included."""
        is_embedded = self._store is not None and self._store.is_embedded
        rows = int(np.count_nonzero(self._mask[: self._form.rows])) if is_embedded else 0
        return super().memory_bytes + rows * self.dim * 4 * _COPIES

    @classmethod
    def load(cls, directory: Path, stamp: str, settings: MilvusConfig | None = None) -> Self:
        """Read an index back and connect to its vectors.

        Raises:
            DatabaseError: there is none, it is broken, was made with other settings, or another process has it open.
            NetworkError: Milvus does not answer. AuthError: it refused the token.
        """
        form = cls.checked_form(directory, stamp)
        index = cls(form.dim, stamp, settings)
        index._open(directory, form)
        return index

    def save(self, directory: Path) -> None:
        """Store what changed, then remove from Milvus what counts no longer.

        Raises:
            StorageError: the disk is full, read-only or not permitted.
            NetworkError: Milvus does not answer. AuthError: it refused the token.
        """
        old, gone = self._link, np.concatenate([np.zeros(0, np.int64), *self._gone])
        saved = self._form.rows
        super().save(directory)
        if self._link == old and self._store is not None and old is not None:
            self._store.delete(old.collection, gone[gone < saved])
        self._drop_old(directory)

    def _is_current(self, directory: Path) -> bool:
        link = self._link
        if link is None or not link.belongs_to(directory) or link.uri != self._uri(link):
            return False
        return super()._is_current(directory)

    def _uri(self, link: Link | None) -> str | None:
        """Where the vectors are to lie: as the settings say, else where they are."""
        if self._settings.uri is not None:
            return absolute(self._settings.uri)
        return link.uri if link is not None else None

    def _write_rows(self, directory: Path, form: Form, chunks: Iterable[NDArray[Any]]) -> None:
        link, store, is_new = self._link, self._store, form.generation != self._form.generation
        if link is None or store is None or is_new:
            is_new = True
            link, store = self._new_collection(directory, form)
        else:
            store.delete_from(link.collection, form.rows)  # what a killed run left
        start = form.rows
        for chunk in chunks:
            standing = chunk.any(axis=1)
            rows = start + np.flatnonzero(standing)
            store.insert(link.collection, rows, np.ascontiguousarray(chunk[standing], np.float32))
            start += len(chunk)
        if is_new:
            store.build(link.collection, start - form.rows)

    def _new_collection(self, directory: Path, form: Form) -> tuple[Link, Store]:
        name = f"geonav_{self.stamp}_{secrets.token_hex(8)}_{form.generation}"
        link = Link(self._uri(self._link), name, str(directory.resolve()))
        address = link.address(directory)
        make_parents(address)
        _set_aside(link_path(directory, form))
        atomic_write_json(link_path(directory, form), asdict(link))
        store = open_store(address, self._settings)
        store.create(name, self.dim, self.stamp)
        return link, store

    def _open(self, directory: Path, form: Form) -> None:
        names = shelf.read_names(directory, form)
        link = Link.read(link_path(directory, form))
        address = absolute(self._settings.uri) if self._settings.uri else link.address(directory)
        if is_gone(address):
            msg = (
                f"{address}, the folder of the index's vectors, is gone: put it back, set GEONAV_MILVUS__URI to where "
                "it lies now, or run `geonav index global`"
            )
            raise DatabaseError(msg)
        store = open_store(address, self._settings)
        self._check(store, link, form, int(np.count_nonzero(names.alive & ~names.silent)))
        self._names, self._link, self._store = names, link, store
        self._home, self._form, self._gone = directory, form, []
        self._new_rows = GrowingRows(self.dim, self.code)
        self._new = Part(self._new_rows, len(names))
        self._changed()

    def _check(self, store: Store, link: Link, form: Form, num_rows: int) -> None:
        where = f"collection {link.collection} at {store.address}"
        if not link.collection.startswith(f"geonav_{form.stamp}_"):
            msg = f"{where} was made with other settings: run `geonav index global`"
            raise DatabaseError(msg)
        dim = store.dim(link.collection, form.stamp)
        if dim is None:
            msg = f"{where} is gone: run `geonav index global`, or give the --milvus-uri it lies at"
            raise DatabaseError(msg)
        if dim != form.dim:
            msg = f"{where} holds vectors of {dim} numbers, not {form.dim}: run `geonav index global`"
            raise DatabaseError(msg)
        store.load(link.collection)
        if store.count(link.collection) < num_rows:
            msg = f"{where} lacks vectors: run `geonav index global`"
            raise DatabaseError(msg)

    def _changed(self) -> None:
        super()._changed()
        self._mask = self._names.alive & ~self._names.silent
        self._num_standing = int(np.count_nonzero(self._mask))

    @property
    def _num_searchable(self) -> int:
        return self._num_standing

    def _found(self, query: Vectors, count: int, rows: Row | None) -> Found:
        mask = self._mask
        if rows is not None:
            mask = np.zeros(len(self._names), np.bool_)
            mask[rows] = True
        chosen = chosen_of(self._new, mask)
        scores, numbers = best_rows(self._new, query, min(count, chosen.count), chosen)
        stored_scores, stored_rows = self._found_in_store(query[0], count, mask[: self._form.rows])
        return np.concatenate([scores, stored_scores]), np.concatenate([numbers + self._new.start, stored_rows])

    def _found_in_store(self, query: Vectors, count: int, mask: NDArray[np.bool_]) -> Found:
        """The best rows whose ``mask`` is True, and every further one with the score of the last."""
        wanted = np.flatnonzero(mask)
        count = min(count, len(wanted))
        if not count or self._store is None or self._link is None:
            return np.zeros(0, np.float32), np.zeros(0, np.int64)
        stored = max(len(wanted), int(np.count_nonzero(self._mask[: len(mask)])))
        is_named = len(wanted) <= min(_NAMED_ROWS, stored - 1)
        expression = in_rows(wanted) if is_named else ""
        limit = 2 * count if is_named else 2 * count * stored // len(wanted)
        while limit <= MOST_HITS:
            scores, rows = self._store.search(self._link.collection, query, limit, expression)
            keep = rows < len(mask)
            keep[keep] = mask[rows[keep]]
            best, found = scores[keep], rows[keep]
            is_settled = len(best) >= count and best[-1] < best[count - 1]
            if is_settled or (len(rows) < limit and len(best) >= count):
                keep = best >= best[count - 1]
                return best[keep], found[keep]
            limit *= _MORE
        return self._all_in_store(self._store, self._link.collection, query, wanted)

    def _all_in_store(self, store: Store, name: str, query: Vectors, wanted: Row) -> Found:
        """The scores of rows that are too many to be the best of one answer, each asked for by name."""
        found = [
            store.search(name, query, min(_NAMED_ROWS, len(wanted)), in_rows(wanted[start : start + _NAMED_ROWS]))
            for start in range(0, len(wanted), _NAMED_ROWS)
        ]
        return np.concatenate([scores for scores, _ in found]), np.concatenate([rows for _, rows in found])

    def _take(self, rows: Row) -> Vectors:
        result = np.zeros((len(rows), self.dim), np.float32)
        is_new = rows >= self._form.rows
        result[is_new] = self._new_rows.take(rows[is_new] - self._new.start)
        is_stored = ~is_new & ~self._names.silent[rows]
        if is_stored.any() and self._store is not None and self._link is not None:
            result[is_stored] = self._store.vectors(self._link.collection, rows[is_stored], self.dim)
        return result

    def _drop_old(self, directory: Path) -> None:
        """Remove the collections that count no longer; one that cannot be reached is tried again next time."""
        for path in sorted(directory.glob(LINKS)):
            if path != link_path(directory, self._form):
                self._drop(directory, path)

    def _drop(self, directory: Path, path: Path) -> None:
        try:
            link = Link.read(path)
        except DatabaseError as error:
            logger.info("%s names no collection: %s", path, error)
        else:
            if link.belongs_to(directory) and not self._is_dropped(link, directory):
                return
        path.unlink(missing_ok=True)

    def _is_dropped(self, link: Link, directory: Path) -> bool:
        """Remove a collection; one in a folder that is gone is gone with it."""
        address = link.address(directory)
        try:
            if not is_gone(address):
                open_store(address, self._settings).drop(link.collection)
        except GeonavError as error:
            logger.warning(
                "collection %s at %s is left until this index is next stored: %s", link.collection, address, error
            )
            return False
        return True


def _set_aside(path: Path) -> None:
    """Keep a link that a killed run left where another is to be written, so that its collection is dropped later."""
    if path.exists():
        with storage_errors(path):
            path.rename(path.with_name(f"milvus-{secrets.token_hex(8)}.json"))
