"""Manifests of shares (``--shard``): each writes a file of its own, which the next writer of everything takes over.

SQLite files cannot be written by several machines, so a share works on a copy of the manifest as it was when no share
was at work. In it, it changes the rows of its own share alone: queries by their key, heights by the square of a
thousandth of a degree that a panorama lies in, so that neighbours stay together, and views by their panorama. Taking
over is therefore copying these rows; panoramas that several shares found are brought together like those that several
queries find.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from geonav.data.files import TEMPORARY_PREFIX, storage_errors
from geonav.data.manifest_file import Connection, connect
from geonav.data.manifest_rows import panorama_from_json
from geonav.data.shards import Shard
from geonav.data.survey import Panorama

_PATTERN = "manifest-*-of-*.sqlite"
_CELLS_PER_DEG = 1000
Store = Callable[[Panorama], None]


def cell_of(lat: float, lng: float) -> str:
    """Name of the square that a place lies in."""
    return f"{round(lat * _CELLS_PER_DEG)} {round(lng * _CELLS_PER_DEG)}"


def panorama_name(provider: str, pano_id: str) -> str:
    """By which a panorama belongs to a share."""
    return f"{provider} {pano_id}"


def connect_share(path: Path, shard: Shard) -> Connection:
    """Open the manifest of a share, made after the one at ``path`` where there is none yet.

    Raises:
        DatabaseError: a file is broken.
        StorageError: the folder cannot be written.
    """
    own = path.with_name(f"{path.stem}-{shard.label}.sqlite")
    if not own.exists():
        draft = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}")
        _copy(path, draft)
        with storage_errors(own):
            draft.replace(own)
    return connect(own, read_only=False, is_share=True)


def _copy(path: Path, draft: Path) -> None:
    made = connect(draft, read_only=False, is_share=True)
    try:
        if path.exists():
            source = connect(path, read_only=True)
            try:
                source.backup(made)
            finally:
                source.close()
            made.execute("PRAGMA journal_mode = DELETE")
        made.execute("CREATE TABLE IF NOT EXISTS spend_before AS SELECT * FROM spend")
        made.execute("CREATE TABLE share_of (token TEXT)")
        made.execute("INSERT INTO share_of VALUES (?)", (secrets.token_hex(8),))
    finally:
        made.close()


def take_over(path: Path, connection: sqlite3.Connection, store: Store) -> None:
    """Bring what shares wrote into the manifest, and remove their files; hold the database's lock.

    A run that is killed on the way leaves a share taken over whole or not at all, and paid calls are counted once.

    Args:
        path: of the manifest.
        connection: to it.
        store: adds a panorama to it that a query found.
    """
    for part in sorted(path.parent.glob(_PATTERN)):
        shard = Shard.parse(part.stem.removeprefix(f"{path.stem}-").replace("-of-", "/"))
        connection.create_function("holds", 1, shard.holds, deterministic=True)
        connection.create_function("cell_of", 2, cell_of, deterministic=True)
        connection.create_function("panorama_name", 2, panorama_name, deterministic=True)
        connection.execute("ATTACH ? AS part", (str(part),))
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                _take_over_one(connection, store)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        finally:
            connection.execute("DETACH part")
        for name in (part, part.with_name(f"{part.name}-journal")):
            with suppress(OSError):
                name.unlink(missing_ok=True)


def _take_over_one(connection: sqlite3.Connection, store: Store) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS shares (token TEXT PRIMARY KEY) WITHOUT ROWID")
    token = connection.execute("SELECT token FROM part.share_of").fetchone()[0]
    if connection.execute("SELECT 1 FROM shares WHERE token = ?", (token,)).fetchone():
        return  # killed between this and removing the file
    connection.execute("INSERT INTO shares VALUES (?)", (token,))
    _take_queries(connection, store)
    _take_heights(connection)
    connection.execute(
        "INSERT OR REPLACE INTO main.views SELECT * FROM part.views WHERE holds(panorama_name(provider, pano_id))"
    )
    connection.execute(
        "INSERT INTO main.spend SELECT month, sku, calls - coalesce((SELECT calls FROM part.spend_before AS before"
        " WHERE before.month = now.month AND before.sku = now.sku), 0) FROM part.spend AS now WHERE true"
        " ON CONFLICT (month, sku) DO UPDATE SET calls = calls + excluded.calls"
    )


def _take_queries(connection: sqlite3.Connection, store: Store) -> None:
    found = connection.execute(
        "SELECT DISTINCT panoramas.record FROM part.panoramas AS panoramas JOIN part.finds AS finds"
        " USING (provider, pano_id) WHERE holds(finds.key) ORDER BY provider, pano_id"
    ).fetchall()
    for (record,) in found:
        store(panorama_from_json(record))
    connection.execute("INSERT OR REPLACE INTO main.queries SELECT * FROM part.queries WHERE holds(key)")
    connection.execute("DELETE FROM main.finds WHERE holds(key)")
    connection.execute("INSERT INTO main.finds SELECT * FROM part.finds WHERE holds(key)")


def _take_heights(connection: sqlite3.Connection) -> None:
    connection.execute(
        "UPDATE main.panoramas AS old SET height_status = new.height_status, height_reason = new.height_reason,"
        " height_attempts = new.height_attempts, height_batch = NULL, ground_m = new.ground_m,"
        " ground_datum = new.ground_datum, ground_source = new.ground_source, updated_at = new.updated_at"
        " FROM part.panoramas AS new WHERE new.provider = old.provider AND new.pano_id = old.pano_id"
        " AND new.height_attempts > old.height_attempts AND holds(cell_of(new.lat, new.lng))"
    )
