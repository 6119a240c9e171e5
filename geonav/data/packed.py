"""Local features of a large database once more, packed in few files that are mapped into memory.

The files of the entries stay what counts. A packed copy is used only while the entry's own files are, by size and time
of change, those it was made of, so the two can never disagree; what is missing or stale here is read there. A copy
costs as much disk as the entries' own files, and spares three files opened for each reference of a query.
"""

from __future__ import annotations

import io
import logging
import secrets
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from geonav.data.features import LocalFeatures
from geonav.data.files import TEMPORARY_PREFIX, atomic_save_arrays, storage_errors
from geonav.data.local_store import descriptors_path, keypoints_path, load_features
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.errors import DatabaseError

logger = logging.getLogger(__name__)

_INDEX_FILE = "index.npz"
_FORMAT = 1
_ALIGNED_BYTES = 64
_PART_BYTES = 1 << 30
# Parts are written anew once so much of them is of entries that changed or went.
_MOST_WASTE = 0.5
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
_ROW = np.dtype(
    [
        ("part", np.int32),
        ("offset", np.int64),
        ("count", np.int32),
        ("dim", np.int32),
        ("keypoints_bytes", np.int64),
        ("keypoints_ns", np.int64),
        ("descriptors_bytes", np.int64),
        ("descriptors_ns", np.int64),
        ("image_bytes", np.int64),
        ("stamp", "S64"),
    ]
)
_MADE_OF = ("keypoints_bytes", "keypoints_ns", "descriptors_bytes", "descriptors_ns", "image_bytes")


@dataclass(frozen=True)
class Entry:
    """An entry of the database and the stamp that its features must have."""

    uid: str
    folder: Path
    stamp: str


@dataclass(frozen=True)
class PackedFeatures:
    """The packed features of one model.

    Attributes:
        folder: where the parts and their index lie.
        model: whose features they are.
        uids: of the entries, sorted, as bytes (N,).
        rows: where each lies and what it was made of (N,).
    """

    folder: Path
    model: str
    uids: NDArray[np.bytes_]
    rows: NDArray[Any]
    _parts: dict[int, NDArray[np.uint8]] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, model: str) -> PackedFeatures:
        """Those in a folder; none where it is missing or broken, for all can be read from the entries."""
        try:
            content = (folder / _INDEX_FILE).read_bytes()
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                if int(stored["format"]) == _FORMAT and stored["rows"].dtype == _ROW:
                    return cls(folder, model, stored["uids"], stored["rows"])
        except FileNotFoundError:
            pass
        except _UNREADABLE as error:
            logger.info("%s is not used: %s", folder, error)
        return cls(folder, model, np.zeros(0, "S1"), np.zeros(0, _ROW))

    def __len__(self) -> int:
        """The number of entries."""
        return len(self.uids)

    def read(self, entry: Entry) -> LocalFeatures | None:
        """The features of an entry, arrays of the mapped file; None where its own files must be read."""
        row = self.row_of(entry)
        if row is None:
            return None
        try:
            return _unpacked(self._part(int(row["part"])), row)
        except (OSError, ValueError):
            return None

    def row_of(self, entry: Entry) -> Any:  # noqa: ANN401 - a row of a structured array
        """Where an entry's features lie; None where they are not here or its own files are others since."""
        name = entry.uid.encode()
        number = int(np.searchsorted(self.uids, name)) if len(self.uids) else 0
        if number >= len(self.uids) or self.uids[number] != name:
            return None
        row = self.rows[number]
        fits = row["stamp"] == entry.stamp.encode() and _made_of(entry.folder, self.model) == _made_of_row(row)
        return row if fits else None

    def _part(self, number: int) -> NDArray[np.uint8]:
        """The mapped bytes of a part."""
        if number not in self._parts:
            self._parts[number] = np.asarray(np.memmap(self.folder / _part_name(number), np.uint8, mode="r"))
        return self._parts[number]


