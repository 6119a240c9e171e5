"""``geonav export vpr``: a tree of photos whose names say where they were taken."""

from __future__ import annotations

from pathlib import Path

from geonav.data.database import Database
from geonav.data.files import atomic_write_bytes, storage_errors
from geonav.data.images import encode_jpeg, read_exif, read_image, read_image_bytes
from geonav.data.metadata import ImageMetadata
from geonav.errors import DatabaseError, InputError
from geonav.formats.vpr import VprPhoto, common_zone, format_name
from geonav.geometry.geodesy import GeoPoint
from geonav.pipeline.exporting import ExportReport


def export_vpr(
    database_path: Path | str, folder: Path | str, queries: Path | str | None = None, split: str = "test"
) -> ExportReport:
    """Write ``images/SPLIT/database`` and, with a query set, ``images/SPLIT/queries``, all in one UTM zone.

    Photos are copied; one that EXIF says is turned is stored upright, for readers of such trees do not look at EXIF.

    Args:
        database_path: the references.
        folder: the root of the tree.
        queries: a database of queries, or None.
        split: train, val or test.

    Raises:
        InputError: there is no database, nothing in it has a position, or the tree holds photos already.
        StorageError: the tree cannot be written.
    """
    report = ExportReport()
    roles = {"database": database_path} | ({} if queries is None else {"queries": queries})
    sets = {role: _placed(Database.open(path), report) for role, path in roles.items()}
    zone = common_zone([place for entries in sets.values() for _, _, _, place in entries])
    for role, entries in sets.items():
        target = Path(folder) / "images" / split / role
        _make_empty(target)
        for database, uid, metadata, place in entries:
            name = format_name(_photo(uid, metadata, place), zone, pitch_deg=metadata.pitch, roll_deg=metadata.roll)
            atomic_write_bytes(target / name, _upright_jpeg(database, uid))
            report.num_images += 1
    return report


def _placed(database: Database, report: ExportReport) -> list[tuple[Database, str, ImageMetadata, GeoPoint]]:
    entries = []
    for uid in database.uids():
        metadata = database.metadata(uid)
        if metadata.lat is None or metadata.lng is None:
            report.left_out.append((uid, "it has no position"))
        else:
            entries.append((database, uid, metadata, GeoPoint(metadata.lat, metadata.lng)))
    if not entries:
        msg = f"{database.path} has no entry with a position: there is nothing to export"
        raise DatabaseError(msg)
    return entries


def _make_empty(target: Path) -> None:
    with storage_errors(target):
        target.mkdir(parents=True, exist_ok=True)
    if any(target.iterdir()):
        msg = f"{target} holds photos already, which would be taken for this set's: choose another folder"
        raise InputError(msg)


def _photo(uid: str, metadata: ImageMetadata, place: GeoPoint) -> VprPhoto:
    azimuth = None if metadata.azn is None else round(metadata.azn % 360.0, 2) % 360.0
    taken = (metadata.captured_at or "")[:19].replace("-", "").replace(":", "").replace("T", "_")
    return VprPhoto(place, uid, azimuth, metadata.alt, taken, metadata.provider or "")


def _upright_jpeg(database: Database, uid: str) -> bytes:
    path = database.image_path(uid)
    if read_exif(path).orientation == 1:
        return read_image_bytes(path)
    return encode_jpeg(read_image(path).pixels)
