"""``geonav import``: posed photos go into a database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geonav.cli import output
from geonav.cli.options import (
    AltDatum,
    AltDatumOption,
    DatabaseOption,
    DriveOption,
    ExcludeOption,
    HeadingStdOption,
    IncludeOption,
    JsonOption,
    ModelOption,
    OriginOption,
    PositionStdOption,
)
from geonav.cli.progress import progress_bars
from geonav.cli.session import Session, database_path

if TYPE_CHECKING:
    from geonav.data.progress import OnProgress
    from geonav.geometry.geodesy import GeoPoint
    from geonav.pipeline.importing import ImportReport

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Put posed photos into a database.")


@app.command("colmap")
def colmap(
    context: typer.Context,
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="folder of the COLMAP model, text or binary", show_default=False)
    ],
    images: Annotated[Path, typer.Option("--images", help="folder of its photos", show_default=False)],
    database: DatabaseOption = None,
    origin: OriginOption = None,
    alt_datum: AltDatumOption = AltDatum.WGS84,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    position_std_m: PositionStdOption = None,
    heading_std_deg: HeadingStdOption = None,
    sequence: DriveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a COLMAP model; a second one with another --origin goes into the database's frame."""
    from geonav.pipeline.importing import ColmapImport, import_colmap

    shared = _shared(include, exclude, position_std_m, heading_std_deg)
    options = ColmapImport(images=images, origin=_point(origin), alt_datum=alt_datum.value, sequence=sequence, **shared)
    _run(context, database, as_json, lambda path, on_progress: import_colmap(path, model, options, on_progress))


@app.command("folder")
def folder(
    context: typer.Context,
    photos: Annotated[Path, typer.Argument(metavar="FOLDER", help="folder of geotagged photos", show_default=False)],
    database: DatabaseOption = None,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    position_std_m: PositionStdOption = None,
    heading_std_deg: HeadingStdOption = None,
    sequence: DriveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import photos whose EXIF says where they were taken, and which way where there is a compass."""
    from geonav.pipeline.importing import FolderImport, import_folder

    options = FolderImport(sequence=sequence, **_shared(include, exclude, position_std_m, heading_std_deg))
    _run(context, database, as_json, lambda path, on_progress: import_folder(path, photos, options, on_progress))


@app.command("database")
def database_(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="folder of the other database", show_default=False)],
    database: DatabaseOption = None,
    origin: OriginOption = None,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    position_std_m: PositionStdOption = None,
    heading_std_deg: HeadingStdOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import the entries of another database of this structure, checking each."""
    from geonav.pipeline.importing import DatabaseImport, import_database

    options = DatabaseImport(origin=_point(origin), **_shared(include, exclude, position_std_m, heading_std_deg))
    _run(context, database, as_json, lambda path, on_progress: import_database(path, source, options, on_progress))


@app.command("hloc")
def hloc(
    context: typer.Context,
    sfm: Annotated[
        Path, typer.Argument(metavar="SFM", help="folder of hloc's COLMAP model, text or binary", show_default=False)
    ],
    images: Annotated[Path, typer.Option("--images", help="folder of its photos", show_default=False)],
    database: DatabaseOption = None,
    features: Annotated[
        Path | None,
        typer.Option(
            "--features",
            metavar="H5",
            help="hloc's local features, taken for those of --model [default: none]",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    origin: OriginOption = None,
    alt_datum: AltDatumOption = AltDatum.WGS84,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    position_std_m: PositionStdOption = None,
    heading_std_deg: HeadingStdOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import what hloc made: the posed images of its model and, if given, their local features."""
    from geonav.pipeline.importing import ColmapImport
    from geonav.pipeline.importing_hloc import import_hloc

    shared = _shared(include, exclude, position_std_m, heading_std_deg)
    options = ColmapImport(images=images, origin=_point(origin), alt_datum=alt_datum.value, **shared)
    config = Session.of(context).config({"database": database, "local": {"model": model}})

    def start(path: Path, on_progress: OnProgress | None) -> ImportReport:
        return import_hloc(path, (sfm, features), options, config, on_progress)

    _run(context, database, as_json, start)


@app.command("vpr")
def vpr(
    context: typer.Context,
    photos: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="folder of @east@north@...@.jpg photos", show_default=False)
    ],
    database: DatabaseOption = None,
    zone: Annotated[
        str | None,
        typer.Option("--zone", metavar="32U", help="UTM zone of names that do not say theirs", show_default=False),
    ] = None,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    position_std_m: PositionStdOption = None,
    heading_std_deg: HeadingStdOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a place recognition benchmark's photos: positions from their names, for search and recall."""
    from geonav.pipeline.importing_lists import VprImport, import_vpr

    options = VprImport(zone=zone, **_shared(include, exclude, position_std_m, heading_std_deg))
    _run(context, database, as_json, lambda path, on_progress: import_vpr(path, photos, options, on_progress))


@app.command("kapture")
def kapture(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="folder of the kapture", show_default=False)],
    database: DatabaseOption = None,
    origin: OriginOption = None,
    alt_datum: AltDatumOption = AltDatum.WGS84,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    position_std_m: PositionStdOption = None,
    heading_std_deg: HeadingStdOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a kapture's images: with --origin their poses, else their GNSS positions."""
    from geonav.pipeline.importing_lists import KaptureImport, import_kapture

    shared = _shared(include, exclude, position_std_m, heading_std_deg)
    options = KaptureImport(origin=_point(origin), alt_datum=alt_datum.value, **shared)
    _run(context, database, as_json, lambda path, on_progress: import_kapture(path, source, options, on_progress))


def _shared(
    include: list[str] | None,
    exclude: list[str] | None,
    position_std_m: float | None,
    heading_std_deg: float | None,
) -> dict[str, Any]:
    """What every import takes."""
    return {
        "include": tuple(include or ()),
        "exclude": tuple(exclude or ()),
        "position_std_m": position_std_m,
        "heading_std_deg": heading_std_deg,
    }


def _point(origin: tuple[float, float, float] | None) -> GeoPoint | None:
    from geonav.geometry.geodesy import GeoPoint

    return None if origin is None else GeoPoint(*origin)


def _run(
    context: typer.Context,
    database: Path | None,
    as_json: bool,
    start: Callable[[Path, OnProgress | None], ImportReport],
) -> None:
    session = Session.of(context)
    path = database_path(session.config({"database": database}))
    with progress_bars(session) as on_progress:
        report = start(path, on_progress)
    output.write_import(report, path, as_json=as_json)
