"""Options that say where imagery is wanted, shared by ``preview`` and ``fetch``."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geonav.cli.options import setting

if TYPE_CHECKING:
    from geonav.pipeline.sampling import SampleRequest

PointOption = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--point",
        metavar="LAT LNG",
        help="middle of a disc, degrees; needs --radius [default: none]",
        show_default=False,
    ),
]
PlaceOption = Annotated[
    str | None,
    typer.Option(
        "--place",
        metavar="NAME",
        help="a place's outline in OpenStreetMap or, with --radius, the disc about its centre [default: none]",
        show_default=False,
    ),
]
RadiusOption = Annotated[
    float | None,
    typer.Option("--radius", metavar="METRES", help="of the disc [default: a place's outline]", show_default=False),
]
PointsOption = Annotated[
    Path | None,
    typer.Option(
        "--points",
        metavar="FILE",
        help="points of one's own: CSV with lat,lng[,heading], or GeoJSON [default: none]",
        show_default=False,
    ),
]
AlongStreetsOption = Annotated[
    bool,
    typer.Option(
        "--along-streets",
        help="sample the streets of the area, not all of it; needs the extra 'streets' [default: off]",
        show_default=False,
    ),
]
SpacingOption = Annotated[float | None, setting("sampling.spacing_m", "--spacing")]
JitterOption = Annotated[tuple[float, float] | None, setting("sampling.jitter_m", "--jitter", metavar="LOWER UPPER")]
GridOption = Annotated[str | None, setting("sampling.grid", "--grid")]
MaxPointsOption = Annotated[int | None, setting("sampling.max_points", "--max-points")]


def sampling_section(
    spacing: float | None, jitter: tuple[float, float] | None, grid: str | None, max_points: int | None
) -> dict[str, Any]:
    """The options of ``[sampling]`` as overrides of the configuration."""
    return {"spacing_m": spacing, "jitter_m": jitter, "grid": grid, "max_points": max_points}


def sample_request(
    point: tuple[float, float] | None, place: str | None, radius: float | None, points: Path | None, along_streets: bool
) -> SampleRequest:
    """What the options ask for."""
    from geonav.pipeline.sampling import SampleRequest

    return SampleRequest(point=point, place=place, radius_m=radius, points_file=points, along_streets=along_streets)


def show_map(path: Path) -> None:
    """Open a map in the browser, where somebody sits in front of it."""
    if sys.stdout.isatty():
        webbrowser.open(path.absolute().as_uri())
