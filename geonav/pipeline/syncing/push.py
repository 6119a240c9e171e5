"""``geonav database push``: make a remote what a database is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.errors import DatabaseError, UsageError
from geonav.pipeline.syncing.address import Address
from geonav.pipeline.syncing.assembly import Assembly
from geonav.pipeline.syncing.packing import Packer, Upload
from geonav.pipeline.syncing.prune import prune
from geonav.pipeline.syncing.push_plan import Bucket, Known, PushPlan, file_row, plan_push
from geonav.pipeline.syncing.remote import Head, newest, publish, settle_pending
from geonav.pipeline.syncing.repair import find_damage
from geonav.pipeline.syncing.root import Root
from geonav.pipeline.syncing.snapshot import PACKS, Snapshot
from geonav.pipeline.syncing.state import SyncState
from geonav.pipeline.syncing.store import ObjectStore, StoredObject
from geonav.pipeline.syncing.tree import Tree, settle_manifest
from geonav.pipeline.threads import ahead


@dataclass(frozen=True)
class PushOptions:
    """How to push.

    Attributes:
        checksum: read every file, whatever its size and time of change say.
        repair: read every object of the remote and replace those that are damaged or missing.
        prune: remove what no generation of the last ``storage.keep_days`` needs.
        force: also where the remote holds what this database never saw; that is then no more in the newest generation.
        dry_run: only compare.
    """

    checksum: bool = False
    repair: bool = False
    prune: bool = False
    force: bool = False
    dry_run: bool = False


@dataclass
class PushReport:
    """What a push did, or, where ``is_dry_run``, would do at most.

    Attributes:
        remote: address, without keys.
        generation: the newest one afterwards; 0 where there is none.
        files: of the database.
        bytes: of those.
        sent_files: files whose bytes were not on the remote.
        sent_bytes: written, lists of files included.
        gone: files that the generation before had and this one has not.
        damaged: objects that were found damaged or missing, and replaced.
        pruned: objects that were removed.
        requests: calls made.
        is_dry_run: whether nothing was sent.
    """

    remote: str
    generation: int = 0
    files: int = 0
    bytes: int = 0
    sent_files: int = 0
    sent_bytes: int = 0
    gone: int = 0
    damaged: int = 0
    pruned: int = 0
    requests: int = 0
    is_dry_run: bool = False


@dataclass
class _Push:
    """One push under way."""

    folder: Path
    config: GeonavConfig
    options: PushOptions
    on_progress: OnProgress | None
    store: ObjectStore
    state: SyncState
    report: PushReport
    present: Mapping[str, StoredObject] = field(default_factory=dict)

    def run(self) -> None:
        """Compare, send, publish, prune."""
        if not self.options.dry_run:
            settle_manifest(self.folder)
            settle_pending(self.store, self.state)
        head, base = newest(self.store), self.state.base()
        self._refuse_unseen(head, base)
        remote, damaged = self._remote(head)
        known = self._known(head, base, remote)
        tree = Tree(self.folder)
        plan = plan_push(tree, known, damaged)
        self.report.gone = plan.gone
        self.report.generation = head.generation if head else 0
        if self.options.dry_run:
            self.report.sent_files, self.report.sent_bytes = plan.files, plan.bytes
            return
        self._send(tree, known, plan, head)
        if self.options.prune:
            self.report.pruned = prune(self.store, self.state, self.config.storage.keep_days)

    def _refuse_unseen(self, head: Head | None, base: bytes | None) -> None:
        if head is None or self.options.force or head.content == base:
            return
        seen = "never saw it" if base is None else f"last saw generation {Root.decode(base, 'root.json').generation}"
        msg = (
            f"{self.store.url} has generation {head.generation} and {self.folder} {seen}: pull it first, or --force to "
            "put this database in its place"
        )
        raise DatabaseError(msg)

    def _remote(self, head: Head | None) -> tuple[Snapshot | None, set[str]]:
        """What the newest generation holds that is whole, and its damaged packs."""
        if head is None:
            return None, set()
        root = Root.decode(head.content, head.name)
        damaged: set[str] = set()
        if self.options.repair:
            found = find_damage(self.store, self.state, root, self.config.storage.workers, self.on_progress)
            root, damaged, self.report.damaged = found.root, found.packs, found.count
        return Snapshot(root, self.state.read_shard), damaged

    def _known(self, head: Head | None, base: bytes | None, remote: Snapshot | None) -> Known:
        is_same = head is not None and head.content == base
        observed = remote if is_same else self.state.base_snapshot()
        if self.state.has_journal():
            self.present = self.store.list(PACKS)
        return Known(remote, observed, self.state, self.present, trusts_times=not self.options.checksum)

    def _send(self, tree: Tree, known: Known, plan: PushPlan, head: Head | None) -> None:
        assembly = Assembly(known, plan, self.state)
        before = self.store.traffic.sent_bytes
        present = {key for key in self.present if key.removeprefix(f"{PACKS}/") not in plan.bad_packs}
        uploads = self._uploads(tree, known, plan, assembly)

        def send(upload: Upload) -> Upload:
            if upload.key not in present:
                self.store.put(upload.key, upload.content)
            return Upload(upload.key, b"", upload.rows)

        workers = self.config.storage.workers
        for sent in ahead(send, uploads, depth=workers, workers=workers):
            if sent.rows:
                self.state.add_to_journal(sent.rows)
                self.report.sent_files += len(sent.rows)
                announce(
                    self.on_progress, ProgressEvent("push", self.report.sent_files, plan.files, sent.rows[-1].path)
                )
        self._publish(assembly, head, known)
        self.report.sent_bytes = self.store.traffic.sent_bytes - before

    def _uploads(self, tree: Tree, known: Known, plan: PushPlan, assembly: Assembly) -> Iterator[Upload]:
        """Packs of what must be sent and shards of what changed, made as they are asked for."""
        packer = Packer(self.config.storage.pack_mb << 20, assembly.pack_bytes)
        units = tree.by_bucket(plan.buckets)
        for number in sorted(plan.changed):
            bucket = Bucket(number, plan.buckets, tree.files(units[number]), known)
            assembly.begin(number, len(bucket.local))
            for path, state in bucket.local.items():
                row = file_row(self.folder, path, bucket, plan.bad_packs)
                if row is not None:
                    yield from assembly.add([row])
                    continue
                for upload in packer.add(self.folder / path, path, state):
                    yield upload
                    yield from assembly.add(upload.rows)
            if assembly.num_waiting > 32:  # their rows wait in memory for the pack that is being filled
                yield from self._closed(packer, assembly)
        yield from self._closed(packer, assembly)

    @staticmethod
    def _closed(packer: Packer, assembly: Assembly) -> Iterator[Upload]:
        for upload in packer.close():
            yield upload
            yield from assembly.add(upload.rows)

    def _publish(self, assembly: Assembly, head: Head | None, known: Known) -> None:
        before = Root.decode(head.content, head.name) if head else None
        made = Root(1 + (before.generation if before else 0), assembly.shards())
        self.report.files, self.report.bytes = made.num_files, made.num_bytes
        if before is not None and before.shards == made.shards:
            if head is not None:
                self.state.set_base(head.content)
            self.state.drop_journal()
            return
        if known.present:
            self._refuse_vanished(assembly)
        publish(self.store, self.state, made)
        self.report.generation = made.generation

    def _refuse_vanished(self, assembly: Assembly) -> None:
        """What an interrupted push left may be pruned by another one before a generation names it."""
        now = self.store.list(PACKS)
        if any(f"{PACKS}/{pack}" not in now for pack in assembly.used_packs):
            self.state.drop_journal()
            msg = f"{self.store.url}: what an earlier push left was pruned meanwhile: push again"
            raise DatabaseError(msg)


def push_database(
    database: Database,
    remote: str,
    config: GeonavConfig,
    options: PushOptions | None = None,
    on_progress: OnProgress | None = None,
) -> PushReport:
    """Make a remote's newest generation what a database is; what is there already is not sent again.

    Whoever pulls meanwhile gets the generation before or this one. When interrupted, the next push goes on.

    Args:
        database: nothing in it changes but ``.geonav/sync``; it is locked meanwhile.
        remote: ``s3://bucket/city``, an address of another fsspec driver, or a folder.
        config: the section ``storage`` counts.
        options: how to push.
        on_progress: told of every pack's last file.

    Raises:
        UsageError: the address is none, or its driver is not installed.
        DatabaseError: the remote holds what this database never saw, another push came first, or the database holds
            what cannot be copied.
        AuthError: the service refused the keys.
        NetworkError: the service failed again and again; pushing again goes on.
        StorageError: the disk or the remote's folder cannot be written.
    """
    address = Address.parse(remote)
    refuse_nested(address, database.path)
    chosen = options or PushOptions()
    store = ObjectStore(address, config.storage)
    state = SyncState(database.path, store, config.storage.endpoint_url, remembers=not chosen.dry_run)
    report = PushReport(store.url, is_dry_run=chosen.dry_run)
    with nullcontext() if chosen.dry_run else database.lock():
        _Push(database.path, config, chosen, on_progress, store, state, report).run()
    report.requests = store.traffic.requests
    return report


def refuse_nested(address: Address, folder: Path) -> None:
    """A remote and a database that lie in each other would copy themselves.

    Raises:
        UsageError: they do.
    """
    there = address.folder
    if there is None:
        return
    here, there = folder.resolve(), there.resolve()
    if here == there or here in there.parents or there in here.parents:
        msg = f"{there} and the database {here} lie in each other: choose another folder for the copy"
        raise UsageError(msg)
