"""What a database remembers of one remote, in ``.geonav/sync/<name>``.

    root.json            the generation that was last pushed or pulled: what its files were then, by size and time
    pending.json         a root that was about to become a generation, should the process end at that moment
    shards/<sha256>      shards of it, so that they need not be fetched again
    journal/<n>.jsonl    files whose bytes are on the remote and in no generation yet: an interrupted push
    staged/              files that were fetched and wait to be moved to their places: an interrupted pull

All of it may be deleted: the next push or pull then reads every file once.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from geonav.data.database import OWN_FOLDER
from geonav.data.files import atomic_write_bytes, read_json_object, storage_errors
from geonav.data.half_pulled import SYNC_FOLDER
from geonav.errors import DatabaseError, MissingError
from geonav.pipeline.syncing import shard
from geonav.pipeline.syncing.faults import damaged
from geonav.pipeline.syncing.root import Root
from geonav.pipeline.syncing.rows import BUCKETS, FileRow, Segment, bucket_of, from_json, to_json, unit_of
from geonav.pipeline.syncing.snapshot import Rows, Snapshot, pack_key, shard_key
from geonav.pipeline.syncing.store import ObjectStore, StoredObject


class SyncState:
    """The memory of one remote."""

    def __init__(self, folder: Path, store: ObjectStore, endpoint_url: str | None, *, remembers: bool = True) -> None:
        """``folder`` is the database's; nothing is written yet, and never unless it ``remembers``."""
        name = hashlib.sha256(f"{endpoint_url or ''} {store.url}".encode()).hexdigest()[:16]
        self._own = folder / OWN_FOLDER / SYNC_FOLDER / name
        self._staged = self._own / "staged"
        self._store = store
        self._remembers = remembers

    def staged_path(self, row: FileRow) -> Path:
        """Where a file waits that was fetched; its name says which file and what content."""
        name = hashlib.sha256(row.path.encode("utf-8", "surrogateescape")).hexdigest()[:20]
        return self._staged / f"{row.sha256[:2]}/{name}-{row.sha256}"

    def has_staged(self) -> bool:
        """Whether a pull was interrupted."""
        return self._staged.is_dir()

    def is_staged(self, row: FileRow) -> bool:
        """Whether a file was fetched."""
        try:
            return self.staged_path(row).stat().st_size == row.size
        except OSError:
            return False

    def snapshot(self, content: bytes, name: str) -> Snapshot:
        """The files of a root.

        Raises:
            DatabaseError: it is none.
        """
        return Snapshot(Root.decode(content, name), self.read_shard)

    def base(self) -> bytes | None:
        """The root of the last push or pull; None before the first."""
        path = self._own / "root.json"
        return path.read_bytes() if path.exists() else None

    def base_snapshot(self) -> Snapshot | None:
        """The files of :meth:`base`; None also where it or one of its shards was lost."""
        content = self.base()
        if content is None:
            return None
        try:
            snapshot = self.snapshot(content, "root.json")
        except DatabaseError:
            return None
        return snapshot if self._has_shards(snapshot.root) else None

    def known_snapshot(self, sha256: str) -> Snapshot | None:
        """The files of a root that a pull began to put in place."""
        path = self._own / f"root-{sha256}.json"
        if not path.exists():
            return None
        snapshot = self.snapshot(path.read_bytes(), path.name)
        return snapshot if self._has_shards(snapshot.root) else None

    def remember_root(self, content: bytes) -> None:
        """Keep a root that a pull begins to put in place."""
        self._write(f"root-{shard.sha256_of(content)}.json", content)

    def set_base(self, content: bytes) -> None:
        """A push or pull is finished: remember its root and shards, and no others."""
        self._write("root.json", content)
        for name in ("pending.json", *(path.name for path in self._own.glob("root-*.json"))):
            (self._own / name).unlink(missing_ok=True)
        used = {entry.sha256 for entry in Root.decode(content, "root.json").shards if entry}
        for path in (self._own / "shards").glob("*"):
            if path.name not in used:
                path.unlink(missing_ok=True)

    def set_pending(self, content: bytes) -> None:
        """Remember a root that is about to become a generation."""
        self._write("pending.json", content)

    def pending(self) -> bytes | None:
        """A root of which it is not known whether it became a generation."""
        path = self._own / "pending.json"
        return path.read_bytes() if path.exists() else None

    def read_shard(self, sha256: str) -> bytes:
        """A shard, fetched unless it is here already.

        Raises:
            DatabaseError: it is missing on the remote, or damaged.
        """
        path = self._own / "shards" / sha256
        if path.exists():
            content = path.read_bytes()
            if shard.sha256_of(content) == sha256:
                return content
        key = shard_key(sha256)
        try:
            content = self._store.get(key, shard.MOST_BYTES)
        except MissingError as error:
            raise damaged(self._store.name_of(key), "it is missing") from error
        if shard.sha256_of(content) != sha256:
            raise damaged(self._store.name_of(key), "its SHA-256 differs")
        self.keep_shard(sha256, content)
        return content

    def keep_shard(self, sha256: str, content: bytes) -> None:
        """Remember a shard."""
        self._write(f"shards/{sha256}", content)

    def has_journal(self) -> bool:
        """Whether a push was interrupted."""
        return any((self._own / "journal").glob("*.jsonl"))

    def drop_journal(self) -> None:
        """Forget an interrupted push."""
        shutil.rmtree(self._own / "journal", ignore_errors=True)

    def drop_staged(self) -> None:
        """Forget an interrupted pull."""
        shutil.rmtree(self._staged, ignore_errors=True)

    def write_plan(self, bucket: int, paths: Mapping[str, list[str]]) -> None:
        """Note what a pull is to do in a bucket."""
        self._write(f"plan/{bucket:03x}.json", json.dumps(paths).encode())

    def read_plan(self, bucket: int) -> dict[str, list[str]]:
        """What :meth:`write_plan` noted."""
        return read_json_object(self._own / "plan" / f"{bucket:03x}.json")

    def drop_plan(self) -> None:
        """Forget what was to be done."""
        if self._remembers:
            shutil.rmtree(self._own / "plan", ignore_errors=True)

    def add_to_journal(self, rows: Iterable[FileRow]) -> None:
        """Note files whose bytes are on the remote; a line that was cut short by the end of the process is no note."""
        lines: dict[int, list[str]] = {}
        for row in rows:
            lines.setdefault(bucket_of(unit_of(row.path)), []).append(json.dumps(to_json(row)) + "\n")
        folder = self._own / "journal"
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for bucket, texts in lines.items():
                with (folder / f"{bucket:03x}.jsonl").open("a", encoding="utf-8") as stream:
                    stream.write("".join(texts))

    def journal(self, bucket: int, buckets: int, present: Mapping[str, StoredObject]) -> Rows:
        """The noted files of a bucket whose packs are still on the remote; ``present`` lists those by key."""
        found: Rows = {}
        for number in range(bucket, BUCKETS, buckets):
            path = self._own / "journal" / f"{number:03x}.jsonl"
            lines = path.read_text("utf-8").splitlines() if path.exists() else []
            for line in lines:
                try:
                    row = from_json(json.loads(line))
                except ValueError:
                    continue
                if all(_holds(present.get(pack_key(part.pack)), part) for part in row.segments):
                    found[row.path] = row
        return found

    def _has_shards(self, root: Root) -> bool:
        return all((self._own / "shards" / entry.sha256).exists() for entry in root.shards if entry)

    def _write(self, name: str, content: bytes) -> None:
        if not self._remembers:
            return
        path = self._own / name
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_bytes(path, content)


def _holds(stored: StoredObject | None, part: Segment) -> bool:
    return stored is not None and stored.size >= part.offset + part.length
