"""Fetching files out of packs, each checked by its SHA-256 before it gets a name."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from geonav.data.files import TEMPORARY_PREFIX, storage_errors
from geonav.errors import MissingError
from geonav.pipeline.syncing.faults import damaged
from geonav.pipeline.syncing.rows import FileRow
from geonav.pipeline.syncing.snapshot import pack_key
from geonav.pipeline.syncing.state import SyncState
from geonav.pipeline.syncing.store import ObjectStore
from geonav.pipeline.threads import ahead

# Bytes between two wanted files that are read along: they take less time than another request.
_GAP_BYTES = 256 << 10
_MOST_SPAN_BYTES = 32 << 20
# Files whose places are sorted together: enough that each pack is asked for about once.
_BATCH_ROWS = 20_000


@dataclass(frozen=True)
class Span:
    """A run of bytes of a pack, and the files wanted of it; or one file in several packs."""

    start: int
    end: int
    rows: tuple[FileRow, ...]


def fetch_files(store: ObjectStore, state: SyncState, rows: Iterable[FileRow], workers: int) -> Iterator[list[str]]:
    """Stage files, several spans at once; gives the paths of each span when they are whole on disk.

    Raises:
        DatabaseError: an object is damaged or missing.
        NetworkError: the remote failed again and again.
        AuthError: it may not be read.
        StorageError: the disk is full, read-only or not permitted.
    """
    is_resumed, rest = state.has_staged(), iter(rows)
    while batch := list(islice(rest, _BATCH_ROWS)):
        there = {row.path for row in batch if state.is_staged(row)} if is_resumed else set()
        if there:
            yield sorted(there)
        yield from _fetch_batch(store, state, [row for row in batch if row.path not in there], workers)


def spans_of(rows: Iterable[FileRow]) -> Iterator[Span]:
    """What to ask for, so that files beside each other come together."""
    by_pack: dict[str, list[FileRow]] = {}
    for row in rows:
        if len(row.segments) == 1:
            by_pack.setdefault(row.segments[0].pack, []).append(row)
        else:  # an empty file, or one too large for a pack
            yield Span(0, 0, (row,))
    for found in by_pack.values():
        found.sort(key=lambda row: row.segments[0].offset)
        first, end = 0, 0
        for number, row in enumerate(found):
            part = row.segments[0]
            start = found[first].segments[0].offset
            reaches = max(end, part.offset + part.length)
            if number > first and (part.offset > end + _GAP_BYTES or reaches - start > _MOST_SPAN_BYTES):
                yield Span(start, end, tuple(found[first:number]))
                first, reaches = number, part.offset + part.length
            end = reaches
        yield Span(found[first].segments[0].offset, end, tuple(found[first:]))


def _fetch_batch(store: ObjectStore, state: SyncState, rows: list[FileRow], workers: int) -> Iterator[list[str]]:
    def fetch(span: Span) -> list[str]:
        if len(span.rows[0].segments) == 1:
            _fetch_span(store, state, span)
        else:
            _fetch_large(store, state, span.rows[0])
        return [row.path for row in span.rows]

    yield from ahead(fetch, spans_of(rows), depth=workers, workers=workers)


def _fetch_span(store: ObjectStore, state: SyncState, span: Span) -> None:
    key = pack_key(span.rows[0].segments[0].pack)
    content = memoryview(_read(store, key, span.start, span.end - span.start))
    for row in span.rows:
        part = row.segments[0]
        piece = content[part.offset - span.start : part.offset - span.start + part.length]
        if hashlib.sha256(piece).hexdigest() != row.sha256:
            raise damaged(store.name_of(key), f"the SHA-256 of {row.path} differs")
        _stage(state.staged_path(row), row, [piece])


def _fetch_large(store: ObjectStore, state: SyncState, row: FileRow) -> None:
    whole = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        for part in row.segments:
            piece = _read(store, pack_key(part.pack), part.offset, part.length)
            whole.update(piece)
            yield piece
        if whole.hexdigest() != row.sha256:
            where = pack_key(row.segments[0].pack) if row.segments else ""
            raise damaged(store.name_of(where), f"the SHA-256 of {row.path} differs")

    _stage(state.staged_path(row), row, pieces())


def _read(store: ObjectStore, key: str, start: int, length: int) -> bytes:
    try:
        return store.get_range(key, start, length)
    except MissingError as error:
        raise damaged(store.name_of(key), "it is missing") from error


def _stage(path: Path, row: FileRow, pieces: Iterable[bytes | memoryview]) -> None:
    """Write a file under its staged name, which it has only once it is whole."""
    draft = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}")
    with storage_errors(path):
        try:
            with _opened(draft) as stream:
                for piece in pieces:
                    stream.write(piece)
            os.utime(draft, ns=(row.mtime_ns, row.mtime_ns))
            draft.replace(path)
        except BaseException:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except FileNotFoundError:  # the first file of its folder
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")
