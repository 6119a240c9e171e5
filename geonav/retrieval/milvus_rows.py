"""Vectors as rows of one collection of Milvus: an embedded file (milvus-lite) or a cluster, by the same calls.

See https://milvus.io/docs (MilvusClient). Each row's number is its key and never given twice, so that what our own
stamp calls stored decides which rows there are, whatever an interrupted run left in the collection.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geonav.errors import AuthError, DatabaseError, MissingError, NetworkError, UsageError
from geonav.retrieval.base import Vectors
from geonav.retrieval.names import Row

# Rows of one insert: two megabytes or so a thousand rows, of the 64 that one message may have.
_ROWS_AT_ONCE = 5000
# What Milvus gives back of one search, and the keys of one filter.
MOST_HITS = 16_384
_KEYS_AT_ONCE = 10_000
_TAKEN_AT_ONCE = 2_000
_TIMEOUT_S = 60.0
_REFUSED = ("auth", "permission", "privilege", "unauthenticated", "user")


@dataclass(frozen=True)
class MilvusPlace:
    """Where a Milvus answers.

    Attributes:
        uri: ``http(s)://host:port`` of a cluster, or the path of an embedded file, which ends in ``.db``.
        token: ``user:password`` or an API key; empty for none.
    """

    uri: str
    token: str = field(default="", repr=False)

    @classmethod
    def of(cls, uri: str | None, token: str = "") -> MilvusPlace | None:
        """The place of an address or of a file, which is remembered with its whole path; None for no address.

        Raises:
            UsageError: it is neither.
        """
        if not uri:
            return cls("", token) if token else None
        if "://" in uri:
            if uri.split("://")[0] not in {"http", "https"}:
                msg = f"--milvus-uri {uri} is no address of Milvus: give http://HOST:PORT, or a file that ends in .db"
                raise UsageError(msg)
            return cls(uri, token)
        if not uri.endswith(".db"):
            msg = f"--milvus-uri {uri} is no file of Milvus: its name must end in .db; a cluster's begins with http://"
            raise UsageError(msg)
        return cls(str(Path(uri).expanduser().resolve()), token)

    @property
    def is_file(self) -> bool:
        """Whether it is embedded in this process."""
        return "://" not in self.uri


class MilvusRows:
    """Rows (N, D) of a collection; those from ``count`` on do not count."""

    def __init__(self, place: MilvusPlace, collection: str, dim: int, count: int) -> None:
        """Connect, and see that the collection is there unless ``count`` is 0.

        Raises:
            DatabaseError: it is not, or the embedded file is another process's.
            NetworkError: nothing answers; AuthError where it refuses us; MissingError without pymilvus.
        """
        self.dim = dim
        self.count = count
        self._place = place
        self._collection = collection
        with _told(place):
            self._client = _connected(place)
            if count and not self._client.has_collection(collection, timeout=_TIMEOUT_S):
                msg = f"{place.uri} has no collection {collection} any more: run `geonav index global`"
                raise DatabaseError(msg)
            if count:
                self._client.load_collection(collection, timeout=_TIMEOUT_S)

    def append(self, chunks: Iterable[NDArray[Any]]) -> int:
        """Put rows behind those that count, in columns; returns how many."""
        added = 0
        with _told(self._place):
            self._make_room()
            for chunk in chunks:
                for start in range(0, len(chunk), _ROWS_AT_ONCE):
                    rows = np.asarray(chunk[start : start + _ROWS_AT_ONCE], np.float32)
                    self._insert(self.count + added, rows)
                    added += len(rows)
            self._client.flush(self._collection, timeout=_TIMEOUT_S)
        return added

    def _make_room(self) -> None:
        """The collection, without what an interrupted run left behind the rows that count."""
        from pymilvus import DataType

        if self.count:
            self._client.delete(self._collection, filter=f"row >= {self.count}", timeout=_TIMEOUT_S)
            return
        if self._client.has_collection(self._collection, timeout=_TIMEOUT_S):
            self._client.drop_collection(self._collection, timeout=_TIMEOUT_S)
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("row", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self.dim)
        how = self._client.prepare_index_params()
        how.add_index("vector", index_type="FLAT", metric_type="IP")
        self._client.create_collection(
            self._collection, schema=schema, index_params=how, consistency_level="Strong", timeout=_TIMEOUT_S
        )

    def _insert(self, first: int, rows: Vectors) -> None:
        """Insert a few thousand rows; the client's own ``insert`` takes a dict a row, at a third of the speed."""
        from pymilvus import DataType

        columns = [
            {"name": "row", "type": DataType.INT64, "values": list(range(first, first + len(rows)))},
            {"name": "vector", "type": DataType.FLOAT_VECTOR, "values": rows.tolist()},
        ]
        connection: Any = self._client._get_connection()  # the only way to columns since the ORM went
        connection.batch_insert(self._collection, columns, timeout=_TIMEOUT_S)

    def take(self, rows: Row) -> Vectors:
        """Some rows, float32.

        Raises:
            DatabaseError: one is not there.
        """
        found = np.zeros((len(rows), self.dim), np.float32)
        there = np.zeros(len(rows), np.bool_)
        with _told(self._place):
            for start in range(0, len(rows), _TAKEN_AT_ONCE):
                some = rows[start : start + _TAKEN_AT_ONCE]
                order = np.argsort(some, kind="stable")
                answers = self._client.get(
                    self._collection, ids=some.tolist(), output_fields=["vector"], timeout=_TIMEOUT_S
                )
                for answer in answers:
                    low, high = np.searchsorted(some, answer["row"], sorter=order, side="left"), len(some)
                    while low < high and some[order[low]] == answer["row"]:
                        found[start + order[low]], there[start + order[low]] = answer["vector"], True
                        low += 1
        if not there.all():
            msg = f"{self._place.uri} lacks vectors of the collection {self._collection}: run `geonav index global`"
            raise DatabaseError(msg)
        return found

    def search(self, query: Vectors, limit: int, among: Row | None = None) -> tuple[NDArray[np.float32], Row]:
        """Scores and numbers of the best ``limit`` rows, among a few thousand if those are named."""
        if among is None:
            return self._search(query, limit, "")
        parts = [among[start : start + _KEYS_AT_ONCE] for start in range(0, len(among), _KEYS_AT_ONCE)]
        found = [self._search(query, min(limit, len(part)), f"row in {part.tolist()}") for part in parts]
        return np.concatenate([scores for scores, _ in found]), np.concatenate([rows for _, rows in found])

    def _search(self, query: Vectors, limit: int, rule: str) -> tuple[NDArray[np.float32], Row]:
        with _told(self._place):
            (hits,) = self._client.search(
                self._collection,
                data=[query[0]],
                limit=min(limit, MOST_HITS),
                filter=rule,
                output_fields=["row"],
                timeout=_TIMEOUT_S,
            )
        scores = np.array([hit["distance"] for hit in hits], np.float32)
        return scores, np.array([hit["row"] for hit in hits], np.int64)

    def drop_others(self, prefix: str) -> None:
        """Drop the collections whose names begin so, but this one."""
        with _told(self._place):
            for name in self._client.list_collections(timeout=_TIMEOUT_S):
                if name.startswith(prefix) and name != self._collection:
                    self._client.drop_collection(name, timeout=_TIMEOUT_S)


