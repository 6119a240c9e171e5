"""The manifest's file: opened, given its tables, and its errors turned into one line."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geonav.data.files import storage_errors
from geonav.errors import DatabaseError, StorageError

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS queries (
    provider TEXT, key TEXT, lat REAL, lng REAL, radius_m REAL, box TEXT,
    status TEXT NOT NULL, reason TEXT, attempts INTEGER NOT NULL, updated_at TEXT NOT NULL,
    PRIMARY KEY (provider, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS finds (
    provider TEXT, pano_id TEXT, key TEXT, PRIMARY KEY (provider, pano_id, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS finds_by_query ON finds (provider, key);
CREATE TABLE IF NOT EXISTS panoramas (
    provider TEXT, pano_id TEXT, lat REAL NOT NULL, lng REAL NOT NULL, captured_at TEXT, record TEXT NOT NULL,
    is_stale INTEGER NOT NULL, is_gone INTEGER NOT NULL,
    height_status TEXT, height_reason TEXT, height_attempts INTEGER NOT NULL, height_batch INTEGER,
    ground_m REAL, ground_datum TEXT, ground_source TEXT, updated_at TEXT NOT NULL,
    PRIMARY KEY (provider, pano_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS views (
    provider TEXT, pano_id TEXT, view INTEGER, azimuth_deg REAL, pitch_deg REAL, fov_deg REAL,
    width INTEGER, height INTEGER, status TEXT NOT NULL, reason TEXT, attempts INTEGER NOT NULL,
    uid TEXT NOT NULL UNIQUE, stamp TEXT, is_refresh INTEGER NOT NULL, updated_at TEXT NOT NULL,
    PRIMARY KEY (provider, pano_id, view)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS views_by_status ON views (provider, status);
CREATE TABLE IF NOT EXISTS spend (
    month TEXT, sku TEXT, calls INTEGER NOT NULL, PRIMARY KEY (month, sku)) WITHOUT ROWID;
"""


class Connection(sqlite3.Connection):
    """A connection whose statements raise geonav's errors."""

    path: Path

    def execute(self, *arguments: Any) -> sqlite3.Cursor:  # noqa: ANN401 - as sqlite3 types it
        """Run one statement."""
        with _sqlite_errors(self.path):
            return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:  # noqa: ANN401 - as sqlite3 types it
        """Run one statement for many rows."""
        with _sqlite_errors(self.path):
            return super().executemany(*arguments)


def connect(path: Path, *, read_only: bool, is_share: bool = False) -> Connection:
    """Open the file, with its tables; that of a share is written so that another machine may go on with it.

    Raises:
        DatabaseError: the file is broken or of a newer geonav.
        StorageError: it cannot be written.
    """
    with _sqlite_errors(path):
        connection = _to_read(path) if read_only else _to_write(path, is_share=is_share)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        connection.close()
        msg = f"{path} has tables of version {version}, this geonav those of {SCHEMA_VERSION}: update geonav"
        raise DatabaseError(msg)
    return connection


def _to_write(path: Path, *, is_share: bool) -> Connection:
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    connection = _connection(path, str(path))
    # A log beside the file is faster, and for one machine alone.
    connection.execute(f"PRAGMA journal_mode = {'DELETE' if is_share else 'WAL'}")
    # A killed process loses nothing that was committed; a power cut may lose the last moments, never break the file.
    connection.execute("PRAGMA synchronous = NORMAL")
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    return connection


def _to_read(path: Path) -> Connection:
    address = path.resolve().as_uri()
    try:
        connection = _connection(path, f"{address}?mode=ro")
        connection.execute("PRAGMA user_version").fetchone()
    except StorageError:
        # Where the folder cannot be written, sqlite cannot make the file that readers share.
        connection = _connection(path, f"{address}?immutable=1")
    return connection


def _connection(path: Path, address: str) -> Connection:
    connection = sqlite3.connect(address, uri=address.startswith("file:"), isolation_level=None, factory=Connection)
    connection.path = path
    return connection


@contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            msg = f"{path} is being written by another process: wait for it or stop it, then run again"
            raise DatabaseError(msg) from error
        msg = (
            f"cannot write {path}: {error}; free some space or make the folder writable and run the command again"
            " (nothing already stored is lost)"
        )
        raise StorageError(msg) from error
    except sqlite3.DatabaseError as error:
        msg = f"{path} is broken ({error}): restore it, or delete it and fetch again; entries stay"
        raise DatabaseError(msg) from error
