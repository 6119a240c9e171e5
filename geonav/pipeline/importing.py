"""``geonav import``: pictures of a source become entries of a database.

Importing again does nothing to pictures that are there already with the same pose; a picture that is
there with another description gets the new one. An interrupted import leaves whole entries only, and
the next run goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geonav.data.database import Database
from geonav.data.progress import OnProgress
from geonav.errors import InputError, UsageError
from geonav.geometry.geodesy import GeoPoint, LocalFrame
from geonav.pipeline.entries import ImportReport, store_all
from geonav.providers.source import in_sequence

if TYPE_CHECKING:
    from geonav.providers.colmap import ColmapModel

__all__ = [
    "ColmapImport",
    "DatabaseImport",
    "FolderImport",
    "ImportOptions",
    "ImportReport",
    "import_colmap",
    "import_database",
    "import_folder",
    "target_database",
]


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What all imports take.

    Attributes:
        include: globs on the picture's name or its last part; none takes all.
        exclude: globs of what is left out.
        position_std_m: how far positions are to be trusted; None takes the source's default.
        heading_std_deg: how far azimuths are to be trusted; None takes the source's default.
        sequence: the drive that the pictures are of: their positions are taken to be off by something in common.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    position_std_m: float | None = None
    heading_std_deg: float | None = None
    sequence: str | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            UsageError: a standard deviation is not a positive number.
        """
        for name in ("position_std_m", "heading_std_deg"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                msg = f"{name} is {value}, but must be a positive number"
                raise UsageError(msg)


@dataclass(frozen=True, kw_only=True)
class ColmapImport(ImportOptions):
    """How to import a COLMAP model.

    Attributes:
        images: folder of the pictures.
        origin: where the model's East-North-Up frame touches the Earth; None for a model that is
            geo-registered in Earth-centred (ECEF) metres.
        alt_datum: what the origin's height refers to.
    """

    images: Path | str
    origin: GeoPoint | None = None
    alt_datum: str = "wgs84"


@dataclass(frozen=True, kw_only=True)
class FolderImport(ImportOptions):
    """How to import a folder of geotagged photos."""


@dataclass(frozen=True, kw_only=True)
class DatabaseImport(ImportOptions):
    """How to import another database.

    Attributes:
        origin: of the other database, where it does not say itself.
    """

    origin: GeoPoint | None = None


def import_colmap(
    database_path: Path | str, model_path: Path | str, options: ColmapImport, on_progress: OnProgress | None = None
) -> ImportReport:
    """Import a COLMAP model, text or binary.

    With an origin the model's world is East-North-Up metres there, and is taken by an exact rigid
    motion of ECEF to the database's frame; without one its world must be ECEF.

    Raises:
        InputError: the model is missing or broken, or nothing of it is selected.
        UsageError: an origin is needed, or heights are in another datum than the database's.
        StorageError: the database cannot be written; what was imported before stays.
    """
    from geonav.providers import colmap
    from geonav.providers.source import Trust, selected

    model = colmap.read_model(Path(model_path))
    images = tuple(selected(model.images, lambda image: image.name, options.include, options.exclude))
    folder = Path(options.images)
    if not folder.is_dir():
        msg = f"there is no folder {folder}: name the one that holds the model's images"
        raise InputError(msg)
    model = colmap.ColmapModel(model.path, images)
    database = target_database(database_path, _model_origin(model, options), options.alt_datum)
    if model.is_geo_registered:
        world_from_model = colmap.world_from_ecef(database.frame)
    else:
        world_from_model = database.frame.rigid_from(LocalFrame(_model_origin(model, options)))
    trust = Trust(
        options.position_std_m or colmap.DEFAULT_TRUST.position_std_m,
        options.heading_std_deg or colmap.DEFAULT_TRUST.heading_std_deg,
    )
    found = colmap.candidates(model, folder, world_from_model, database.frame, trust)
    return store_all(database, in_sequence(found, options.sequence), on_progress)


def import_folder(
    database_path: Path | str, folder: Path | str, options: FolderImport, on_progress: OnProgress | None = None
) -> ImportReport:
    """Import photos whose EXIF says where they were taken.

    Raises:
        InputError: the folder is missing, or no photo of it is selected or has a position.
        StorageError: the database cannot be written; what was imported before stays.
    """
    from geonav.providers import folder as provider
    from geonav.providers.source import selected

    photos = provider.find_photos(Path(folder))
    photos = selected(photos, lambda photo: photo[0], options.include, options.exclude)
    origin, alt_datum = provider.survey(photos)
    database = target_database(database_path, origin, None, alt_datum)
    found = provider.candidates(
        photos,
        database.frame,
        database.alt_datum,
        position_std_m=options.position_std_m,
        heading_std_deg=options.heading_std_deg,
    )
    return store_all(database, in_sequence(found, options.sequence), on_progress)


def import_database(
    database_path: Path | str, source_path: Path | str, options: DatabaseImport, on_progress: OnProgress | None = None
) -> ImportReport:
    """Import the entries of another database of this structure, each of them validated.

    Pictures, masks and metadata are taken; features are computed anew by the next index.

    Raises:
        InputError: there is no other database, or nothing of it is selected.
        UsageError: its heights are in another datum.
        StorageError: the database cannot be written; what was imported before stays.
    """
    from geonav.providers import geonav_database as provider
    from geonav.providers.source import selected

    source = Database.open(source_path)
    if Path(source_path).resolve() == Path(database_path).resolve():
        msg = f"{source_path} cannot be imported into itself: name another --database"
        raise UsageError(msg)
    origin = options.origin or provider.origin_of(source)
    database = target_database(database_path, origin, source.alt_datum)
    frame = database.frame if database.origin is not None else LocalFrame(GeoPoint(0.0, 0.0, 0.0))
    trust = (options.position_std_m, options.heading_std_deg)
    found = provider.candidates(source, frame, None if origin is None else LocalFrame(origin), trust)
    found = selected(found, lambda candidate: candidate.name, options.include, options.exclude)
    return store_all(database, in_sequence(found, options.sequence), on_progress)


def _model_origin(model: ColmapModel, options: ColmapImport) -> GeoPoint:
    if options.origin is not None:
        return options.origin
    if not model.is_geo_registered:
        msg = f"COLMAP model {model.path} is not geo-registered: say where its frame lies with --origin LAT LNG ALT"
        raise UsageError(msg)
    return model.centroid()


def target_database(
    path: Path | str, origin: GeoPoint | None, alt_datum: str | None, new_datum: str = "wgs84"
) -> Database:
    """The database to import into, made if there is none; ``alt_datum`` must be its datum unless None.

    Raises:
        UsageError: it is not.
    """
    from geonav.providers.geonav_database import origin_of

    folder = Path(path)
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return Database.create(folder, origin, alt_datum or new_datum)
    database = Database.open(folder)
    if alt_datum is not None and alt_datum != database.alt_datum:
        datums = f"heights in {folder} are {database.alt_datum}, these are {alt_datum}"
        msg = f"{datums}: say --alt-datum {database.alt_datum} if they are that, or use another database"
        raise UsageError(msg)
    if database.origin is None and origin is not None:
        database.set_origin(origin_of(database) or origin, database.alt_datum)
    return database
