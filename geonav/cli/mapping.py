"""``geonav map``: references matched among themselves, and what that says of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geonav.cli.engine_options import (
    EngineOption,
    RayAddressOption,
    ShardOption,
    WorkersOption,
    engine_section,
    shard_of,
)
from geonav.cli.mapping_output import write_map_report
from geonav.cli.options import (
    DatabaseOption,
    DeviceOption,
    JsonOption,
    MatcherOption,
    ModelOption,
    PrecisionOption,
    SeedOption,
    setting,
)
from geonav.cli.output import counted, write_json
from geonav.cli.progress import progress_bars
from geonav.cli.session import Session, open_database
from geonav.errors import InputError, UsageError

if TYPE_CHECKING:
    from geonav.config import GeonavConfig
    from geonav.data.database import Database
    from geonav.data.shards import Shard
    from geonav.pipeline.mapping.report import MapReport

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Match references among themselves and adjust their poses; say which cannot be trusted.",
)

NeighboursOption = Annotated[int | None, setting("mapping.neighbours", "--neighbours")]
SimilarOption = Annotated[int | None, setting("mapping.similar", "--similar")]
RadiusOption = Annotated[float | None, setting("mapping.radius_m", "--radius", metavar="METRES")]
MaxViewsOption = Annotated[int | None, setting("mapping.max_views", "--max-views")]
SequenceStdOption = Annotated[
    float | None, setting("mapping.sequence_std_m", "--sequence-std-m", metavar="METRES", note=", in metres")
]
RebuildOption = Annotated[
    bool, typer.Option("--rebuild", help="adjust everything anew [default: off]", show_default=False)
]
AllOption = Annotated[
    bool,
    typer.Option("--all", help="list every reference, not the worst ones alone [default: off]", show_default=False),
]
HtmlOption = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", help="write a page with the map in 3D, for any browser [default: none]",
        show_default=False,
    ),
]  # fmt: skip


@app.command("build")
def build(
    context: typer.Context,
    database: DatabaseOption = None,
    neighbours: NeighboursOption = None,
    similar: SimilarOption = None,
    radius: RadiusOption = None,
    max_views: MaxViewsOption = None,
    sequence_std_m: SequenceStdOption = None,
    model: ModelOption = None,
    matcher: MatcherOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    seed: SeedOption = None,
    rebuild: RebuildOption = False,
    html: HtmlOption = None,
    shard: ShardOption = None,
    engine: EngineOption = None,
    ray_address: RayAddressOption = None,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Match all references and adjust them together; resumes.

    With --shard a share of the pairs is matched, and nothing adjusted: a run without it does that.
    """
    from geonav.pipeline.mapping.build import build_map

    _check_page(html)
    part = shard_of(shard)
    session = Session.of(context)
    section = _section(neighbours, similar, radius, max_views, sequence_std_m)
    shared = {"database": database, "device": device, "precision": precision, "seed": seed}
    networks = {"local": {"model": model, "matcher": matcher}, "engine": engine_section(engine, ray_address, workers)}
    config = session.config({**shared, **networks, "map": section})
    opened = open_database(config)
    if part is not None:
        if rebuild or html is not None:
            msg = "--shard matches pairs alone: leave out --rebuild and --html, which go with the run of everything"
            raise UsageError(msg)
        _match_share(session, opened, config, part, as_json=as_json)
        return
    with progress_bars(session) as on_progress:
        report = build_map(opened, config, rebuild=rebuild, on_progress=on_progress)
    _write(opened, report, html, as_json=as_json)


def _match_share(session: Session, database: Database, config: GeonavConfig, part: Shard, *, as_json: bool) -> None:
    from geonav.pipeline.mapping.shares import match_share

    with progress_bars(session) as on_progress:
        report = match_share(database, config, part, on_progress)
    if as_json:
        write_json(report)
        return
    typer.echo(f"{counted(report.matched, 'pair')} matched, {report.reused} there already")
    if report.note:
        typer.echo(report.note)


@app.command("add")
def add(
    context: typer.Context,
    database: DatabaseOption = None,
    neighbours: NeighboursOption = None,
    similar: SimilarOption = None,
    radius: RadiusOption = None,
    max_views: MaxViewsOption = None,
    sequence_std_m: SequenceStdOption = None,
    model: ModelOption = None,
    matcher: MatcherOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    seed: SeedOption = None,
    engine: EngineOption = None,
    ray_address: RayAddressOption = None,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring references that were added since into the map; resumes."""
    from geonav.pipeline.mapping.build import add_to_map

    session = Session.of(context)
    section = _section(neighbours, similar, radius, max_views, sequence_std_m)
    shared = {"database": database, "device": device, "precision": precision, "seed": seed}
    networks = {"local": {"model": model, "matcher": matcher}, "engine": engine_section(engine, ray_address, workers)}
    config = session.config({**shared, **networks, "map": section})
    opened = open_database(config)
    with progress_bars(session) as on_progress:
        report = add_to_map(opened, config, on_progress)
    _write(opened, report, None, as_json=as_json)


@app.command("report")
def report_(
    context: typer.Context,
    database: DatabaseOption = None,
    show_all: AllOption = False,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how far each reference moved, which are suspect, and what hangs by a thread."""
    from geonav.pipeline.mapping.report import map_report

    _check_page(html)
    opened = open_database(Session.of(context).config({"database": database}))
    _write(opened, map_report(opened), html, as_json=as_json, show_all=show_all)


def _section(
    neighbours: int | None,
    similar: int | None,
    radius: float | None,
    max_views: int | None,
    sequence_std_m: float | None,
) -> dict[str, Any]:
    """``[map]`` as the options have it."""
    return {
        "neighbours": neighbours, "similar": similar, "radius_m": radius, "max_views": max_views,
        "sequence_std_m": sequence_std_m,
    }  # fmt: skip


def _check_page(html: Path | None) -> None:
    """Find out before the work is done.

    Raises:
        InputError: there is no folder for the page.
    """
    if html is not None and (html.is_dir() or not html.absolute().parent.is_dir()):
        msg = f"--html {html} is a folder, or is in none: name a file in a folder that exists"
        raise InputError(msg)


def _write(database: Database, report: MapReport, html: Path | None, *, as_json: bool, show_all: bool = False) -> None:
    """The page, then what is printed: nobody reads of a page that is not there."""
    if html is not None:
        from geonav.data.map_store import MapStore
        from geonav.pipeline.mapping.page import write_map_page

        write_map_page(MapStore(database), report, html, f"Map of {database.path.absolute().name}")
    write_map_report(report, as_json=as_json, show_all=show_all)
