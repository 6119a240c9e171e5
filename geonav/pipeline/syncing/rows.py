"""What is known of one file of a database: its size, time of change, hash, and where its bytes lie on the remote."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from geonav.data.database import OWN_FOLDER
from geonav.data.files import is_temporary
from geonav.data.half_pulled import SYNC_FOLDER

BUCKETS = 4096
"""Files fall into so many buckets, or a smaller power of two; which one follows from their name alone."""
LONGEST_SEGMENT = 256 << 20
_LONGEST_PATH = 4096
_SHA256 = re.compile(r"[0-9a-f]{64}")
# A backslash separates folders on Windows, and a colon names a disk there.
_NAME = r"(?!\.\.?(?:/|\Z))[^/\\\x00-\x1f" + (":" if os.name == "nt" else "") + "]+"
_PLAIN = re.compile(f"{_NAME}(?:/{_NAME})*")
_OWN_LEFT_OUT = ("lock", "tmp", SYNC_FOLDER)
# What sqlite keeps beside a file that is open; before a push all of it is brought into the file.
_SQLITE_LEFT_OUT = (".sqlite-wal", ".sqlite-shm", ".sqlite-journal")


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of bytes in a pack, an object that is named by its SHA-256."""

    pack: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file.

    Attributes:
        path: from the database's folder, with slashes.
        size: bytes.
        mtime_ns: time of its last change, nanoseconds.
        sha256: of its content.
        segments: its bytes on the remote, in order; none for an empty file.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str
    segments: tuple[Segment, ...]

    def is_same_file(self, state: os.stat_result) -> bool:
        """Whether a file on disk is, by size and time of change, the one this was made of."""
        return (self.size, self.mtime_ns) == (state.st_size, state.st_mtime_ns)


def is_left_out(path: str) -> bool:
    """Whether a file is never copied: locks, drafts, temporary files and what is known of earlier copies."""
    parts = path.split("/")
    if parts[0] == OWN_FOLDER and (parts[1:2] == [] or parts[1] in _OWN_LEFT_OUT):
        return True
    return path.endswith(_SQLITE_LEFT_OUT) or any(map(is_temporary, parts))


def is_plain(path: str) -> bool:
    """Whether a path stays inside the folder that it is put to, on any system."""
    return len(path) <= _LONGEST_PATH and _PLAIN.fullmatch(path) is not None


def is_sha256(text: object) -> bool:
    """Whether it is the hexadecimal form of a SHA-256."""
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None


def unit_of(path: str) -> str:
    """What a file is kept together with: its entry; a file of ``.geonav`` stands alone."""
    top, _, _ = path.partition("/")
    return path if top == OWN_FOLDER else top


def bucket_of(unit: str, buckets: int = BUCKETS) -> int:
    """The bucket of a unit; with half the buckets, two become one."""
    return zlib.crc32(unit.encode("utf-8", "surrogateescape")) & (buckets - 1)


def to_json(row: FileRow, called: Callable[[str], object] = str) -> list[object]:
    """A row as a list that JSON holds; ``called`` says what stands for a pack."""
    flat = [value for part in row.segments for value in (called(part.pack), part.offset, part.length)]
    return [row.path, row.size, row.mtime_ns, row.sha256, *flat]


def from_json(data: object, pack_of: Callable[[Any], str] = str) -> FileRow:
    """Read what :func:`to_json` made; whatever it is, nothing unsafe comes out.

    Raises:
        ValueError: it is something else, or leads out of the folder.
    """
    if not isinstance(data, list) or len(data) < 4 or len(data) % 3 != 1:
        msg = "a row is not a list of a file's values"
        raise ValueError(msg)
    path, size, mtime_ns, sha256, *flat = data
    if not isinstance(path, str) or not is_plain(path) or is_left_out(path):
        msg = f"{str(path)[:100]!r} is not a file inside a database"
        raise ValueError(msg)
    segments = tuple(Segment(pack_of(flat[at]), flat[at + 1], flat[at + 2]) for at in range(0, len(flat), 3))
    _check_numbers((size, *(number for part in segments for number in (part.offset, part.length))), path)
    fits = sum(part.length for part in segments) == size and all(0 < p.length <= LONGEST_SEGMENT for p in segments)
    has_time = type(mtime_ns) is int and abs(mtime_ns) < 2**62  # what systems can give a file
    if not fits or not has_time or not all(map(is_sha256, (sha256, *(part.pack for part in segments)))):
        msg = f"the values of {path!r} contradict each other"
        raise ValueError(msg)
    return FileRow(path, size, mtime_ns, sha256, segments)


def _check_numbers(numbers: Iterable[object], path: str) -> None:
    for number in numbers:
        if type(number) is not int or not 0 <= number < 2**63:
            msg = f"{path!r} has a size or place that is none"
            raise ValueError(msg)