@lru_cache(maxsize=8)
def _connected(place: MilvusPlace) -> Any:  # noqa: ANN401 - pymilvus is an extra
    """One client a place: an embedded file can be opened once."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pymilvus import MilvusClient
    except ImportError as error:
        msg = "an index in Milvus needs pymilvus: pip install 'geonav[milvus]', or choose another --index"
        raise MissingError(msg) from error
    for name in ("pymilvus", "milvus_lite", "grpc"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what it logs as errors, we raise
    return MilvusClient(place.uri, token=place.token, timeout=_TIMEOUT_S / 6)


def close_all() -> None:
    """Close every connection, and let go of embedded files, which another process may then open."""
    _connected.cache_clear()
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_all()


@contextmanager
def _told(place: MilvusPlace) -> Iterator[None]:
    """Say what Milvus's errors mean.

    Raises:
        GeonavError: as :class:`MilvusRows` says.
    """
    try:
        yield
    except ImportError as error:
        raise MissingError(str(error)) from error
    except Exception as error:
        kinds = {each.__name__ for each in type(error).__mro__}
        if not kinds & {"MilvusException", "RpcError", "MilvusLiteError", "DataDirLockedError"}:
            raise
        raise _meant(place)(error) from error


def _meant(place: MilvusPlace) -> Callable[[BaseException], Exception]:
    def meant(error: BaseException) -> Exception:
        reason = " ".join(str(getattr(error, "message", "") or error).split())
        reason = reason.replace(place.token, "***") if place.token else reason
        if place.is_file:
            return DatabaseError(
                f"the Milvus file {place.uri} cannot be used ({reason[:200]}): one process may open it at a time; end "
                "the other, or take a cluster by --milvus-uri http://HOST:PORT"
            )
        if any(word in reason.lower() for word in _REFUSED):
            return AuthError(
                f"Milvus at {place.uri} refuses the token: set GEONAV_GLOBAL__MILVUS_TOKEN ({reason[:200]})"
            )
        return NetworkError(f"Milvus at {place.uri} does not answer as it should ({reason[:200]}): start it, run again")

    return meant