def pack(folder: Path, model: str, entries: Sequence[Entry], on_progress: OnProgress | None = None) -> PackedFeatures:
    """Bring the packed features up to date with these entries; hold the database's lock.

    What is packed already and still fits stays where it is. An entry without features of its stamp is left out. When
    interrupted, the old index and its parts are still there and still fit.

    Raises:
        StorageError: the disk is full, read-only or not permitted.
    """
    old = PackedFeatures.open(folder, model)
    kept = {each.uid: row for each in entries if (row := old.row_of(each)) is not None}
    written = sum(path.stat().st_size for path in folder.glob("part-*.bin"))
    if written and sum(_size(row["count"], row["dim"]) for row in kept.values()) < _MOST_WASTE * written:
        kept = {}
    missing = [each for each in entries if each.uid not in kept]
    if not missing and len(kept) == len(old):
        return old
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    first = 1 + max((int(row["part"]) for row in old.rows), default=-1)
    rows = {**kept, **dict(_written(folder, model, missing, first, on_progress))}
    names = np.array(sorted(uid.encode() for uid in rows), dtype=np.bytes_) if rows else np.zeros(0, "S1")
    table = np.array([rows[name.decode()] for name in names.tolist()], _ROW)
    atomic_save_arrays(folder / _INDEX_FILE, format=np.array(_FORMAT), uids=names, rows=table)
    _remove_unused(folder, set(table["part"].tolist()))
    return PackedFeatures(folder, model, names, table)


def _written(
    folder: Path, model: str, entries: Sequence[Entry], part: int, on_progress: OnProgress | None
) -> Iterator[tuple[str, Any]]:
    """Write entries to new parts, numbered from ``part``; a part appears under its name once it is whole."""
    done = 0
    while done < len(entries):
        rows: list[tuple[str, Any]] = []
        temporary = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}"
        with storage_errors(folder):
            try:
                with temporary.open("wb") as stream:
                    while done < len(entries) and stream.tell() < _PART_BYTES:
                        entry = entries[done]
                        row = _appended(stream, model, entry, part)
                        rows += [] if row is None else [(entry.uid, row)]
                        done += 1
                        announce(on_progress, ProgressEvent("pack", done, len(entries), entry.uid))
                temporary.replace(folder / _part_name(part))
            finally:
                temporary.unlink(missing_ok=True)
        yield from rows
        part += 1


def _appended(stream: BinaryIO, model: str, entry: Entry, part: int) -> Any:  # noqa: ANN401 - a structured row
    """Write an entry's features; None where it has none that fit."""
    made_of = _made_of(entry.folder, model)
    try:
        features = load_features(entry.folder, model, entry.stamp)
    except DatabaseError:
        return None
    if made_of is None or features.descriptors.dtype != np.float16:
        return None
    stream.write(b"\0" * (-stream.tell() % _ALIGNED_BYTES))
    count, dim = features.descriptors.shape
    row = np.zeros((), _ROW)
    row["part"], row["offset"], row["count"], row["dim"], row["stamp"] = part, stream.tell(), count, dim, entry.stamp
    for name, value in zip(_MADE_OF, made_of, strict=True):
        row[name] = value
    for array in (features.keypoints, features.scores, features.descriptors):
        stream.write(np.ascontiguousarray(array).tobytes())
    return row


def _unpacked(content: NDArray[np.uint8], row: Any) -> LocalFeatures:  # noqa: ANN401 - a structured row
    count, dim, start = int(row["count"]), int(row["dim"]), int(row["offset"])
    middle, scores = start + 12 * count, start + 8 * count
    keypoints = content[start:scores].view(np.float32).reshape(count, 2)
    descriptors = content[middle : middle + 2 * count * dim].view(np.float16).reshape(count, dim)
    return LocalFeatures(keypoints, content[scores:middle].view(np.float32), descriptors)


def _size(count: int, dim: int) -> int:
    return int(count) * (12 + 2 * int(dim))


def _made_of_row(row: Any) -> tuple[int, ...]:  # noqa: ANN401 - a structured row
    return tuple(int(row[name]) for name in _MADE_OF)


def _made_of(entry: Path, model: str) -> tuple[int, ...] | None:
    """Size and time of change of an entry's own files, and the size of its picture; None where one is missing."""
    try:
        points, described = keypoints_path(entry, model).stat(), descriptors_path(entry, model).stat()
        picture = (entry / "image.jpg").stat()
    except OSError:
        return None
    return points.st_size, points.st_mtime_ns, described.st_size, described.st_mtime_ns, picture.st_size


def _part_name(part: int) -> str:
    return f"part-{int(part):05d}.bin"


def _remove_unused(folder: Path, used: set[int]) -> None:
    names = {_part_name(part) for part in used}
    for path in folder.glob("part-*.bin"):
        if path.name not in names:
            path.unlink(missing_ok=True)
