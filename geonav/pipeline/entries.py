"""Pictures become entries: each under a uid of its own, each once."""

from __future__ import annotations

import hashlib
import logging
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from geonav.data.database import Database
from geonav.data.images import prepare_image, read_image_bytes
from geonav.data.metadata import ImageMetadata
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.errors import DatabaseError, InputError
from geonav.providers.source import Candidate

logger = logging.getLogger(__name__)
_MAX_STEM = 100
_SAME_RTOL, _SAME_ATOL = 1e-12, 1e-9


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes:
        added: uids of new entries.
        updated: uids of entries whose metadata changed; their pictures are the same.
        skipped: uids of entries that were there already.
        failed: names of pictures that were not imported, each with the reason.
        notes: names of imported pictures with what should be known about them.
    """

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)


def store_all(database: Database, found: Sequence[Candidate], on_progress: OnProgress | None) -> ImportReport:
    """Store pictures one by one; what cannot be imported is reported and the rest goes on.

    Raises:
        DatabaseError: another process is writing the database.
        StorageError: the database cannot be written; what was stored before stays.
    """
    report = ImportReport()
    with database.lock():
        database.remove_drafts()
        for done, candidate in enumerate(found, 1):
            try:
                _store_one(database, candidate, report)
            except InputError as error:
                logger.info("not imported: %s: %s", candidate.name, error)
                report.failed.append((candidate.name, str(error)))
            announce(on_progress, ProgressEvent("import", done, len(found), candidate.name))
    return report


def _store_one(database: Database, candidate: Candidate, report: ImportReport) -> None:
    picture = prepare_image(candidate.path)
    described, notes = candidate.describe(picture)
    known = described.model_dump()
    known |= {"source_name": described.source_name or candidate.name, "source_sha256": picture.sha256}
    if described.alt is not None:
        known["alt_datum"] = described.alt_datum or database.alt_datum
    metadata = ImageMetadata.model_validate(known)
    uid, is_there = _place(database, candidate.name, metadata)
    if not is_there:
        mask = None if candidate.mask is None else read_image_bytes(candidate.mask)
        database.add_entry(uid, picture.jpeg, metadata, mask)
        report.added.append(uid)
    elif _refresh(database, uid, metadata):
        report.updated.append(uid)
    else:
        report.skipped.append(uid)
    report.notes.extend((candidate.name, note) for note in notes)


def _place(database: Database, name: str, metadata: ImageMetadata) -> tuple[str, bool]:
    """The uid of a picture, and whether that very picture is there already.

    The uid is the name's stem. Where another picture has it, a few digits follow that depend on the
    source's name and content alone, so that every import gives the same uid.
    """
    stem = _safe_stem(name)
    digits = hashlib.sha256(f"{metadata.source_name}\n{metadata.source_sha256}".encode()).hexdigest()
    for uid in (stem, f"{stem}-{digits[:8]}", f"{stem}-{digits}"):
        if uid not in database:
            return uid, False
        if _is_same(database, uid, metadata):
            return uid, True
    msg = f"{database.path} has other pictures under every name for '{name}': rename it"
    raise InputError(msg)


def _is_same(database: Database, uid: str, metadata: ImageMetadata) -> bool:
    try:
        stored = database.metadata(uid)
    except DatabaseError:
        return False
    return (stored.source_name, stored.source_sha256) == (metadata.source_name, metadata.source_sha256)


def _safe_stem(name: str) -> str:
    """The last part of a name without its suffix, as a readable folder name."""
    stem = unicodedata.normalize("NFC", PurePosixPath(name.replace("\\", "/")).stem)
    return re.sub(r"[^\w.-]+", "_", stem).strip(".-")[:_MAX_STEM].rstrip(".") or "image"


def _refresh(database: Database, uid: str, metadata: ImageMetadata) -> bool:
    """Bring an entry's metadata up to date; keys that only it has are kept. Whether there was news."""
    stored = database.metadata(uid)
    news = {key: value for key, value in metadata.model_dump().items() if value is not None}
    old = stored.model_dump()
    if all(_is_close(old.get(key), value) for key, value in news.items()):
        return False
    database.replace_metadata(uid, ImageMetadata.model_validate(old | news))
    return True


def _is_close(old: Any, new: Any) -> bool:  # noqa: ANN401 - any JSON
    try:
        return bool(np.allclose(np.array(old, float), np.array(new, float), rtol=_SAME_RTOL, atol=_SAME_ATOL))
    except (TypeError, ValueError):
        return bool(old == new)
