"""The manifest: what was asked of providers, what came of it, and what it cost; a SQLite file in the database.

It holds a row a query, a panorama, a view, and a month of spend. What the rows say does not depend on the order in
which answers came, nor on how often a run was killed on the way: rows have no numbers of their own, a panorama that
several queries find is stored the same whichever came first, and time comes from :data:`clock` alone. One process
writes, under the database's lock, from one thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from geonav.data.database import OWN_FOLDER, Database
from geonav.data.manifest_file import connect
from geonav.data.manifest_rows import Ground, Status, StoredPanorama, StoredQuery, panorama_from_json
from geonav.data.manifest_shards import connect_share, take_over
from geonav.data.manifest_tables import HeightTable, SearchTable
from geonav.data.manifest_views import SpendTable, ViewTable
from geonav.data.shards import Shard
from geonav.errors import DatabaseError

__all__ = ["Ground", "Manifest", "Status", "StoredPanorama", "StoredQuery", "clock", "manifest_path"]

_PAGE_ROWS = 500


def clock() -> datetime:
    """The time that rows are stamped with; replaced as a whole to stop it."""
    return datetime.now(UTC)


def manifest_path(database: Database | Path) -> Path:
    """The manifest's file, whether or not it is there yet."""
    folder = database.path if isinstance(database, Database) else Path(database)
    return folder / OWN_FOLDER / "manifest.sqlite"


class Manifest:
    """The open file; made by :meth:`open`, and closed by ``with``.

    Attributes:
        searches: the queries and the panoramas they found.
        heights: the ground's height below panoramas.
        views: the pictures.
        spend: paid calls by month.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, now: Callable[[], datetime] | None) -> None:
        self.path = path
        self._connection = connection
        self._now = now
        self.searches = SearchTable(connection, self._timestamp)
        self.heights = HeightTable(connection, self._timestamp)
        self.views = ViewTable(connection, self._timestamp)
        self.spend = SpendTable(connection, self._timestamp)

    @classmethod
    def open(
        cls,
        database: Database | Path,
        *,
        read_only: bool = False,
        now: Callable[[], datetime] | None = None,
        shard: Shard | None = None,
    ) -> Self:
        """Open the manifest of a database, made if there is none; who writes it takes over what shares wrote.

        Args:
            database: the database or its folder.
            read_only: neither make nor change it.
            now: gives the time instead of :func:`clock`.
            shard: open the manifest of this share instead.

        Raises:
            DatabaseError: there is none to read, or it is broken or of a newer geonav.
            StorageError: the database cannot be written.
        """
        path = manifest_path(database)
        if read_only and not path.exists():
            msg = f"nothing was fetched into {path.parent.parent} yet: start with 'geonav fetch metadata'"
            raise DatabaseError(msg)
        if shard is not None:
            return cls(path, connect_share(path, shard), now)
        manifest = cls(path, connect(path, read_only=read_only), now)
        if not read_only:
            take_over(path, manifest._connection, manifest.searches.store)
        return manifest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what is in no finished transaction is dropped."""
        self._connection.close()

    def now(self) -> datetime:
        """The time rows are stamped with, in UTC."""
        return (self._now or clock)()

    def _timestamp(self) -> str:
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is stored together or, when anything fails or the process ends, not at all.

        Raises:
            StorageError: the disk is full, read-only or not permitted.
            DatabaseError: the file is broken.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk ends it by itself
                self._connection.execute("ROLLBACK")
            raise

    def panoramas(self, provider: str | None = None) -> Iterator[StoredPanorama]:
        """All panoramas with their views, by provider and id; may be written while it is read."""
        last = ("", "")
        while True:
            rows = self._connection.execute(
                "SELECT provider, pano_id, record, is_gone, height_status, ground_m, ground_datum, ground_source"
                " FROM panoramas WHERE (provider, pano_id) > (?, ?) AND provider = coalesce(?, provider)"
                " ORDER BY provider, pano_id LIMIT ?",
                (*last, provider, _PAGE_ROWS),
            ).fetchall()
            if not rows:
                return
            before, last = last, rows[-1][:2]
            views = self.views.between(before, last)
            for name, pano_id, record, is_gone, height_status, *ground in rows:
                yield StoredPanorama(
                    panorama=panorama_from_json(record),
                    is_gone=bool(is_gone),
                    height_status=None if height_status is None else Status(height_status),
                    ground=None if ground[0] is None else Ground(*ground),
                    views=tuple(views.get((name, pano_id), ())),
                )
