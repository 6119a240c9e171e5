"""Where, when and by whom every entry was taken, as columns: what filters ask of a million entries at once.

The table is read from the entries' ``metadata.json`` once and kept in ``.geonav/places.npz`` of the database. An entry
is read again when the size or the time of change of its file is another; the rest is taken over.
"""

from __future__ import annotations

import calendar
import io
import json
import logging
import os
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from geonav.data.database import OWN_FOLDER, Database
from geonav.data.files import atomic_save_arrays
from geonav.data.metadata import ImageMetadata
from geonav.errors import DatabaseError, InputError, StorageError
from geonav.geometry.geodesy import ecef_from_geo
from geonav.geometry.pose import camera_center

logger = logging.getLogger(__name__)

PLACES_FILE = "places.npz"
_FORMAT = 1
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ].*)?)?)?")
_NUMBERS = ("lat", "lng", "azimuth", "first_day", "last_day")
_WORDS = ("provider", "panorama")
UNKNOWN_DAY = -1
Floats = NDArray[np.float64]


def day_range(text: str) -> tuple[int, int]:
    """First and last day that an ISO 8601 date, or its beginning (``2019``, ``2019-05``), may mean.

    Days are numbered as by ``datetime.date.toordinal``.

    Raises:
        InputError: it is no date.
    """
    found = _DATE.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError(text)  # noqa: TRY301 - both kinds of wrong date end below
        year, month, day = (int(part) if part else None for part in found.groups())
        first = date(int(year or 0), month or 1, day or 1)
        last_month = month or 12
        last = date(first.year, last_month, day or calendar.monthrange(first.year, last_month)[1])
    except ValueError as error:
        msg = f"'{text}' is no date: write it as 2024, 2024-05 or 2024-05-31"
        raise InputError(msg) from error
    return first.toordinal(), last.toordinal()


@dataclass(frozen=True)
class Words:
    """A column of words, most of which occur many times.

    Attributes:
        names: each word once.
        code: (N,) int32, which of them a row holds.
    """

    names: list[str]
    code: NDArray[np.int32]

    @classmethod
    def of(cls, words: Iterable[str]) -> Self:
        """The column that holds some words."""
        codes: dict[str, int] = {}
        code = [codes.setdefault(word, len(codes)) for word in words]
        return cls(list(codes), np.array(code, np.int32))

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.code)

    def __getitem__(self, row: int) -> str:
        """The word of a row."""
        return self.names[int(self.code[row])]

    def are(self, word: str) -> NDArray[np.bool_]:
        """Whether each row (N,) holds a word."""
        return np.isin(self.code, [code for code, name in enumerate(self.names) if name == word])


@dataclass(frozen=True)
class Places:
    """Columns over a database's entries, sorted by uid; what is not known is NaN, -1 or the empty word.

    Attributes:
        uids: names of the entries.
        lat: degrees (N,).
        lng: degrees (N,).
        azimuth: of the optical axis, degrees clockwise from true north, in [0, 360), (N,).
        first_day: earliest day of capture (N,) int32, as ``datetime.date.toordinal``; -1 where not known.
        last_day: latest day of capture (N,) int32.
        provider: where the picture comes from.
        panorama: the provider's name of the panorama a view was cut from.
        stamp: (N, 2) int64, time of change and size of the file that was read.
    """

    uids: list[str]
    lat: Floats
    lng: Floats
    azimuth: Floats
    first_day: NDArray[np.int32]
    last_day: NDArray[np.int32]
    provider: Words
    panorama: Words
    stamp: NDArray[np.int64]

    def __len__(self) -> int:
        """The number of entries."""
        return len(self.uids)

    @classmethod
    def of(cls, database: Database) -> Self:
        """The table of a database as it is now; what was read earlier and has not changed is not read again.

        An entry whose metadata cannot be read stays, with nothing known of it. The table is stored unless the
        database cannot be written.
        """
        path = database.path / OWN_FOLDER / PLACES_FILE
        uids = database.uids()
        known = cls._stored(path)
        rows = known.rows_of(uids)
        stamps = _stamps(database, uids)
        if known.uids == uids and np.array_equal(known.stamp, stamps):
            return known
        fresh = (rows < 0) | (known.stamp[rows] != stamps).any(1) if len(known) else np.ones(len(uids), np.bool_)
        changed = np.flatnonzero(fresh).tolist()
        logger.info("%s: the metadata of %d of %d entries is read", database.path, len(changed), len(uids))
        read = [_read(database, uids[row]) for row in changed]
        table = cls(uids=uids, **_merged(known, (rows, changed, read)), stamp=stamps)
        try:
            atomic_save_arrays(path, **table._arrays())
        except (StorageError, FileNotFoundError) as error:
            logger.info("the table of places is not stored: %s", error)
        return table

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {uid: row for row, uid in enumerate(self.uids)}

    def rows_of(self, uids: Iterable[str]) -> NDArray[np.int64]:
        """The rows of some entries, -1 for those that are not in the table."""
        return np.array([self._row_of.get(uid, -1) for uid in uids], np.int64)

    @cached_property
    def ecef_m(self) -> Floats:
        """Positions on the ellipsoid (N, 3), Earth-centred metres; NaN where not known."""
        found = np.full((len(self), 3), np.nan)
        known = np.isfinite(self.lat)
        found[known] = ecef_from_geo(self.lat[known], self.lng[known], 0.0)
        return found

    @classmethod
    def _stored(cls, path: Path) -> Self:
        """The table as it was stored, empty where there is none of this format."""
        try:
            # From memory: numpy leaves a broken file open.
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                if int(arrays["format"]) != _FORMAT:
                    raise ValueError(path)
                columns: dict[str, Any] = {name: arrays[name] for name in (*_NUMBERS, "stamp")}
                columns["uids"] = json.loads(arrays["uids"].tobytes())
                for name in _WORDS:
                    columns[name] = Words(json.loads(arrays[f"{name}_names"].tobytes()), arrays[name])
            table = cls(**columns)
            if len({len(column) for column in (getattr(table, item.name) for item in fields(cls))}) == 1:
                return table
        except _UNREADABLE as error:
            logger.debug("no table of places at %s: %s", path, error)
        floats, days = np.zeros(0), np.zeros(0, np.int32)
        return cls([], floats, floats, floats, days, days, Words.of([]), Words.of([]), np.zeros((0, 2), np.int64))

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays = {"format": np.array(_FORMAT), "uids": _packed(self.uids)}
        for name in (*_NUMBERS, "stamp"):
            arrays[name] = getattr(self, name)
        for name in _WORDS:
            column: Words = getattr(self, name)
            arrays |= {name: column.code, f"{name}_names": _packed(column.names)}
        return arrays


