"""An index whose vectors Milvus holds and searches (the extra ``milvus``); names and what counts stay with us.

The files of the index are those of every other, but for the rows, which lie in a collection. Rows are only ever added
to it, under numbers of their own, and the stamp that says how many count is replaced last: what an interrupted run
added counts for nothing, and rows that were removed are passed over until the whole is written to a new collection.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from geonav.data.files import atomic_write_json
from geonav.errors import DatabaseError
from geonav.retrieval import shelf
from geonav.retrieval.base import Vectors
from geonav.retrieval.milvus_rows import MOST_HITS, MilvusPlace, MilvusRows
from geonav.retrieval.names import Row
from geonav.retrieval.parts import Chosen, Found, Part
from geonav.retrieval.rows import Code
from geonav.retrieval.shelf import Form
from geonav.retrieval.stored import StoredIndex

PLACE_FILE = "milvus.json"
_OWN_FILE = "milvus.db"
# So many more than are wanted are asked for, for those that do not count and for equal scores.
_MORE = 16


class MilvusIndex(StoredIndex):
    """All digits, in Milvus."""

    kind = "milvus"
    code: ClassVar[Code] = "fp32"

    def __init__(self, dim: int, stamp: str, place: MilvusPlace | None = None) -> None:
        """Start empty; ``place`` is where the vectors go, a file in the index's own folder if not given."""
        self._place = place if place is not None and place.uri else None
        super().__init__(dim, stamp)

    @property
    def _remote(self) -> MilvusRows | None:
        rows: Any = self._saved.rows if self._saved is not None else None
        return rows if isinstance(rows, MilvusRows) else None

    def _found(self, query: Vectors, count: int, rows: Row | None) -> Found:
        remote = self._remote
        if rows is not None and remote is not None:
            saved = rows[rows < remote.count]
            # Among so few of so many, an unfiltered search would not come to them.
            if len(rows) > count and _asked(count, len(saved), remote.count) > MOST_HITS:
                scores, found = remote.search(query, count + _MORE, saved)
                more, new = super()._found(query, min(count, len(rows) - len(saved)), rows[rows >= remote.count])
                return np.concatenate([scores, more]), np.concatenate([found, new])
        return super()._found(query, count, rows)

    def _search_part(self, part: Part, query: Vectors, count: int, chosen: Chosen) -> Found:
        remote = self._remote
        if part is not self._saved or remote is None:
            return super()._search_part(part, query, count, chosen)
        if not count:
            return np.zeros(0, np.float32), np.zeros(0, np.int64)
        asked = _asked(count, chosen.count, remote.count)
        while True:
            scores, rows = remote.search(query, asked)
            keep = rows < remote.count
            if chosen.sieve is not None:
                keep &= np.array([chosen.sieve.is_member(row) for row in rows.tolist()], np.bool_)
            is_all = len(rows) < asked or asked >= MOST_HITS
            if keep.sum() >= count and (is_all or scores[-1] < scores[keep][count - 1]):
                return scores[keep], rows[keep]
            if is_all:
                numbers = np.arange(remote.count)
                if chosen.sieve is not None:
                    numbers = np.array([row for row in numbers.tolist() if chosen.sieve.is_member(row)], np.int64)
                return remote.search(query, count + _MORE, numbers)
            asked = min(4 * asked, MOST_HITS)

    def save(self, directory: Path) -> None:
        """Store what changed; then drop what no stamp names any more.

        Raises:
            GeonavError: as :class:`MilvusRows`; StorageError where the folder cannot be written.
        """
        super().save(directory)
        remote = self._remote
        if remote is not None:
            remote.drop_others(f"geonav_{_read_place(directory)['id']}_")

    def _is_current(self, directory: Path) -> bool:
        return super()._is_current(directory) and self._remote is not None and self._is_at(directory)

    def _is_at(self, directory: Path) -> bool:
        """Whether the folder's vectors lie where they are to lie."""
        try:
            uri = _read_place(directory)["uri"]
        except DatabaseError:
            return False
        return bool(uri == (self._place.uri if self._place is not None else None))

    def _put_rows(self, directory: Path, form: Form, chunks: Iterable[NDArray[Any]]) -> None:
        if not self._is_at(directory):
            uri = self._place.uri if self._place is not None else None
            atomic_write_json(directory / PLACE_FILE, {"uri": uri, "id": secrets.token_hex(6)})
        _rows(directory, form, self._place).append(chunks)

    def _read_rows(self, directory: Path, form: Form) -> Any:  # noqa: ANN401 - what a part needs of rows
        return _rows(directory, form, self._place)

    @classmethod
    def load(cls, directory: Path, stamp: str, place: MilvusPlace | None = None) -> Self:
        """Read an index back; of ``place`` only the token is needed, the rest is remembered.

        Raises:
            DatabaseError: there is none, it is broken, or it was made with other settings.
            GeonavError: as :class:`MilvusRows`.
        """
        form = shelf.read_form(directory)
        shelf.check_form(directory, form, cls.kind, stamp)
        uri = _read_place(directory)["uri"]
        known = None if uri is None else MilvusPlace(str(uri), place.token if place is not None else "")
        index = cls(form.dim, stamp, known)
        index._open(directory, form)
        if place is not None and place.uri and place.uri != uri:
            index._place = place  # the next save moves the vectors there
        return index


def _asked(count: int, among: int, total: int) -> int:
    """How many to ask for so that ``count`` of ``among`` rows are probably in it."""
    return min(math.ceil(1.5 * count * total / max(among, 1)) + _MORE, max(total, 1) + _MORE)


def _rows(directory: Path, form: Form, place: MilvusPlace | None) -> MilvusRows:
    known = _read_place(directory)
    name = f"geonav_{known['id']}_{form.generation}"
    return MilvusRows(place or MilvusPlace(str(directory.resolve() / _OWN_FILE)), name, form.dim, form.rows)


def _read_place(directory: Path) -> dict[str, Any]:
    try:
        known = json.loads((directory / PLACE_FILE).read_bytes())
        if isinstance(known["id"], str) and isinstance(known["uri"], str | None):
            return dict(known)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise shelf.broken(directory) from error
    raise shelf.broken(directory)
