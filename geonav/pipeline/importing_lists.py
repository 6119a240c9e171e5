"""``geonav import vpr`` and ``kapture``: trees and lists of other tools become entries of a database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from geonav.data.progress import OnProgress
from geonav.errors import InputError
from geonav.formats.kapture import KaptureImage, read_kapture
from geonav.formats.vpr import UtmZone, parse_name
from geonav.geometry.geodesy import GeoPoint, LocalFrame
from geonav.pipeline.entries import ImportReport, store_all
from geonav.pipeline.importing import ImportOptions, target_database
from geonav.providers import listed
from geonav.providers.folder import find_photos
from geonav.providers.source import Trust, selected

_VPR_TRUST = Trust(position_std_m=5.0, heading_std_deg=10.0)
_KAPTURE_TRUST = Trust(position_std_m=0.1, heading_std_deg=0.2)


@dataclass(frozen=True, kw_only=True)
class VprImport(ImportOptions):
    """How to import a tree of ``@east@north@...`` photos.

    Attributes:
        zone: UTM zone of names that do not say theirs, as in "32U"; None where all do.
    """

    zone: str | None = None


@dataclass(frozen=True, kw_only=True)
class KaptureImport(ImportOptions):
    """How to import a kapture.

    Attributes:
        origin: where its world's East-North-Up frame touches the Earth; None takes GNSS positions instead of poses.
        alt_datum: what the origin's height, or that of GNSS, refers to.
    """

    origin: GeoPoint | None = None
    alt_datum: str = "wgs84"


def import_vpr(
    database_path: Path | str, folder: Path | str, options: VprImport, on_progress: OnProgress | None = None
) -> ImportReport:
    """Import photos whose names say where they were taken; they get a position, perhaps a heading, and no ``E``.

    The height in a name is of no known datum and is not taken.

    Raises:
        InputError: the folder is missing, or no photo of it is selected or has a position.
        StorageError: the database cannot be written; what was imported before stays.
    """
    zone = None if options.zone is None else UtmZone.parse(options.zone)
    photos = selected(find_photos(Path(folder)), lambda photo: photo[0], options.include, options.exclude)
    images, failed = [], []
    for name, path in photos:
        try:
            said = parse_name(name, zone)
        except InputError as error:
            failed.append((name, str(error)))
            continue
        place = said.place.lat_deg, said.place.lng_deg, None
        images.append(listed.ListedImage(name, path, place=place, heading_deg=said.heading_deg, notes=said.doubts))
    if not images:
        msg = f"none of {len(photos)} photos in {folder} can be placed: {failed[0][1]}"
        raise InputError(msg)
    database = target_database(database_path, listed.middle(images), None)
    found = listed.candidates(images, None, database.frame, _trust(options, _VPR_TRUST), "vpr")
    report = store_all(database, found, on_progress)
    report.failed.extend(failed)
    return report


def import_kapture(
    database_path: Path | str, folder: Path | str, options: KaptureImport, on_progress: OnProgress | None = None
) -> ImportReport:
    """Import the images of a kapture: their poses with an origin, else their GNSS positions.

    Raises:
        InputError: there is no kapture, it is broken, or nothing of it is selected or has a place on Earth.
        UsageError: heights are in another datum than the database's.
        StorageError: the database cannot be written; what was imported before stays.
    """
    read = selected(read_kapture(folder), lambda image: image.name, options.include, options.exclude)
    images = [_listed(image) for image in read]
    origin = options.origin or listed.middle(images)
    if origin is None:
        what = "GNSS positions" if read else "images"
        msg = f"kapture {folder} has no {what}: say where its world lies with --origin LAT LNG ALT"
        raise InputError(msg)
    database = target_database(database_path, origin, options.alt_datum)
    world = None if options.origin is None else database.frame.rigid_from(LocalFrame(options.origin))
    found = listed.candidates(images, world, database.frame, _trust(options, _KAPTURE_TRUST), "kapture")
    return store_all(database, found, on_progress)


def _listed(image: KaptureImage) -> listed.ListedImage:
    place = None if image.place is None else (image.place.lat_deg, image.place.lng_deg, image.place.alt_m)
    return listed.ListedImage(image.name, image.path, image.size, image.camera, image.pose, place)


def _trust(options: ImportOptions, default: Trust) -> Trust:
    return Trust(options.position_std_m or default.position_std_m, options.heading_std_deg or default.heading_std_deg)
