"""Finding objects of a remote that are damaged or missing: every one is named by the hash of its content."""

from __future__ import annotations

from dataclasses import dataclass, replace

from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.errors import DatabaseError, MissingError, NetworkError
from geonav.pipeline.syncing import shard
from geonav.pipeline.syncing.root import Root, ShardEntry
from geonav.pipeline.syncing.rows import LONGEST_SEGMENT
from geonav.pipeline.syncing.snapshot import Snapshot, pack_key, shard_key
from geonav.pipeline.syncing.state import SyncState
from geonav.pipeline.syncing.store import ObjectStore
from geonav.pipeline.threads import ahead


@dataclass(frozen=True)
class Damage:
    """What is wrong with a generation.

    Attributes:
        root: of the generation, without the shards that are lost.
        packs: that are damaged or missing.
        count: of all such objects.
    """

    root: Root
    packs: set[str]
    count: int


def find_damage(
    store: ObjectStore, state: SyncState, root: Root, workers: int, on_progress: OnProgress | None = None
) -> Damage:
    """Read every object that a generation names; a damaged shard of which there is a copy here is mended.

    Raises:
        NetworkError: the remote failed again and again.
        AuthError: it may not be read.
    """
    entries: list[ShardEntry | None] = []
    count = 0
    for entry in root.shards:
        is_whole = entry is None or _is_whole(store, shard_key(entry.sha256), entry.sha256, shard.MOST_BYTES)
        count += not is_whole
        entries.append(entry if is_whole or entry is None else _mended(store, state, entry))
    rest = replace(root, shards=tuple(entries))
    snapshot = Snapshot(rest, state.read_shard)
    named = {
        part.pack
        for number in range(rest.buckets)
        for row in snapshot.rows(number, rest.buckets).values()
        for part in row.segments
    }
    packs = sorted(named)
    checks = ahead(
        lambda pack: _is_whole(store, pack_key(pack), pack, LONGEST_SEGMENT), packs, depth=workers, workers=workers
    )
    damaged: set[str] = set()
    for done, (pack, is_whole) in enumerate(zip(packs, checks, strict=True), start=1):
        damaged |= set() if is_whole else {pack}
        announce(on_progress, ProgressEvent("check", done, len(packs), pack[:12]))
    return Damage(rest, damaged, count + len(damaged))


def _is_whole(store: ObjectStore, key: str, sha256: str, most_bytes: int) -> bool:
    try:
        return shard.sha256_of(store.get(key, most_bytes)) == sha256
    except (MissingError, DatabaseError):
        return False


def _mended(store: ObjectStore, state: SyncState, entry: ShardEntry) -> ShardEntry | None:
    """Write a shard again; None where no copy of it is here, so that its files are sent as if new."""
    try:
        content = state.read_shard(entry.sha256)
    except (DatabaseError, NetworkError):
        return None
    store.put(shard_key(entry.sha256), content)
    return entry
