"""``geonav fetch``: from an area to posed reference images; every step resumes where it was stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from geonav.cli import fetch_output
from geonav.cli.credentials import read_credentials
from geonav.cli.engine_options import ShardOption, shard_of
from geonav.cli.fetch_options import (
    CredentialsOption,
    DirectionsOption,
    DryRunOption,
    FovOption,
    HeadingStdOption,
    MaxCostOption,
    PitchOption,
    PositionStdOption,
    ProviderOption,
    RefreshOption,
    RetryOption,
    SourceOption,
    ViewOption,
    YesOption,
)
from geonav.cli.fetch_steps import fetch_options, fetch_rest, write_area_plan, write_plan
from geonav.cli.options import DatabaseOption, JsonOption, SeedOption
from geonav.cli.progress import progress_bars
from geonav.cli.sampling import (
    AlongStreetsOption,
    GridOption,
    JitterOption,
    MaxPointsOption,
    PlaceOption,
    PointOption,
    PointsOption,
    RadiusOption,
    SpacingOption,
    sample_request,
    sampling_section,
    show_map,
)
from geonav.cli.session import Session, database_path, open_database
from geonav.errors import UsageError

if TYPE_CHECKING:
    from geonav.config import GeonavConfig
    from geonav.pipeline.fetching import FetchOptions, FetchReport
    from geonav.pipeline.sampling import Sampling

_HELP = (
    "Fetch posed reference images: metadata (which panoramas there are), elevation (the ground's height), panoramas "
    "(their pictures). Each resumes where it was stopped. Google's terms restrict storing and indexing its imagery: "
    "read https://cloud.google.com/maps-platform/terms and acknowledge them with terms_acknowledged = true under "
    "[google]; mapillary and panoramax are open."
)
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=_HELP)


@app.command("metadata")
def metadata(
    context: typer.Context,
    database: DatabaseOption = None,
    point: PointOption = None,
    place: PlaceOption = None,
    radius: RadiusOption = None,
    points: PointsOption = None,
    along_streets: AlongStreetsOption = False,
    spacing: SpacingOption = None,
    jitter: JitterOption = None,
    grid: GridOption = None,
    max_points: MaxPointsOption = None,
    seed: SeedOption = None,
    provider: ProviderOption = None,
    elevation_source: SourceOption = None,
    credentials: CredentialsOption = None,
    dry_run: DryRunOption = False,
    retry_failed: RetryOption = False,
    refresh: RefreshOption = False,
    shard: ShardOption = None,
    view: ViewOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find out which panoramas a provider has of an area; the database is made if there is none."""
    config = _config(
        context,
        {"database": database, "seed": seed},
        credentials,
        sampling=sampling_section(spacing, jitter, grid, max_points),
        fetch={"provider": provider},
        elevation={"source": elevation_source},
    )
    path = database_path(config)
    sampling = _sampling(config, point, place, radius, points, along_streets)
    if sampling is None:
        msg = "no area named: give --point LAT LNG --radius M, --place NAME or --points FILE"
        raise UsageError(msg)
    if dry_run:
        write_area_plan(sampling, config, fetch_options(retry_failed, refresh), None, as_json)
        return
    report = _fetch_metadata(context, path, sampling, config, fetch_options(retry_failed, refresh, shard_of(shard)))
    if view:
        _draw(path, config)
    fetch_output.write_reports([report], as_json=as_json)


