"""``geonav import vpr`` and ``kapture``, and lists of one's own: what they describe becomes entries of a database."""

from __future__ import annotations

from collections.abc import Sequence
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
from geonav.providers.listed import ListedImage
from geonav.providers.source import Trust, selected

__all__ = ["KaptureImport", "ListImport", "ListedImage", "VprImport", "import_kapture", "import_list", "import_vpr"]

_VPR_TRUST = Trust(position_std_m=5.0, heading_std_deg=10.0)
_LIST_TRUST = Trust(position_std_m=0.1, heading_std_deg=0.2)


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


@dataclass(frozen=True, kw_only=True)
class ListImport(ImportOptions):
    """How to import pictures that a list of one's own describes.

    Attributes:
        origin: where the East-North-Up frame of the list's poses touches the Earth; None where it has positions alone.
        alt_datum: what heights refer to.
        provider: stored with each entry.
    """

    origin: GeoPoint | None = None
    alt_datum: str = "wgs84"
    provider: str = "list"


def import_list(
    database_path: Path | str,
    images: Sequence[ListedImage],
    options: ListImport,
    on_progress: OnProgress | None = None,
) -> ImportReport:
    """Import pictures with what a list says of each: camera, pose or position, heading.

    Raises:
        InputError: nothing is selected or has a place on Earth.
        UsageError: heights are in another datum than the database's.
        StorageError: the database cannot be written; what was imported before stays.
    """
    images = selected(images, lambda image: image.name, options.include, options.exclude)
    origin = options.origin or listed.middle(images)
    if origin is None:
        what = "positions" if images else "images"
        msg = f"the list for {database_path} has no {what}: say where its world lies with an origin (LAT LNG ALT)"
        raise InputError(msg)
    has_heights = options.origin is not None or any(image.place and image.place[2] is not None for image in images)
    database = target_database(database_path, origin, options.alt_datum if has_heights else None, options.alt_datum)
    world = None if options.origin is None else database.frame.rigid_from(LocalFrame(options.origin))
    found = listed.candidates(images, world, database.frame, _trust(options, _LIST_TRUST), options.provider)
    return store_all(database, found, on_progress)


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
        images.append(ListedImage(name, path, place=place, heading_deg=said.heading_deg, notes=said.doubts))
    if not images:
        msg = f"none of {len(photos)} photos in {folder} can be placed: {failed[0][1]}"
        raise InputError(msg)
    trust = _trust(options, _VPR_TRUST)
    as_list = ListImport(position_std_m=trust.position_std_m, heading_std_deg=trust.heading_std_deg, provider="vpr")
    report = import_list(database_path, images, as_list, on_progress)
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
    images = [_listed(image) for image in read_kapture(folder)]
    if options.origin is None and not any(image.place for image in images):
        what = "GNSS positions" if images else "images"
        msg = f"kapture {folder} has no {what}: say where its world lies with --origin LAT LNG ALT"
        raise InputError(msg)
    as_list = ListImport(**vars(options), provider="kapture")
    return import_list(database_path, images, as_list, on_progress)


def _listed(image: KaptureImage) -> ListedImage:
    place = None if image.place is None else (image.place.lat_deg, image.place.lng_deg, image.place.alt_m)
    return ListedImage(image.name, image.path, image.size, image.camera, image.pose, place)


def _trust(options: ImportOptions, default: Trust) -> Trust:
    return Trust(options.position_std_m or default.position_std_m, options.heading_std_deg or default.heading_std_deg)
