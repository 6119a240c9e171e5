"""``geonav database pull``: make a database what a remote holds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from geonav.config import GeonavConfig
from geonav.data.database import OWN_FOLDER, Database
from geonav.data.database_settings import DatabaseSettings
from geonav.data.half_pulled import HalfPulled
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.errors import DatabaseError, InputError, StorageError
from geonav.pipeline.syncing.address import Address
from geonav.pipeline.syncing.apply import place_files, remove_files, touch_files
from geonav.pipeline.syncing.fetch import fetch_files
from geonav.pipeline.syncing.pull_plan import Comparison, PullPlan, plan_pull
from geonav.pipeline.syncing.push import refuse_nested
from geonav.pipeline.syncing.remote import Head, newest, settle_pending
from geonav.pipeline.syncing.rows import FileRow
from geonav.pipeline.syncing.shard import sha256_of
from geonav.pipeline.syncing.snapshot import Snapshot
from geonav.pipeline.syncing.state import SyncState
from geonav.pipeline.syncing.store import ObjectStore
from geonav.pipeline.syncing.tree import Tree, settle_manifest

_NAMED = 3


@dataclass(frozen=True)
class PullOptions:
    """How to pull.

    Attributes:
        checksum: read every file here, whatever its size and time of change say.
        delete: remove files that the remote does not have, also those that only ever were here.
        force: overwrite files that changed here and differ from the remote.
        dry_run: only compare.
    """

    checksum: bool = False
    delete: bool = False
    force: bool = False
    dry_run: bool = False


@dataclass
class PullReport:
    """What a pull did, or, where ``is_dry_run``, would do.

    Attributes:
        remote: address, without keys.
        generation: that was pulled.
        files: of the remote.
        bytes: of those.
        fetched_files: that were new or other here.
        fetched_bytes: read from the remote, lists of files included.
        removed: files that were removed here.
        only_here: files that the remote does not have, and that stay.
        requests: calls made.
        is_dry_run: whether nothing was fetched.
    """

    remote: str
    generation: int
    files: int
    bytes: int
    fetched_files: int = 0
    fetched_bytes: int = 0
    removed: int = 0
    only_here: int = 0
    requests: int = 0
    is_dry_run: bool = False


@dataclass
class _Pull:
    """One pull under way."""

    folder: Path
    config: GeonavConfig
    options: PullOptions
    on_progress: OnProgress | None
    store: ObjectStore
    state: SyncState
    head: Head

    def run(self, report: PullReport) -> None:
        """Compare, fetch, and put in place."""
        if not self.options.dry_run:
            settle_manifest(self.folder)
            settle_pending(self.store, self.state)
        remote = self.state.snapshot(self.head.content, self.head.name)
        self.state.drop_plan()
        plan = plan_pull(self._comparison(remote), self.on_progress)
        self._refuse_conflicts(plan)
        report.fetched_files, report.removed, report.only_here = plan.files, plan.removed, plan.only_here
        if self.options.dry_run:
            report.fetched_bytes = plan.num_bytes
            return
        self._refuse_full_disk(plan)
        rows = self._wanted(remote, plan)
        done = 0
        for paths in fetch_files(self.store, self.state, rows, self.config.storage.workers):
            done += len(paths)
            announce(self.on_progress, ProgressEvent("pull", done, plan.files, paths[-1]))
        self._apply(remote, plan)
        report.fetched_bytes = self.store.traffic.received_bytes

    def _comparison(self, remote: Snapshot) -> Comparison:
        mark = HalfPulled.read(self.folder / OWN_FOLDER)
        seen = [self.state.base_snapshot(), self.state.known_snapshot(mark.root) if mark else None]
        options = self.options
        return Comparison(
            tree=Tree(self.folder),
            remote=remote,
            seen=[snapshot for snapshot in seen if snapshot is not None],
            state=self.state,
            trusts_times=not options.checksum,
            force=options.force,
            delete=options.delete,
        )

    def _refuse_conflicts(self, plan: PullPlan) -> None:
        if plan.num_conflicts:
            more = plan.num_conflicts - _NAMED
            named = ", ".join(plan.conflicts[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
            msg = (
                f"{self.folder}: changed here and different on {self.store.url}: {named}; nothing was written: --force "
                "takes the remote's, or push with --force to keep these"
            )
            raise DatabaseError(msg)

    def _refuse_full_disk(self, plan: PullPlan) -> None:
        free = shutil.disk_usage(self.folder).free
        if plan.num_bytes > free:
            msg = f"{self.folder} has {free:,} bytes free, the pull needs {plan.num_bytes:,}: free some space"
            raise StorageError(msg)

    def _wanted(self, remote: Snapshot, plan: PullPlan) -> Iterator[FileRow]:
        buckets = remote.root.buckets
        for number in plan.changed:
            rows = remote.rows(number, buckets)
            yield from (rows[path] for path in self.state.read_plan(number)["fetch"])

    def _apply(self, remote: Snapshot, plan: PullPlan) -> None:
        """From the mark to its removal the database is neither old nor new; it takes as long as renaming does."""
        own = self.folder / OWN_FOLDER
        if plan.files or plan.removed:
            self.state.remember_root(self.head.content)
            HalfPulled(self.store.url, sha256_of(self.head.content)).write(own)
        buckets = remote.root.buckets
        for number in plan.changed:
            remove_files(self.folder, self.state.read_plan(number)["remove"])
        for number in plan.changed:
            rows, todo = remote.rows(number, buckets), self.state.read_plan(number)
            place_files(self.folder, self.state, rows, todo["fetch"])
            touch_files(self.folder, rows, todo["touch"])
        self.state.set_base(self.head.content)
        HalfPulled.remove(own)
        self.state.drop_staged()
        self.state.drop_plan()


def pull_database(
    folder: Path | str,
    remote: str,
    config: GeonavConfig,
    options: PullOptions | None = None,
    on_progress: OnProgress | None = None,
) -> PullReport:
    """Make a database what the newest generation of a remote is; only what differs is fetched.

    Files are checked by SHA-256 and put in place together at the end: interrupted before, the database is as it was;
    interrupted at that moment, it refuses to be opened until the next pull, which goes on where this one stopped.

    Args:
        folder: of the database; made if there is none.
        remote: ``s3://bucket/city``, an address of another fsspec driver, or a folder.
        config: the section ``storage`` counts.
        options: how to pull.
        on_progress: told of what was fetched.

    Raises:
        UsageError: the address is none, or its driver is not installed.
        InputError: nothing was pushed there, or the folder is no database.
        DatabaseError: files changed here and differ from the remote, or an object there is damaged.
        AuthError: the service refused the keys.
        NetworkError: the service failed again and again; pulling again goes on.
        StorageError: the disk is full, read-only or not permitted.
    """
    path, chosen = Path(folder), options or PullOptions()
    address = Address.parse(remote)
    refuse_nested(address, path)
    _refuse_other_folder(path)
    store = ObjectStore(address, config.storage)
    head = newest(store)
    if head is None:
        msg = f"{store.url}: nothing was pushed there yet: check the address, or push first"
        raise InputError(msg)
    state = SyncState(path, store, config.storage.endpoint_url, remembers=not chosen.dry_run)
    root = state.snapshot(head.content, head.name).root
    report = PullReport(store.url, root.generation, root.num_files, root.num_bytes, is_dry_run=chosen.dry_run)
    with nullcontext() if chosen.dry_run else Database(path, DatabaseSettings()).lock():
        _Pull(path, config, chosen, on_progress, store, state, head).run(report)
    report.requests = store.traffic.requests
    return report


def _refuse_other_folder(path: Path) -> None:
    """A pull must not mix a database into somebody's documents."""
    if path.exists() and not path.is_dir():
        msg = f"{path} is a file: choose another folder for the database"
        raise InputError(msg)
    if path.is_dir() and any(path.iterdir()) and not (path / OWN_FOLDER).is_dir():
        Database.open(path)  # one that geonav did not make is welcome
