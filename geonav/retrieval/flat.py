"""An exact index: every vector is compared with the one asked for (faiss ``IndexFlatIP``)."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from geonav.data.files import atomic_save_array, atomic_write_bytes, atomic_write_json, storage_errors
from geonav.errors import DatabaseError, UsageError
from geonav.retrieval.base import Hits, Vector, Vectors

VECTORS_FILE = "vectors.npy"
UIDS_FILE = "uids.json"
STAMP_FILE = "stamp.json"
_FORMAT = 1


class FlatIndex:
    """All vectors in memory, exact results."""

    kind = "flat"

    def __init__(self, dim: int, stamp: str) -> None:
        """Start empty, for vectors (``dim``,) made with the settings that ``stamp`` stands for."""
        self.stamp = stamp
        self._uids: list[str] = []
        self._index = faiss.IndexFlatIP(dim)

    def __len__(self) -> int:
        """The number of vectors."""
        return len(self._uids)

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return int(self._index.d)

    @property
    def uids(self) -> list[str]:
        """The names of the vectors, sorted."""
        return sorted(self._uids)

    def add(self, uids: Sequence[str], vectors: Vectors) -> None:
        """Add vectors (N, D); a uid that is there already gets the new one.

        Raises:
            UsageError: another length, NaN, or one uid twice.
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
        self._index.add(rows)
        self._uids.extend(uids)

    def remove(self, uids: Sequence[str]) -> int:
        """Remove vectors by name, unknown names are passed over; returns how many went."""
        gone = set(uids)
        rows = [row for row, uid in enumerate(self._uids) if uid in gone]
        if rows:
            selector = faiss.IDSelectorBatch(np.asarray(rows, np.int64))
            self._index.remove_ids(selector)  # the rest keeps its order
            self._uids = [uid for uid in self._uids if uid not in gone]
        return len(rows)

    @property
    def memory_bytes(self) -> int:
        """What the vectors take."""
        return 4 * self.dim * len(self)

    def search(self, vector: Vector, k: int, *, allowed: Collection[str] | None = None) -> Hits:
        """The ``k`` best (all, if fewer) among ``allowed``, best first; exact ties in order of uid.

        Raises:
            UsageError: another length, or not finite.
        """
        query = np.ascontiguousarray(vector, np.float32).reshape(1, -1)
        if query.shape[1] != self.dim or not np.isfinite(query).all():
            msg = f"a query of {self.dim} finite numbers is wanted, not one of {query.shape[1]}"
            raise UsageError(msg)
        chosen = None if allowed is None else self._rows(allowed)
        total = len(self) if chosen is None else len(chosen)
        count = min(k, total)
        if count < 1:
            return []
        scores, rows = self._with_all_ties(query, count, total, chosen)
        hits = [(self._uids[row], float(score)) for score, row in zip(scores, rows, strict=True)]
        return sorted(hits, key=lambda hit: (-hit[1], hit[0]))[:count]

    def vectors(self, uids: Sequence[str]) -> Vectors:
        """The vectors (N, D) of some uids.

        Raises:
            DatabaseError: one is not in the index.
        """
        rows = {uid: row for row, uid in enumerate(self._uids)}
        missing = [uid for uid in uids if uid not in rows]
        if missing:
            msg = f"{missing[0]} is not in the index: run `geonav index global`"
            raise DatabaseError(msg)
        found: Vectors = self._index.reconstruct_batch(np.array([rows[uid] for uid in uids], np.int64))
        return found

    def _rows(self, uids: Collection[str]) -> NDArray[np.int64]:
        wanted = set(uids)
        return np.array([row for row, uid in enumerate(self._uids) if uid in wanted], np.int64)

    def _with_all_ties(
        self, query: Vectors, count: int, total: int, chosen: NDArray[np.int64] | None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """The best ``count`` and every further one with the score of the last, so that uid decides, not place."""
        parameters = None
        if chosen is not None:
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBatch(chosen))  # type: ignore[call-arg]
        asked = count
        while True:
            asked = min(total, 2 * asked)
            scores, rows = self._index.search(query, asked, params=parameters)
            if asked == total or scores[0, -1] < scores[0, count - 1]:
                keep = scores[0] >= scores[0, count - 1]
                return scores[0, keep], rows[0, keep]

    def save(self, directory: Path) -> None:
        """Write vectors, uids and, last, the stamp; until then the directory holds no valid index.

        Raises:
            StorageError: the disk is full, read-only or not permitted.
        """
        with storage_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
            (directory / STAMP_FILE).unlink(missing_ok=True)
        vectors = faiss.vector_to_array(self._index.codes).view(np.float32).reshape(len(self), self.dim)
        atomic_save_array(directory / VECTORS_FILE, vectors)
        atomic_write_bytes(directory / UIDS_FILE, json.dumps(self._uids).encode())
        form = {"format": _FORMAT, "kind": self.kind, "stamp": self.stamp, "count": len(self), "dim": self.dim}
        atomic_write_json(directory / STAMP_FILE, form)

    @classmethod
    def load(cls, directory: Path, stamp: str) -> Self:
        """Read an index back.

        Raises:
            DatabaseError: there is none, it is broken, or it was made with other settings.
        """
        form = _read_stamp(directory, cls.kind)
        if form["stamp"] != stamp:
            msg = f"the index at {directory} was made with other settings: run `geonav index global`"
            raise DatabaseError(msg)
        try:
            vectors = np.load(directory / VECTORS_FILE, allow_pickle=False)
            uids = json.loads((directory / UIDS_FILE).read_bytes())
            if vectors.shape != (form["count"], form["dim"]) or len(uids) != len(vectors):
                raise DatabaseError(_broken(directory))
            index = cls(form["dim"], stamp)
            index.add(uids, vectors)
        except (OSError, ValueError, EOFError, UsageError) as error:
            raise DatabaseError(_broken(directory)) from error
        return index


def _read_stamp(directory: Path, kind: str) -> dict[str, Any]:
    try:
        form = json.loads((directory / STAMP_FILE).read_bytes())
        valid = form["format"] == _FORMAT and form["kind"] == kind and int(form["dim"]) > 0 and form["count"] >= 0
    except FileNotFoundError as error:
        msg = f"there is no finished index at {directory}: run `geonav index global`"
        raise DatabaseError(msg) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatabaseError(_broken(directory)) from error
    if not valid:
        raise DatabaseError(_broken(directory))
    return dict(form)


def _broken(directory: Path) -> str:
    return f"the index at {directory} is broken: run `geonav index global`"
