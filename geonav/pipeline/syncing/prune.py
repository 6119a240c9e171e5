"""Removing from a remote what nobody can need any more.

A generation may still be pulled until ``keep_days`` after the next one came; later it is removed, and with it the packs
and shards that no remaining generation names. An object younger than that may belong to a push that is under way and is
left alone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from geonav.errors import MissingError
from geonav.pipeline.syncing import root
from geonav.pipeline.syncing.remote import generations
from geonav.pipeline.syncing.root import Root
from geonav.pipeline.syncing.rows import FileRow
from geonav.pipeline.syncing.snapshot import PACKS, SHARDS, Snapshot, generation_key, pack_key, shard_key
from geonav.pipeline.syncing.state import SyncState
from geonav.pipeline.syncing.store import ObjectStore, StoredObject


def prune(store: ObjectStore, state: SyncState, keep_days: float) -> int:
    """Remove what no generation of the last ``keep_days`` needs; how many objects that were.

    Raises:
        DatabaseError: a generation cannot be read.
        NetworkError: the remote failed again and again.
        AuthError: nothing may be removed.
    """
    oldest = datetime.now(UTC) - timedelta(days=keep_days)
    kept, gone = _sorted_generations(store, oldest)
    needed: set[str] = set()
    for each in kept:
        needed |= _objects_of(each, state)
    stored = {**store.list(PACKS), **store.list(SHARDS)}
    unused = [key for key, item in stored.items() if key not in needed and _is_old(item, oldest)]
    # Roots go first: whoever finds one finds all that it names.
    store.remove([generation_key(number) for number in gone])
    store.remove(unused)
    return len(gone) + len(unused)


def _sorted_generations(store: ObjectStore, oldest: datetime) -> tuple[list[Root], list[int]]:
    """Generations that may be pulled, and the numbers of those that need not be any more."""
    kept: list[Root] = []
    gone: list[int] = []
    superseded: datetime | None = None
    for number in reversed(generations(store)):
        key = generation_key(number)
        if superseded is not None and superseded <= oldest:
            gone.append(number)
            continue
        try:
            found = Root.decode(store.get(key, root.MOST_BYTES), store.name_of(key))
        except MissingError:  # another prune was faster
            continue
        kept.append(found)
        superseded = found.created
    return kept, gone


def _objects_of(found: Root, state: SyncState) -> set[str]:
    snapshot = Snapshot(found, state.read_shard)
    keys = {shard_key(entry.sha256) for entry in found.shards if entry}
    for number in range(found.buckets):
        keys |= {key for row in snapshot.rows(number, found.buckets).values() for key in _packs(row)}
    return keys


def _packs(row: FileRow) -> list[str]:
    return [pack_key(part.pack) for part in row.segments]


def _is_old(item: StoredObject, oldest: datetime) -> bool:
    return item.changed is not None and item.changed <= oldest
