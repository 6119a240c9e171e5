"""``geonav export``: a database in the forms that other tools read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geonav.cli import output
from geonav.cli.options import (
    DatabaseOption,
    DeviceOption,
    JsonOption,
    MatcherOption,
    ModelOption,
    PrecisionOption,
)
from geonav.cli.progress import progress_bars
from geonav.cli.session import Session, database_path
from geonav.errors import UsageError

if TYPE_CHECKING:
    from geonav.pipeline.exporting import ExportReport

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Write a database for other tools.")


class Names(StrEnum):
    """How images are called."""

    STORED = "stored"
    SOURCE = "source"


class Form(StrEnum):
    """Forms of a COLMAP model."""

    BIN = "bin"
    TXT = "txt"


class Split(StrEnum):
    """Parts of a benchmark."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="folder to write", show_default=False)]
NamesOption = Annotated[
    Names,
    typer.Option("--names", help="stored: UID/image.jpg, the database being the folder of images; source: as imported"),
]


@app.command("colmap")
def colmap(
    context: typer.Context,
    folder: FolderArgument,
    database: DatabaseOption = None,
    form: Annotated[Form, typer.Option("--form", help="binary or text")] = Form.BIN,
    names: NamesOption = Names.STORED,
    matches: Annotated[
        Path | None,
        typer.Option(
            "--matches",
            metavar="H5",
            help="matches of 'export hloc --matches', for tracks as points [default: poses alone]",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the posed entries as a COLMAP model in East-North-Up metres at the database's origin."""
    from geonav.pipeline.exporting import export_colmap

    config = Session.of(context).config({"database": database, "local": {"model": model}})
    report = export_colmap(
        database_path(config), folder, form=form.value, naming=names.value, matches=matches, model=config.local.model
    )
    _write(report, folder, as_json=as_json)


@app.command("hloc")
def hloc(
    context: typer.Context,
    folder: FolderArgument,
    database: DatabaseOption = None,
    names: NamesOption = Names.STORED,
    num_pairs: Annotated[
        int, typer.Option("--num-pairs", min=1, help="nearest references that look the same way, for each")
    ] = 20,
    matches: Annotated[
        bool,
        typer.Option("--matches", help="match the pairs too, which takes a while [default: off]", show_default=False),
    ] = False,
    model: ModelOption = None,
    matcher: MatcherOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write local features, pairs, a query list with intrinsics and, if asked, matches as hloc keeps them."""
    from geonav.pipeline.export_hloc import HlocExport, export_hloc

    session = Session.of(context)
    config = session.config(
        {"database": database, "device": device, "precision": precision, "local": {"model": model, "matcher": matcher}}
    )
    options = HlocExport(naming=names.value, num_pairs=num_pairs, matches=matches)
    with progress_bars(session) as on_progress:
        report = export_hloc(database_path(config), folder, config, options, on_progress)
    _write(report, folder, as_json=as_json)


@app.command("vpr")
def vpr(
    context: typer.Context,
    folder: FolderArgument,
    database: DatabaseOption = None,
    queries: Annotated[
        Path | None,
        typer.Option("--queries", metavar="DB", help="a database of queries [default: none]", show_default=False),
    ] = None,
    split: Annotated[Split, typer.Option("--split", help="part of the benchmark")] = Split.TEST,
    as_json: JsonOption = False,
) -> None:
    """Write photos named @east@north@zone@...@.jpg, all in one UTM zone, in images/SPLIT/database and queries."""
    from geonav.pipeline.export_vpr import export_vpr

    path = database_path(Session.of(context).config({"database": database}))
    _write(export_vpr(path, folder, queries, split.value), folder, as_json=as_json)


@app.command("ltvl")
def ltvl(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="text file to write", show_default=False)],
    database: DatabaseOption = None,
    results: Annotated[
        Path | None,
        typer.Option(
            "--results",
            metavar="JSONL",
            help="poses of what 'localize --json' wrote instead of the database's [default: none]",
            show_default=False,
        ),
    ] = None,
    names: NamesOption = Names.SOURCE,
    keep_folders: Annotated[
        bool,
        typer.Option(
            "--keep-folders", help="name the photos of --results with their folders [default: off]", show_default=False
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write poses as the long-term visual localisation benchmark takes them: name qw qx qy qz tx ty tz."""
    from geonav.pipeline.exporting import export_ltvl, export_ltvl_results

    if keep_folders and results is None:
        msg = "--keep-folders belongs to --results; --names says how a database's photos are called"
        raise UsageError(msg)
    if results is not None:
        report = export_ltvl_results(results, path, keep_folders=keep_folders)
    else:
        source = database_path(Session.of(context).config({"database": database}))
        report = export_ltvl(source, path, names.value)
    _write(report, path, as_json=as_json)


def _write(report: ExportReport, path: Path, *, as_json: bool) -> None:
    if as_json:
        output.write_json(report)
        return
    points = f", {report.num_points} points" if report.num_points else ""
    typer.echo(f"{path}: {report.num_images} images{points} written, {len(report.left_out)} left out")
    output.write_remarks(report.left_out, "left out, ")
