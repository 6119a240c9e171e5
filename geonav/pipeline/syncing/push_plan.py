"""What a push must send: a database compared with what is on the remote, bucket by bucket."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from geonav.pipeline.syncing.packing import sha256_of_file
from geonav.pipeline.syncing.rows import BUCKETS, FileRow
from geonav.pipeline.syncing.snapshot import Rows, Snapshot
from geonav.pipeline.syncing.state import SyncState
from geonav.pipeline.syncing.store import StoredObject
from geonav.pipeline.syncing.tree import Files, Tree

# A pack is replaced by new ones once less than this share of it is of files that are still there.
_LEAST_LIVE = 0.5
_UNITS_PER_BUCKET = 1000


@dataclass(frozen=True)
class Known:
    """What a push knows before it reads a file.

    Attributes:
        remote: the newest generation, None where there is none.
        observed: the generation that this database was last pushed to or pulled from, None where it is not known.
        state: the memory of the remote, with what an interrupted push left.
        present: packs on the remote by key; filled only where an interrupted push left something.
        trusts_times: whether a file of the same size and time of change is taken for unchanged.
    """

    remote: Snapshot | None
    observed: Snapshot | None
    state: SyncState
    present: Mapping[str, StoredObject]
    trusts_times: bool = True


class Bucket:
    """One bucket's files here and there."""

    def __init__(self, number: int, buckets: int, local: Files, known: Known) -> None:
        self.local = local
        self.remote: Rows = known.remote.rows(number, buckets) if known.remote else {}
        is_same = known.observed is not None and known.observed is known.remote
        seen = self.remote if is_same else known.observed.rows(number, buckets) if known.observed else {}
        self._journal = known.state.journal(number, buckets, known.present) if known.present else {}
        self._seen = (seen, self._journal) if known.trusts_times else ()

    def known_sha256(self, path: str) -> str | None:
        """The hash of a file here, if it was read before and is the same by size and time of change."""
        for rows in self._seen:
            row = rows.get(path)
            if row is not None and row.is_same_file(self.local[path]):
                return row.sha256
        return None

    def stored(self, path: str, sha256: str, without: Collection[str]) -> FileRow | None:
        """The row of a file here whose bytes are on the remote, in other packs than ``without``."""
        state = self.local[path]
        for rows in (self.remote, self._journal):
            row = rows.get(path)
            if row is not None and (row.sha256, row.size) == (sha256, state.st_size) and not _uses(row, without):
                return FileRow(path, state.st_size, state.st_mtime_ns, sha256, row.segments)
        return None

    def might_be_stored(self, path: str, state: os.stat_result) -> bool:
        """Whether reading a file of unknown hash may show that it need not be sent."""
        return any(path in rows and rows[path].size == state.st_size for rows in (self.remote, self._journal))


@dataclass
class PushPlan:
    """What is to be done, in counts.

    Attributes:
        buckets: how many buckets files fall into from now on.
        changed: the buckets whose shard is written anew.
        files: how many are read, and sent unless reading shows that they are there.
        bytes: of those.
        gone: files of the remote that are no more here.
        bad_packs: packs that are replaced: damaged, or mostly of files that are gone.
    """

    buckets: int
    changed: set[int] = field(default_factory=set)
    files: int = 0
    bytes: int = 0
    gone: int = 0
    bad_packs: set[str] = field(default_factory=set)


def plan_push(tree: Tree, known: Known, damaged: Collection[str] = ()) -> PushPlan:
    """Compare without reading any file's content.

    Args:
        tree: the database's files.
        known: what is on the remote.
        damaged: packs that must be replaced.
    """
    plan = PushPlan(_bucket_count(len(tree), known.remote), bad_packs=set(damaged))
    live: Counter[str] = Counter()
    used_by: dict[str, set[int]] = {}
    for number, units in enumerate(tree.by_bucket(plan.buckets)):
        bucket = Bucket(number, plan.buckets, tree.files(units), known)
        is_cut_anew = known.remote is None or known.remote.root.buckets != plan.buckets
        gone = sum(path not in bucket.local for path in bucket.remote)
        plan.gone += gone
        if gone or is_cut_anew:
            plan.changed.add(number)
        for path, state in bucket.local.items():
            sha256 = bucket.known_sha256(path)
            row = None if sha256 is None else bucket.stored(path, sha256, plan.bad_packs)
            if row is None:
                plan.files += 1
                plan.bytes += state.st_size
            if row is None or row != bucket.remote.get(path):
                plan.changed.add(number)
            for part in row.segments if row is not None else ():
                live[part.pack] += part.length
                used_by.setdefault(part.pack, set()).add(number)
    _replace_wasteful(plan, known.remote, live, used_by)
    return plan


def file_row(folder: Path, path: str, bucket: Bucket, without: Collection[str]) -> FileRow | None:
    """The row of a file whose bytes are on the remote already, None if they must be sent; reads it if need be."""
    sha256 = bucket.known_sha256(path)
    if sha256 is None and bucket.might_be_stored(path, bucket.local[path]):
        sha256 = sha256_of_file(folder / path)
    return None if sha256 is None else bucket.stored(path, sha256, without)


def _replace_wasteful(
    plan: PushPlan, remote: Snapshot | None, live: Mapping[str, int], used_by: Mapping[str, set[int]]
) -> None:
    for pack, size in (remote.pack_bytes if remote else {}).items():
        if 0 < live.get(pack, 0) < _LEAST_LIVE * size:
            plan.bad_packs.add(pack)
            plan.bytes += live[pack]
            plan.changed |= used_by[pack]


def _uses(row: FileRow, packs: Collection[str]) -> bool:
    return any(part.pack in packs for part in row.segments)


def _bucket_count(units: int, remote: Snapshot | None) -> int:
    """As many as give each about a thousand entries; those of the remote while they are not far off."""
    own = remote.root.buckets if remote else 1
    while own < BUCKETS and units > 2 * _UNITS_PER_BUCKET * own:
        own *= 2
    while own > 1 and units < _UNITS_PER_BUCKET * own / 4:
        own //= 2
    return own
