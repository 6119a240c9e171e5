"""What a pull must do: a remote compared with what is here, bucket by bucket.

Of each file there are up to three states: here, on the remote, and when both were last alike. What differs here from
the last of these is the user's and is never overwritten or removed unasked.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.pipeline.syncing.packing import sha256_of_file
from geonav.pipeline.syncing.rows import FileRow
from geonav.pipeline.syncing.snapshot import Rows, Snapshot
from geonav.pipeline.syncing.state import SyncState
from geonav.pipeline.syncing.tree import Files, Tree

_MOST_NAMED = 1000


@dataclass
class BucketPlan:
    """What is to be done in one bucket: paths to fetch, to give another time of change, and to remove."""

    fetch: list[str] = field(default_factory=list)
    touch: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)


@dataclass
class PullPlan:
    """What is to be done, in counts; the paths themselves are noted on disk.

    Attributes:
        changed: buckets in which something is to be done.
        files: how many are fetched.
        num_bytes: of those, without what an interrupted pull fetched.
        removed: files that the remote removed, or that ``--delete`` removes.
        only_here: files that stay although the remote does not have them.
        conflicts: some of the files that changed here and differ from the remote.
        num_conflicts: how many there are.
        is_resumed: whether an interrupted pull left files.
    """

    changed: list[int] = field(default_factory=list)
    files: int = 0
    num_bytes: int = 0
    removed: int = 0
    only_here: int = 0
    conflicts: list[str] = field(default_factory=list)
    num_conflicts: int = 0
    is_resumed: bool = False

    def add_conflict(self, path: str) -> None:
        """Note a file that must not be overwritten."""
        self.num_conflicts += 1
        if len(self.conflicts) < _MOST_NAMED:
            self.conflicts.append(path)


@dataclass(frozen=True)
class Comparison:
    """What is compared, and how.

    Attributes:
        tree: the files here.
        remote: the files there.
        seen: generations whose files were put here by a push or pull before.
        state: keeps the plan.
        trusts_times: whether a file of the same size and time of change is taken for unchanged.
        force: overwrite what changed here.
        delete: remove what the remote does not have.
    """

    tree: Tree
    remote: Snapshot
    seen: Sequence[Snapshot]
    state: SyncState
    trusts_times: bool
    force: bool
    delete: bool


class _Local:
    """A file here; read only where its size and time of change do not say what it is."""

    def __init__(self, file: Path, state: os.stat_result, seen: list[FileRow], *, trusts_times: bool) -> None:
        self._file = file
        self._state = state
        self._seen = seen
        self._trusts_times = trusts_times

    @cached_property
    def sha256(self) -> str:
        known = (row.sha256 for row in self._seen if self._trusts_times and row.is_same_file(self._state))
        return next(known, None) or sha256_of_file(self._file)

    def equals(self, row: FileRow) -> bool:
        return row.size == self._state.st_size and row.sha256 == self.sha256

    @property
    def is_as_seen(self) -> bool:
        """Whether a push or pull left it as it is."""
        return any(self.equals(row) for row in self._seen)


def plan_pull(given: Comparison, on_progress: OnProgress | None = None) -> PullPlan:
    """Compare; what is to be done is noted by ``given.state``.

    Raises:
        DatabaseError: a list of files is damaged.
    """
    plan = PullPlan(is_resumed=given.state.has_staged())
    buckets = given.remote.root.buckets
    for number, units in enumerate(given.tree.by_bucket(buckets)):
        rows = given.remote.rows(number, buckets)
        seen = [snapshot.rows(number, buckets) for snapshot in given.seen]
        local = given.tree.files(units)
        done = _plan_bucket(given, rows, local, seen, plan)
        if done.fetch or done.touch or done.remove:
            plan.changed.append(number)
            given.state.write_plan(number, {"fetch": done.fetch, "touch": done.touch, "remove": done.remove})
        announce(on_progress, ProgressEvent("compare", number + 1, buckets, ""))
    return plan


def _plan_bucket(given: Comparison, rows: Rows, local: Files, seen: list[Rows], plan: PullPlan) -> BucketPlan:
    done = BucketPlan()
    here = {
        path: _Local(
            given.tree.folder / path, state, [r[path] for r in seen if path in r], trusts_times=given.trusts_times
        )
        for path, state in local.items()
    }
    for path, row in rows.items():
        if path in here and here[path].equals(row):
            if local[path].st_mtime_ns != row.mtime_ns:
                done.touch.append(path)
        elif path in here and not (given.force or here[path].is_as_seen):
            plan.add_conflict(path)
        else:
            done.fetch.append(path)
            plan.files += 1
            plan.num_bytes += 0 if plan.is_resumed and given.state.is_staged(row) else row.size
    staying = set()
    for path, file in here.items():
        if path not in rows:
            if given.delete or file.is_as_seen:
                done.remove.append(path)
                plan.removed += 1
            else:
                staying.add(path)
    plan.only_here += len(staying)
    _find_files_in_the_way(rows, staying, plan)
    return done


def _find_files_in_the_way(rows: Rows, staying: set[str], plan: PullPlan) -> None:
    """Files that stay here where the remote has a folder, or in a folder where the remote has a file."""
    for path in staying:
        if any(parent in rows for parent in _parents(path)):
            plan.add_conflict(path)
    if staying:
        for path in {parent for row in rows for parent in _parents(row)} & staying:
            plan.add_conflict(path)


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
