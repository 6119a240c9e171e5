"""The files of an index: rows and names that only grow, one file of the approximate part, and a stamp over them.

The stamp names the files and says how much of each counts. It is replaced last and at once, so that a run killed at any
moment leaves the old index or the new one. What grew is appended; only an index with many removed rows, or one that is
saved to another folder, is written as a whole, under the names of a new generation.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geonav.data.files import atomic_write_json, storage_errors
from geonav.errors import DatabaseError
from geonav.retrieval.names import KEY, Names
from geonav.retrieval.rows import ROOM, Code, Rows, map_rows

STAMP_FILE = "stamp.json"
FORMAT = 2
_FILES = "*-*.bin"


@dataclass(frozen=True)
class Form:
    """What a stamp says; a pair is the length of a file in bytes and its CRC-32.

    Attributes:
        kind: of index.
        stamp: of the settings that made the vectors.
        dim: length of a vector.
        generation: in the names of the files.
        rows: stored, removed ones included.
        names: of the uids one after another.
        keys: of what finds them.
        removed: of the numbers of the rows that count no longer.
        listed: rows in the approximate part, 0 where there is none; part of its file's name.
        lists_bytes: length of that file.
        format: of the stamp and the files.
    """

    kind: str
    stamp: str
    dim: int
    generation: int = 0
    rows: int = 0
    names: tuple[int, int] = (0, 0)
    keys: tuple[int, int] = (0, 0)
    removed: tuple[int, int] = (0, 0)
    listed: int = 0
    lists_bytes: int = 0
    format: int = FORMAT

    def path(self, directory: Path, part: str) -> Path:
        """Where a part lies: rows, names, keys, removed or lists."""
        number = f"{self.generation}-{self.listed}" if part == "lists" else str(self.generation)
        return directory / f"{part}-{number}.bin"

    @property
    def is_sound(self) -> bool:
        """Whether it can be one that this version wrote."""
        numbers = [self.dim - 1, self.generation, self.rows, self.listed, self.lists_bytes, self.keys[0]]
        numbers += [*self.names, *self.keys, *self.removed]
        whole = self.keys[0] == self.rows * KEY.itemsize and self.listed <= self.rows
        return self.format == FORMAT and min(numbers) >= 0 and whole


def read_form(directory: Path) -> Form:
    """The stamp of the index in a folder.

    Raises:
        DatabaseError: there is none, or it is broken.
    """
    try:
        data = json.loads((directory / STAMP_FILE).read_bytes())
        pairs = {part: tuple(data[part]) for part in ("names", "keys", "removed")}
        form = Form(**{**data, **pairs})
        if form.is_sound:
            return form
    except FileNotFoundError as error:
        msg = f"there is no finished index at {directory}: run `geonav index global`"
        raise DatabaseError(msg) from error
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise broken(directory) from error
    raise broken(directory)


def broken(directory: Path) -> DatabaseError:
    """The error for an index that cannot be read."""
    return DatabaseError(f"the index at {directory} is broken: run `geonav index global`")


def read_names(directory: Path, form: Form) -> Names:
    """The names of the rows, removed ones marked.

    Raises:
        DatabaseError: they are missing or not what the stamp says.
    """
    keys = _checked(directory, form, "keys").view(KEY)
    removed = _checked(directory, form, "removed").view("<i8")
    names = Names(_checked(directory, form, "names"), keys)
    names.remove(removed)
    return names


def read_rows(directory: Path, form: Form, code: Code) -> Rows:
    """The stored rows, mapped.

    Raises:
        DatabaseError: they are missing or too few.
    """
    try:
        return map_rows(form.path(directory, "rows"), form.dim, code, form.rows)
    except (OSError, ValueError) as error:
        raise broken(directory) from error


def stored_uids(directory: Path) -> list[str]:
    """The uids in the index in a folder, sorted.

    Raises:
        DatabaseError: there is none, or it is broken.
    """
    return read_names(directory, read_form(directory)).uids()


def last_generation(directory: Path) -> int:
    """The highest of the files in a folder, those that no stamp names included; 0 where there are none."""
    numbers = [path.stem.split("-")[1] for path in directory.glob(_FILES)]
    return max((int(number) for number in numbers if number.isdigit()), default=0)


def _checked(directory: Path, form: Form, part: str) -> NDArray[np.uint8]:
    length, checksum = getattr(form, part)
    if not length:
        return np.zeros(0, np.uint8)
    try:
        mapped = np.memmap(form.path(directory, part), np.uint8, "r", shape=(length,))
    except (OSError, ValueError) as error:
        raise broken(directory) from error
    if zlib.crc32(mapped.data) != checksum:
        raise broken(directory)
    return mapped


def append_rows(directory: Path, form: Form, chunks: Iterable[NDArray[Any]], width: int) -> None:
    """Write rows behind the ``form.rows`` that count; ``width`` is the length of one in bytes.

    Raises:
        StorageError: the disk is full, read-only or not permitted.
    """
    path = form.path(directory, "rows")
    with storage_errors(path), path.open("r+b" if form.rows else "wb") as stream:
        if not form.rows:
            stream.write(bytes(ROOM))
        stream.truncate(ROOM + form.rows * width)
        stream.seek(0, 2)
        for chunk in chunks:
            stream.write(np.ascontiguousarray(chunk).data.cast("B"))


def append_part(directory: Path, form: Form, part: str, data: bytes) -> tuple[int, int]:
    """Write ``data`` behind what counts of a part; returns the part's new length and CRC-32.

    Raises:
        StorageError: the disk is full, read-only or not permitted.
    """
    length, checksum = getattr(form, part)
    path = form.path(directory, part)
    if data:
        with storage_errors(path), path.open("r+b" if length else "wb") as stream:
            stream.truncate(length)
            stream.seek(0, 2)
            stream.write(data)
    return length + len(data), zlib.crc32(data, checksum)


def commit(directory: Path, form: Form) -> None:
    """Make ``form`` the stamp, and remove the files that it does not name.

    Raises:
        StorageError: the disk is full, read-only or not permitted.
    """
    atomic_write_json(directory / STAMP_FILE, asdict(form))
    named = {form.path(directory, part) for part in ("rows", "names", "keys", "removed", "lists")}
    for path in set(directory.glob(_FILES)) - named:
        with suppress(OSError):  # some systems keep a file that another process has mapped; the next save tries again
            path.unlink()
