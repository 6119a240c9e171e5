"""``geonav preview``: what fetching an area would take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geonav.cli import output
from geonav.cli.options import JsonOption, SeedOption, setting
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
from geonav.cli.session import Session

if TYPE_CHECKING:
    from geonav.pipeline.preview import PreviewReport

NumDirectionsOption = Annotated[int | None, setting("fetch.n_directions", "--n-directions")]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        help="write a map (.html) or the points (.geojson, .csv) [default: nothing written]",
        show_default=False,
    ),
]
ViewOption = Annotated[
    bool,
    typer.Option(
        "-v",
        "--view",
        help="draw a map beside --output, or preview.html, and open it [default: off]",
        show_default=False,
    ),
]


def preview(
    context: typer.Context,
    point: PointOption = None,
    place: PlaceOption = None,
    radius: RadiusOption = None,
    points: PointsOption = None,
    along_streets: AlongStreetsOption = False,
    spacing: SpacingOption = None,
    jitter: JitterOption = None,
    grid: GridOption = None,
    max_points: MaxPointsOption = None,
    n_directions: NumDirectionsOption = None,
    seed: SeedOption = None,
    output_path: OutputOption = None,
    view: ViewOption = False,
    as_json: JsonOption = False,
) -> None:
    """Count the points of an area, and what fetching its imagery would take in calls and money; fetches none of it."""
    from geonav.pipeline.preview import preview as run
    from geonav.pipeline.sampling import sample

    section = sampling_section(spacing, jitter, grid, max_points)
    config = Session.of(context).config({"seed": seed, "sampling": section, "fetch": {"n_directions": n_directions}})
    sampling = sample(sample_request(point, place, radius, points, along_streets), config)
    drawn = (output_path or Path("preview.html")).with_suffix(".html")
    wanted = dict.fromkeys(path for path in (output_path, drawn if view else None) if path is not None)
    report = run(sampling, config, along_streets=along_streets, outputs=tuple(wanted))
    _write(report, as_json=as_json)
    if view:
        show_map(drawn)


def _write(report: PreviewReport, *, as_json: bool) -> None:
    if as_json:
        output.write_json(report)
        return
    typer.echo(f"{report.name}: {report.area_km2:,.3f} km2 about {report.lat:.5f} {report.lng:.5f}")
    typer.echo(f"{output.counted(report.num_points, 'point')} every {report.spacing_m:g} m")
    typer.echo(f"about {report.expected_panoramas:,} panoramas, if its streets are a town's with one every 10 m")
    columns = ("provider", ">searches", ">panoramas", ">pictures", ">height calls", ">USD")
    rows = [
        (
            item.provider,
            _count(item.searches),
            _count(item.panoramas),
            _count(item.pictures),
            _count(item.height_calls),
            f"{item.cost_usd:,.2f}",
        )
        for item in report.providers
    ]
    output.write_table(columns, rows)
    typer.echo(f"USD by prices of {report.prices_as_of}, in a month without other calls; ? is known after asking")
    for path in report.files:
        typer.echo(f"written: {path}")


def _count(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"