@app.command("elevation")
def elevation(
    context: typer.Context,
    database: DatabaseOption = None,
    elevation_source: SourceOption = None,
    credentials: CredentialsOption = None,
    dry_run: DryRunOption = False,
    max_cost: MaxCostOption = None,
    yes: YesOption = False,
    retry_failed: RetryOption = False,
    refresh: RefreshOption = False,
    shard: ShardOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch the ground's height below panoramas that do not know their own."""
    from geonav.pipeline.fetching import fetch_elevation
    from geonav.pipeline.fetching.planning import plan_fetch

    config = _config(
        context,
        {"database": database},
        credentials,
        fetch={"max_cost_usd": max_cost},
        elevation={"source": elevation_source},
    )
    opened, options = open_database(config), fetch_options(retry_failed, refresh, shard_of(shard))
    plan = plan_fetch(opened, config, heights=options, pictures=None)
    if dry_run:
        fetch_output.write_plan(plan, at_most=False, as_json=as_json)
        return
    fetch_output.approve(plan, config, yes=yes, shard=options.shard)
    with progress_bars(Session.of(context)) as on_progress:
        report = fetch_elevation(opened, config, on_progress, options)
    fetch_output.write_reports([report], as_json=as_json)


@app.command("panoramas")
def panoramas(
    context: typer.Context,
    database: DatabaseOption = None,
    fov: FovOption = None,
    n_directions: DirectionsOption = None,
    pitch: PitchOption = None,
    point: PointOption = None,
    place: PlaceOption = None,
    radius: RadiusOption = None,
    points: PointsOption = None,
    along_streets: AlongStreetsOption = False,
    spacing: SpacingOption = None,
    jitter: JitterOption = None,
    grid: GridOption = None,
    max_points: MaxPointsOption = None,
    seed: SeedOption = None,
    provider: ProviderOption = None,
    elevation_source: SourceOption = None,
    credentials: CredentialsOption = None,
    position_std_m: PositionStdOption = None,
    heading_std_deg: HeadingStdOption = None,
    dry_run: DryRunOption = False,
    max_cost: MaxCostOption = None,
    yes: YesOption = False,
    retry_failed: RetryOption = False,
    refresh: RefreshOption = False,
    shard: ShardOption = None,
    view: ViewOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch the pictures of panoramas; with an area, or where heights are missing, what comes before it too.

    --refresh fetches pictures anew; metadata and heights have their own.
    """
    config = _config(
        context,
        {"database": database, "seed": seed},
        credentials,
        sampling=sampling_section(spacing, jitter, grid, max_points),
        fetch={
            "provider": provider,
            "fov_deg": fov,
            "n_directions": n_directions,
            "pitch_deg": pitch,
            "max_cost_usd": max_cost,
            "position_std_m": position_std_m,
            "heading_std_deg": heading_std_deg,
        },
        elevation={"source": elevation_source},
    )
    path, options = database_path(config), fetch_options(retry_failed, refresh, shard_of(shard))
    sampling = _sampling(config, point, place, radius, points, along_streets)
    if sampling is not None and options.shard is not None:
        msg = (
            "--shard fetches what is known: run `geonav fetch metadata` of the area first, and leave the area out here"
        )
        raise UsageError(msg)
    if dry_run and sampling is not None:
        write_area_plan(
            sampling, config, fetch_options(retry_failed, False), fetch_options(retry_failed, refresh), as_json
        )
        return
    reports = []
    if sampling is not None:
        reports.append(_fetch_metadata(context, path, sampling, config, fetch_options(retry_failed, False)))
    if dry_run:
        write_plan(config, retry_failed, refresh, as_json)
        return
    reports += fetch_rest(context, config, options, yes)
    if view:
        _draw(path, config)
    fetch_output.write_reports(reports, as_json=as_json)


def _config(
    context: typer.Context, overrides: dict[str, Any], credentials: Path | None, **sections: dict[str, Any]
) -> GeonavConfig:
    keys = read_credentials(credentials)
    for section in (*sections, *keys):
        overrides[section] = {**sections.get(section, {}), **keys.get(section, {})}
    return Session.of(context).config(overrides)


def _sampling(
    config: GeonavConfig,
    point: tuple[float, float] | None,
    place: str | None,
    radius: float | None,
    points: Path | None,
    along_streets: bool,
) -> Sampling | None:
    if point is None and place is None and points is None and radius is None:
        return None
    from geonav.pipeline.sampling import sample

    return sample(sample_request(point, place, radius, points, along_streets), config)


def _fetch_metadata(
    context: typer.Context, path: Path, sampling: Sampling, config: GeonavConfig, options: FetchOptions
) -> FetchReport:
    from geonav.pipeline.fetching import fetch_metadata

    with progress_bars(Session.of(context)) as on_progress:
        return fetch_metadata(path, sampling, config, on_progress, options)


def _draw(path: Path, config: GeonavConfig) -> None:
    from geonav.pipeline.postview import PostviewFilter, postview

    drawn = Path("postview.html")
    postview(path, drawn, config, PostviewFilter())
    typer.echo(f"written: {drawn}", err=True)
    show_map(drawn)
