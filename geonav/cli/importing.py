"""``geonav import``: posed photos go into a database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geonav.cli import output
from geonav.cli.options import (
    AltDatum,
    AltDatumOption,
    DatabaseOption,
    ExcludeOption,
    HeadingStdOption,
    IncludeOption,
    JsonOption,
    OriginOption,
    PositionStdOption,
)
from geonav.cli.progress import progress_bars
from geonav.cli.session import Session, database_path

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
    as_json: JsonOption = False,
) -> None:
    """Import a COLMAP model; a second one with another --origin goes into the database's frame."""
    from geonav.geometry.geodesy import GeoPoint
    from geonav.pipeline.importing import ColmapImport, import_colmap

    session = Session.of(context)
    path = database_path(session.config({"database": database}))
    options = ColmapImport(
        images=images,
        origin=None if origin is None else GeoPoint(*origin),
        alt_datum=alt_datum.value,
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        position_std_m=position_std_m,
        heading_std_deg=heading_std_deg,
    )
    with progress_bars(session) as on_progress:
        report = import_colmap(path, model, options, on_progress)
    output.write_import(report, path, as_json=as_json)


@app.command("folder")
def folder(
    context: typer.Context,
    photos: Annotated[Path, typer.Argument(metavar="FOLDER", help="folder of geotagged photos", show_default=False)],
    database: DatabaseOption = None,
    include: IncludeOption = None,
    exclude: ExcludeOption = None,
    position_std_m: PositionStdOption = None,
    heading_std_deg: HeadingStdOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import photos whose EXIF says where they were taken, and which way where there is a compass."""
    from geonav.pipeline.importing import FolderImport, import_folder

    session = Session.of(context)
    path = database_path(session.config({"database": database}))
    options = FolderImport(
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        position_std_m=position_std_m,
        heading_std_deg=heading_std_deg,
    )
    with progress_bars(session) as on_progress:
        report = import_folder(path, photos, options, on_progress)
    output.write_import(report, path, as_json=as_json)


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
    from geonav.geometry.geodesy import GeoPoint
    from geonav.pipeline.importing import DatabaseImport, import_database

    session = Session.of(context)
    path = database_path(session.config({"database": database}))
    options = DatabaseImport(
        origin=None if origin is None else GeoPoint(*origin),
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        position_std_m=position_std_m,
        heading_std_deg=heading_std_deg,
    )
    with progress_bars(session) as on_progress:
        report = import_database(path, source, options, on_progress)
    output.write_import(report, path, as_json=as_json)
