"""The shards of the generation that a push makes, each given out as soon as all of its files have their places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from geonav.pipeline.syncing.packing import Upload
from geonav.pipeline.syncing.push_plan import Known, PushPlan
from geonav.pipeline.syncing.root import ShardEntry
from geonav.pipeline.syncing.rows import FileRow, bucket_of, unit_of
from geonav.pipeline.syncing.shard import encode, sha256_of
from geonav.pipeline.syncing.snapshot import shard_key
from geonav.pipeline.syncing.state import SyncState


class Assembly:
    """Collects rows of the changed buckets; the others keep the shards that the generation before has."""

    def __init__(self, known: Known, plan: PushPlan, state: SyncState) -> None:
        self.pack_bytes = {key.rpartition("/")[2]: stored.size for key, stored in known.present.items()}
        if known.remote is not None:
            self.pack_bytes |= known.remote.pack_bytes
        self.used_packs: set[str] = set()
        self._buckets = plan.buckets
        self._state = state
        self._rows: dict[int, list[FileRow]] = {}
        self._counts: dict[int, int] = {}
        remote = known.remote
        kept = [remote.entry(number, plan.buckets) if remote else None for number in range(plan.buckets)]
        self._there = {entry.sha256 for entry in kept if entry}
        self._shards = [None if number in plan.changed else entry for number, entry in enumerate(kept)]

    @property
    def num_waiting(self) -> int:
        """How many buckets wait for places of files."""
        return len(self._rows)

    def begin(self, bucket: int, count: int) -> None:
        """Expect ``count`` rows of a bucket."""
        if count:
            self._rows[bucket], self._counts[bucket] = [], count

    def add(self, rows: Iterable[FileRow]) -> Iterator[Upload]:
        """Take rows; gives the shards that are complete by that, unless they are on the remote already."""
        for row in rows:
            bucket = bucket_of(unit_of(row.path), self._buckets)
            self._rows[bucket].append(row)
            if len(self._rows[bucket]) == self._counts[bucket]:
                yield from self._complete(bucket, self._rows.pop(bucket))

    def shards(self) -> tuple[ShardEntry | None, ...]:
        """All shards, once every bucket is complete."""
        return tuple(self._shards)

    def _complete(self, bucket: int, rows: list[FileRow]) -> Iterator[Upload]:
        self.used_packs |= {part.pack for row in rows for part in row.segments}
        content = encode(rows, self.pack_bytes)
        sha256 = sha256_of(content)
        self._shards[bucket] = ShardEntry(sha256, len(rows), sum(row.size for row in rows))
        self._state.keep_shard(sha256, content)
        if sha256 not in self._there:
            yield Upload(shard_key(sha256), content)
