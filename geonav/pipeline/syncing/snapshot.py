"""One generation's files, read shard by shard, so that a database of any size passes through little memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from geonav.pipeline.syncing.root import Root, ShardEntry
from geonav.pipeline.syncing.rows import FileRow, bucket_of, unit_of
from geonav.pipeline.syncing.shard import Shard, decode

Rows = dict[str, FileRow]
_KEPT_SHARDS = 4
PACKS, SHARDS, GENERATIONS = "packs", "shards", "generations"


def pack_key(pack: str) -> str:
    """The key of a pack."""
    return f"{PACKS}/{pack}"


def shard_key(sha256: str) -> str:
    """The key of a shard."""
    return f"{SHARDS}/{sha256}"


def generation_key(generation: int) -> str:
    """The key of a root; keys sort as generations do."""
    return f"{GENERATIONS}/{generation:010d}.json"


class Snapshot:
    """The files that a root names."""

    def __init__(self, root: Root, read: Callable[[str], bytes]) -> None:
        """``read`` gives the content of a shard, of which it has checked the hash."""
        self.root = root
        self.pack_bytes: dict[str, int] = {}
        self._read = read
        self._kept: OrderedDict[int, Shard] = OrderedDict()

    def rows(self, bucket: int, buckets: int) -> Rows:
        """The files of one of ``buckets`` buckets, however many there were when they were pushed.

        Raises:
            DatabaseError: a shard is broken.
            MissingError: a shard is missing.
        """
        own = self.root.buckets
        if buckets == own:
            return dict(self._shard(bucket).rows)
        found: Rows = {}
        # Both are powers of two: one of many lies in one of few, and one of few is made of several of many.
        for number in range(bucket & (own - 1), own, min(own, buckets)):
            rows = self._shard(number).rows
            found |= {path: row for path, row in rows.items() if bucket_of(unit_of(path), buckets) == bucket}
        return found

    def entry(self, bucket: int, buckets: int) -> ShardEntry | None:
        """The shard of a bucket, if shards are cut the same way."""
        return self.root.shards[bucket] if buckets == self.root.buckets else None

    def _shard(self, number: int) -> Shard:
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        entry = self.root.shards[number]
        shard = Shard({}, {})
        if entry is not None:
            shard = decode(self._read(entry.sha256), shard_key(entry.sha256), number, self.root.buckets)
        self.pack_bytes |= shard.pack_bytes
        self._kept[number] = shard
        if len(self._kept) > _KEPT_SHARDS:
            self._kept.popitem(last=False)
        return shard
