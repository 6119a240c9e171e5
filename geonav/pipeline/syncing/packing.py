"""Files put together into packs, so that millions of small ones cost few requests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from geonav.errors import DatabaseError
from geonav.pipeline.syncing.rows import FileRow, Segment
from geonav.pipeline.syncing.snapshot import pack_key
from geonav.pipeline.syncing.store import Content

_BLOCK = 1 << 20
# A pack is closed early when so many files wait for it: their rows are held in memory.
_MOST_WAITING = 50_000


@dataclass(frozen=True)
class Upload:
    """An object to be written.

    Attributes:
        key: of the object.
        content: of the object.
        rows: files whose bytes are all on the remote once this and the uploads before it are.
    """

    key: str
    content: Content
    rows: tuple[FileRow, ...] = ()


@dataclass
class Packer:
    """Collects files and hands out packs as they fill.

    Attributes:
        limit: bytes of a pack; a larger file is cut into packs of its own.
        pack_bytes: sizes of the packs made.
    """

    limit: int
    pack_bytes: dict[str, int] = field(default_factory=dict)
    _content: bytearray = field(default_factory=bytearray)
    _waiting: list[tuple[str, os.stat_result, str, int]] = field(default_factory=list)

    def add(self, file: Path, path: str, state: os.stat_result) -> Iterator[Upload]:
        """Put in a file, ``path`` in its row; gives the packs that are complete by that.

        Raises:
            DatabaseError: it changed while it was read.
        """
        if state.st_size > self.limit:
            yield from self._add_large(file, path, state)
            return
        if len(self._content) + state.st_size > self.limit or len(self._waiting) >= _MOST_WAITING:
            yield from self.close()
        with file.open("rb") as stream:
            content = stream.read(state.st_size + 1)
            _refuse_changed(stream, file, state, len(content))
        self._waiting.append((path, state, hashlib.sha256(content).hexdigest(), len(self._content)))
        self._content += content

    def close(self) -> Iterator[Upload]:
        """Give the pack begun, if one was."""
        if not self._waiting:
            return
        pack = self._named(self._content)
        rows = tuple(
            FileRow(path, state.st_size, state.st_mtime_ns, sha256, _segments(pack, offset, state.st_size))
            for path, state, sha256, offset in self._waiting
        )
        upload = Upload(pack_key(pack), self._content, rows)
        self._content, self._waiting = bytearray(), []
        yield upload

    def _add_large(self, file: Path, path: str, state: os.stat_result) -> Iterator[Upload]:
        """A file in packs of its own, cut at the same places each time."""
        whole, segments, done = hashlib.sha256(), [], 0
        with file.open("rb") as stream:
            while content := stream.read(self.limit):
                whole.update(content)
                done += len(content)
                pack = self._named(content)
                segments.append(Segment(pack, 0, len(content)))
                is_last = done >= state.st_size
                if is_last:
                    _refuse_changed(stream, file, state, done)
                row = FileRow(path, state.st_size, state.st_mtime_ns, whole.hexdigest(), tuple(segments))
                yield Upload(pack_key(pack), content, (row,) if is_last else ())
            _refuse_changed(stream, file, state, done)

    def _named(self, content: Content) -> str:
        pack = hashlib.sha256(content).hexdigest()
        self.pack_bytes[pack] = len(content)
        return pack


def sha256_of_file(file: Path) -> str:
    """The SHA-256 of a file's content, read in blocks."""
    whole = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            whole.update(block)
    return whole.hexdigest()


def _segments(pack: str, offset: int, size: int) -> tuple[Segment, ...]:
    return (Segment(pack, offset, size),) if size else ()


def _refuse_changed(stream: BinaryIO, file: Path, state: os.stat_result, size: int) -> None:
    now = os.fstat(stream.fileno())
    if (size, now.st_size, now.st_mtime_ns) != (state.st_size, state.st_size, state.st_mtime_ns):
        msg = f"{file} changed while it was copied: wait until nothing writes to it, then run again"
        raise DatabaseError(msg)
