"""Collections of vectors in Milvus: a server, or a folder of milvus-lite, which is served inside this process.

Rows have numbers for keys and nothing but their vector. pymilvus is imported when a store is opened.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geonav.data.files import storage_errors
from geonav.errors import DatabaseError, UsageError
from geonav.retrieval.base import Vector, Vectors
from geonav.retrieval.milvus_faults import faults, indexing_faults, opening_faults
from geonav.retrieval.names import Row
from geonav.settings.milvus import SCHEMES, MilvusConfig

MOST_HITS = 16_384  # Milvus gives no more at once
_KEY, _VECTOR = "row", "vector"
_BATCH_BYTES = 8 << 20
_MOST_ROWS = 5_000
# Building an index over all rows is one call of milvus-lite.
_BUILDING_S = 3600.0
_CONNECTING_S = 10.0
# Of fewer rows faiss says on the terminal that they are too few for a cell.
_FEWEST_IN_CELL = 1000
_SILENCED = ("pymilvus", "milvus_lite", "grpc._server")

Scored = tuple[NDArray[np.float32], Row]


class Store:
    """One Milvus, and what is asked of it."""

    def __init__(self, address: str, settings: MilvusConfig) -> None:
        """Connect to ``address``, which is absolute where it is a folder.

        Raises:
            UsageError: pymilvus or milvus-lite is not installed.
            DatabaseError: the folder is open in another process or cannot be read.
            NetworkError: nobody answers. AuthError: the token was refused.
        """
        self.address = address
        self._settings = settings
        self._client = _connected(address, settings)
        weakref.finalize(self, _close, self._client, address)

    @property
    def is_embedded(self) -> bool:
        """Whether it is a folder that this process serves to itself."""
        return is_folder(self.address)

    def dim(self, name: str, stamp: str) -> int | None:
        """The length of the vectors of a collection of geonav's, None where there is none.

        Raises:
            DatabaseError: it was made with other settings.
        """
        with faults(self.address):
            if not self._client.has_collection(name, timeout=self._settings.timeout_s):
                return None
            facts = self._client.describe_collection(name, timeout=self._settings.timeout_s)
        if facts.get("description", "") not in {"", _description(stamp)}:
            msg = f"collection {name} at {self.address} was made with other settings: run `geonav index global`"
            raise DatabaseError(msg)
        fields = {field["name"]: field.get("params", {}) for field in facts["fields"]}
        return int(fields.get(_VECTOR, {}).get("dim", 0))

    def create(self, name: str, dim: int, stamp: str) -> None:
        """An empty collection; :meth:`build` makes it ready to be searched."""
        from pymilvus import DataType

        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False, description=_description(stamp))
        schema.add_field(_KEY, DataType.INT64, is_primary=True)
        schema.add_field(_VECTOR, DataType.FLOAT_VECTOR, dim=dim)
        with faults(self.address):
            self._client.create_collection(
                name, schema=schema, consistency_level="Strong", timeout=self._settings.timeout_s
            )

    def build(self, name: str, count: int) -> None:
        """Index the ``count`` rows of a new collection, and load it.

        Raises:
            UsageError: Milvus does not know the type of index that the settings name.
        """
        index_type, options = self._settings.index_type, {}
        if self.is_embedded and index_type == "FLAT" and count >= _FEWEST_IN_CELL:
            # Its FLAT copies all rows for a query; one cell finds the same. It reads what is named params within.
            index_type, options = "IVF_FLAT", {"params": {"nlist": 1}}
        with faults(self.address):
            self._client.flush(name, timeout=_BUILDING_S)
            parameters = self._client.prepare_index_params()
            parameters.add_index(_VECTOR, index_type=index_type, metric_type="IP", params=options)
        with indexing_faults(self.address, self._settings.index_type):
            self._client.create_index(name, parameters, timeout=_BUILDING_S)
        self.load(name)

    def load(self, name: str) -> None:
        """Make a collection ready to be searched."""
        with faults(self.address):
            self._client.load_collection(name, timeout=_BUILDING_S)

    def drop(self, name: str) -> None:
        """Remove a collection, if it is there."""
        with faults(self.address):
            self._client.drop_collection(name, timeout=self._settings.timeout_s)

    def insert(self, name: str, rows: Row, vectors: Vectors) -> None:
        """Add rows as two columns: the client's own ``insert`` would take a dictionary for each row."""
        from pymilvus import DataType

        size = self._rows_at_once(vectors.shape[1])
        for start in range(0, len(rows), size):
            columns = [
                {"name": _KEY, "type": DataType.INT64, "values": rows[start : start + size].tolist()},
                {"name": _VECTOR, "type": DataType.FLOAT_VECTOR, "values": vectors[start : start + size]},
            ]
            with faults(self.address):
                handler = self._client._get_connection()  # no public way takes columns
                handler.batch_insert(name, columns, timeout=max(self._settings.timeout_s, 60.0))

    def delete(self, name: str, rows: Row) -> None:
        """Remove rows by number."""
        for start in range(0, len(rows), _MOST_ROWS):
            self._delete(name, in_rows(rows[start : start + _MOST_ROWS]))

    def delete_from(self, name: str, first: int) -> None:
        """Remove the rows from a number on."""
        self._delete(name, f"{_KEY} >= {first}")

    def _delete(self, name: str, expression: str) -> None:
        with faults(self.address):
            self._client.delete(name, filter=expression, timeout=self._settings.timeout_s)

    def count(self, name: str) -> int:
        """The number of rows."""
        with faults(self.address):
            (answer,) = self._client.query(
                name, filter="", output_fields=["count(*)"], timeout=self._settings.timeout_s
            )
        return int(answer["count(*)"])

    def search(self, name: str, query: Vector, limit: int, expression: str = "") -> Scored:
        """The best rows, at most ``limit``, best first, of those that an expression lets through."""
        with faults(self.address):
            (hits,) = self._client.search(
                name,
                [query],
                limit=limit,
                filter=expression,
                anns_field=_VECTOR,
                timeout=self._settings.timeout_s,
            )
        pairs = [(hit["distance"], hit[_KEY]) for hit in hits]
        scores = np.array([score for score, _ in pairs], np.float32)
        return scores, np.array([row for _, row in pairs], np.int64)

    def vectors(self, name: str, rows: Row, dim: int) -> Vectors:
        """The vectors (N, D) of some rows.

        Raises:
            DatabaseError: one is not there.
        """
        result = np.zeros((len(rows), dim), np.float32)
        size = self._rows_at_once(dim)
        for start in range(0, len(rows), size):
            some = rows[start : start + size]
            with faults(self.address):
                found = self._client.get(
                    name, ids=some.tolist(), output_fields=[_VECTOR], timeout=self._settings.timeout_s
                )
            by_row = {item[_KEY]: item[_VECTOR] for item in found}
            if any(row not in by_row for row in some.tolist()):
                msg = f"collection {name} at {self.address} lacks rows: run `geonav index global`"
                raise DatabaseError(msg)
            result[start : start + size] = [by_row[row] for row in some.tolist()]
        return result

    def _rows_at_once(self, dim: int) -> int:
        return max(1, min(_MOST_ROWS, _BATCH_BYTES // (4 * dim)))


def in_rows(rows: Row) -> str:
    """The expression for some rows; milvus-lite knows no templates, and numbers need no quoting."""
    return f"{_KEY} in [{','.join(map(str, rows.tolist()))}]"


def _description(stamp: str) -> str:
    return f"geonav {stamp}"


_open_stores: weakref.WeakValueDictionary[tuple[str, str, MilvusConfig], Store] = weakref.WeakValueDictionary()


def open_store(address: str, settings: MilvusConfig) -> Store:
    """The store at an address, one for all that use it with the same settings.

    Raises:
        GeonavError: as :class:`Store`.
    """
    token = settings.token.get_secret_value() if settings.token else ""
    key = (address, token, settings.model_copy(update={"uri": None, "token": None}))
    store = _open_stores.get(key)
    if store is None:
        store = _open_stores[key] = Store(address, settings)
    return store


def _connected(address: str, settings: MilvusConfig) -> Any:  # noqa: ANN401 - pymilvus is imported where used
    try:
        from pymilvus import MilvusClient

        if is_folder(address):
            import milvus_lite  # noqa: F401 - pymilvus would end with a message of its own
    except ImportError as error:
        msg = f"an index in Milvus needs {error.name}: pip install 'geonav[milvus]'"
        raise UsageError(msg) from error
    for name in _SILENCED:  # what they report is raised as well
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    token = settings.token.get_secret_value() if settings.token else ""
    with opening_faults(address):
        return MilvusClient(uri=address, token=token, timeout=min(settings.timeout_s, _CONNECTING_S))


def _close(client: Any, address: str) -> None:  # noqa: ANN401 - as above
    """Let go of a connection, and of the folder behind it."""
    client.close()
    if is_folder(address):
        from milvus_lite.server_manager import server_manager_instance

        release: Callable[[str], None] = server_manager_instance.release_server
        release(address)


def absolute(uri: str) -> str:
    """A folder's address from the root on; a server's as it is."""
    return uri if uri.startswith(SCHEMES) else str(Path(uri).expanduser().resolve())


def is_folder(address: str) -> bool:
    """Whether an address is a folder of milvus-lite, there or not."""
    return not address.startswith(SCHEMES)


def is_gone(address: str) -> bool:
    """Whether an address is a folder that is not there; to connect to it would make an empty one."""
    return is_folder(address) and not Path(address).exists()


def make_parents(address: str) -> None:
    """Make the folders above a folder of milvus-lite, which it does not do itself.

    Raises:
        StorageError: the disk is full, read-only or not permitted.
    """
    if is_folder(address):
        with storage_errors(Path(address)):
            Path(address).parent.mkdir(parents=True, exist_ok=True)