def _packed(words: Sequence[str]) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(words, separators=(",", ":")).encode(), np.uint8)


def _stamps(database: Database, uids: Sequence[str]) -> NDArray[np.int64]:
    """Time of change and size of every metadata file (N, 2); -1 where there is none."""
    folder = os.fspath(database.path)
    found = np.full((len(uids), 2), -1, np.int64)
    for row, uid in enumerate(uids):
        try:
            state = os.stat(f"{folder}/{uid}/metadata.json")  # noqa: PTH116 - a Path takes five times as long
        except OSError:
            continue
        found[row] = state.st_mtime_ns, state.st_size
    return found


def _merged(known: Places, new: tuple[NDArray[np.int64], list[int], list[tuple[Any, ...]]]) -> dict[str, Any]:
    """The columns but uids and stamps: old rows (-1 where there is none) with what was read put over them."""
    rows, changed, read = new
    columns: dict[str, Any] = {}
    for number, name in enumerate(_NUMBERS):
        old = getattr(known, name)
        column = old[rows] if len(old) else np.zeros(len(rows), old.dtype)
        column[changed] = [item[number] for item in read]
        columns[name] = column
    for number, name in enumerate(_WORDS, start=len(_NUMBERS)):
        old_words: Words = getattr(known, name)
        words = [old_words[row] if row >= 0 else "" for row in rows.tolist()]
        for row, item in zip(changed, read, strict=True):
            words[row] = item[number]
        columns[name] = Words.of(words)
    return columns


def _read(database: Database, uid: str) -> tuple[Any, ...]:
    """One row: lat, lng, azimuth, first_day, last_day, provider, panorama."""
    try:
        metadata = database.metadata(uid)
    except DatabaseError as error:
        logger.info("%s: nothing is known of its place: %s", uid, error)
        return np.nan, np.nan, np.nan, UNKNOWN_DAY, UNKNOWN_DAY, "", ""
    lat, lng = _position(database, metadata)
    azimuth = np.nan if metadata.azn is None else metadata.azn % 360.0
    panorama = (metadata.model_extra or {}).get("pano_id")
    return lat, lng, azimuth, *_days(metadata), metadata.provider or "", panorama if isinstance(panorama, str) else ""


def _position(database: Database, metadata: ImageMetadata) -> tuple[float, float]:
    """Latitude and longitude as written, else those of the pose, else NaN."""
    if metadata.lat is not None and metadata.lng is not None:
        return metadata.lat, metadata.lng
    pose = metadata.pose
    if pose is None or database.origin is None:
        return np.nan, np.nan
    lat, lng, _ = database.frame.geo_from_enu(camera_center(pose))
    return float(lat), float(lng)


def _days(metadata: ImageMetadata) -> tuple[int, int]:
    if metadata.captured_at is None:
        return UNKNOWN_DAY, UNKNOWN_DAY
    try:
        return day_range(metadata.captured_at)
    except InputError:
        return UNKNOWN_DAY, UNKNOWN_DAY
