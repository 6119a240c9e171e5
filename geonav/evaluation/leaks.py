"""Queries that are not as new as they seem: copies of references, of the same drive, of the same place and minute.

A run over such queries measures how well a database finds itself. They are reported, and can be left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geonav.data.database import Database
from geonav.errors import InputError
from geonav.evaluation.record import QueryRecord
from geonav.evaluation.run_folder import Run

SAME_FILE = "same_file"
NEAR_DUPLICATE = "near_duplicate"
SAME_SEQUENCE = "same_sequence"
SAME_PLACE_AND_TIME = "same_place_and_time"
KINDS = (SAME_FILE, NEAR_DUPLICATE, SAME_SEQUENCE, SAME_PLACE_AND_TIME)
_EARTH_M_PER_DEG = 111_320.0
# A copy is found at once: of more hits no file is read.
_HITS_READ = 3
_NAMED = 3
_THE_FILE = "the very file is a reference"
# As a result's notes say it.
_LEFT_OUT = re.compile("the photo is itself the reference (.+), which was left out")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LeakLimits:
    """What is too near.

    Attributes:
        within_m: of a reference taken at the same time, along the ground.
        within_s: between the two.
        similarity: of the global descriptors, 1 for equal pictures; other photos of a place stay well below.
    """

    within_m: float = 25.0
    within_s: float = 600.0
    similarity: float = 0.98


@dataclass(frozen=True)
class Known:
    """What is known of a reference; empty or None where it is not.

    Attributes:
        uid: its name.
        sha256: of the file it was made of.
        sequence: the drive it belongs to.
        captured_at: ISO 8601.
        lat: degrees.
        lng: degrees.
    """

    uid: str
    sha256: str = ""
    sequence: str = ""
    captured_at: str | None = None
    lat: float | None = None
    lng: float | None = None


@dataclass(frozen=True)
class Leak:
    """One query and the references that give it away.

    Attributes:
        query: its name.
        kind: ``same_file``, ``near_duplicate``, ``same_sequence`` or ``same_place_and_time``.
        references: the first few of them.
        num_references: how many there are.
        detail: for people.
    """

    query: str
    kind: str
    references: tuple[str, ...]
    num_references: int
    detail: str


def known_references(database: Database, records: Iterable[QueryRecord] = ()) -> list[Known]:
    """What a database says of its entries.

    Args:
        database: the references.
        records: queries; of entries that do not say which file they were made of, the best hits' own are read.
    """
    read = {hit.uid for record in records for hit in record.retrieved[:_HITS_READ]}
    return [_known(database, uid, may_read=uid in read) for uid in database.uids()]


def find_leaks(
    records: Sequence[QueryRecord], references: Sequence[Known], limits: LeakLimits | None = None
) -> tuple[Leak, ...]:
    """All reasons for which a query is not new, in the order of the queries; photos from elsewhere are searched too.

    A sequence is one by its name, which a provider gives; times without a time of day, or of which one has no offset
    from UTC and the other has, are not compared.
    """
    limits, known = limits or LeakLimits(), _Table(references)
    found = []
    for record in records:
        for kind, uids, detail in (
            _copies(record, known),
            _duplicates(record, limits),
            _same_sequence(record, known),
            _same_time(record, known, limits),
        ):
            if uids:
                found.append(Leak(record.name, kind, tuple(uids[:_NAMED]), len(uids), detail))
    return tuple(found)


def leak_summary(leaks: Sequence[Leak], num_queries: int) -> dict[str, Any]:
    """How many queries leak, altogether and by kind, and which.

    Returns:
        ``num_queries``, ``num_leaking``, ``by_kind``, and ``leaks`` with a mapping each.
    """
    return {
        "num_queries": num_queries,
        "num_leaking": len({leak.query for leak in leaks}),
        "by_kind": {kind: sum(leak.kind == kind for leak in leaks) for kind in KINDS},
        "leaks": [
            {"query": leak.query, "kind": leak.kind, "references": ", ".join(leak.references), "detail": leak.detail}
            for leak in leaks
        ],
    }


def without_leaks(run: Run, leaks: Iterable[Leak]) -> Run:
    """The run without its leaking queries."""
    leaking = {leak.query for leak in leaks}
    kept = [index for index, record in enumerate(run.records) if record.name not in leaking]
    records, results = (tuple(lines[index] for index in kept) for lines in (run.records, run.results))
    return Run(run.folder, run.info, records, results)  # type: ignore[arg-type]


def checked_for_leaks(run: Run, references: Database | None, *, drop: bool = False) -> tuple[Run, dict[str, Any]]:
    """Look a run through.

    Args:
        run: as it was recorded.
        references: what it was located against; None where that is no longer there.
        drop: leave the leaking queries out.

    Returns:
        The run, without its leaking queries if they are to be dropped, and the leaks as :func:`leak_summary` has them
        with ``dropped``; empty where the references are not there.

    Raises:
        InputError: leaks are to be dropped and the references are not there, or every query leaks.
    """
    if references is None:
        if drop:
            msg = f"the references {run.info.reference_set} of {run.folder} are not there, which --drop-leaks needs"
            raise InputError(msg)
        return run, {}
    leaks = find_leaks(run.records, known_references(references, run.records))
    told = {leak.query for leak in leaks if leak.kind == SAME_FILE}
    leaks = (*(leak for leak in _left_out(run) if leak.query not in told), *leaks)
    found = {"dropped": drop, **leak_summary(leaks, len(run.records))}
    if not drop:
        return run, found
    kept = without_leaks(run, leaks)
    if all(record.is_distractor for record in kept.records):
        msg = f"every query of {run.folder} is given away by references: score it without --drop-leaks to see by which"
        raise InputError(msg)
    return kept, found


def _left_out(run: Run) -> list[Leak]:
    """Queries whose own reference locating came upon and left out, which the retrieved references do not hold."""
    found = []
    for record, result in zip(run.records, run.results, strict=True):
        uids = [match[1] for match in map(_LEFT_OUT.fullmatch, result.notes) if match]
        if uids:
            found.append(Leak(record.name, SAME_FILE, tuple(uids[:_NAMED]), len(uids), _THE_FILE))
    return found


class _Table:
    """The references as columns, so that each query asks all of them at once."""

    def __init__(self, references: Sequence[Known]) -> None:
        self.uids = [reference.uid for reference in references]
        self._references = references

    @cached_property
    def by_sha256(self) -> dict[str, list[str]]:
        return _grouped((reference.sha256, reference.uid) for reference in self._references)

    @cached_property
    def by_sequence(self) -> dict[str, list[str]]:
        return _grouped((reference.sequence, reference.uid) for reference in self._references)

    @cached_property
    def places(self) -> Floats:
        """Latitude and longitude (N, 2), degrees; NaN where not known."""
        places = [(reference.lat, reference.lng) for reference in self._references]
        return np.array(places, float).reshape(-1, 2)

    @cached_property
    def times(self) -> Floats:
        """Seconds (N, 2): since 1970 where UTC is known, and local time where it is not; NaN for the other."""
        return np.array([_instant(reference.captured_at) for reference in self._references], float).reshape(-1, 2)


def _known(database: Database, uid: str, *, may_read: bool) -> Known:
    metadata = database.metadata(uid)
    sha256 = metadata.source_sha256
    if sha256 is None and may_read:
        path = database.image_path(uid)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    sequence = (metadata.model_extra or {}).get("sequence")
    return Known(
        uid, sha256 or "", "" if sequence is None else str(sequence), metadata.captured_at, metadata.lat, metadata.lng
    )


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, uid in pairs:
        if key:
            found.setdefault(key, []).append(uid)
    return found


Found = tuple[str, list[str], str]


def _copies(record: QueryRecord, known: _Table) -> Found:
    return SAME_FILE, known.by_sha256.get(record.sha256, []), _THE_FILE


def _duplicates(record: QueryRecord, limits: LeakLimits) -> Found:
    like = [hit for hit in record.retrieved if limits.similarity <= hit.similarity <= 1.001]
    best = max((hit.similarity for hit in like), default=0.0)
    return NEAR_DUPLICATE, [hit.uid for hit in like], f"global descriptors alike to {best:.4f}"


def _same_sequence(record: QueryRecord, known: _Table) -> Found:
    sequence = record.sequence or ""
    return SAME_SEQUENCE, known.by_sequence.get(sequence, []), f"of sequence {sequence}"


def _same_time(record: QueryRecord, known: _Table, limits: LeakLimits) -> Found:
    nothing: Found = SAME_PLACE_AND_TIME, [], ""
    time = np.array(_instant(record.captured_at))
    if record.truth is None or np.isnan(time).all():
        return nothing
    offset = (known.places - [record.truth.lat, record.truth.lng]) * _EARTH_M_PER_DEG
    offset[:, 1] *= np.cos(np.radians(record.truth.lat))
    away_m = np.hypot(offset[:, 0], offset[:, 1])
    apart_s = np.abs(known.times - time)
    apart_s = np.where(np.isnan(apart_s), np.inf, apart_s).min(axis=1)
    rows = np.flatnonzero((away_m <= limits.within_m) & (apart_s <= limits.within_s))
    rows = rows[np.argsort(away_m[rows], kind="stable")]
    if not len(rows):
        return nothing
    detail = f"{away_m[rows[0]]:.1f} m and {apart_s[rows[0]]:.0f} s from {known.uids[rows[0]]}"
    return SAME_PLACE_AND_TIME, [known.uids[row] for row in rows], detail


def _instant(text: str | None) -> tuple[float, float]:
    """Seconds since 1970 in UTC and in an unknown zone; NaN for the one that is not known."""
    unknown = float("nan")
    if text is None or len(text) <= len("2026-05-31"):
        return unknown, unknown
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return unknown, unknown
    if time.tzinfo is None:
        return unknown, time.replace(tzinfo=UTC).timestamp()
    return time.timestamp(), unknown
