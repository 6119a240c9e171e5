"""Options of ``geonav fetch``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geonav.cli.options import setting

ProviderOption = Annotated[str | None, setting("fetch.provider", "--provider")]
SourceOption = Annotated[
    str | None, setting("elevation.source", "--elevation-source", note="; where heights come from")
]
FovOption = Annotated[float | None, setting("fetch.fov_deg", "--fov")]
DirectionsOption = Annotated[int | None, setting("fetch.n_directions", "--n-directions")]
PitchOption = Annotated[float | None, setting("fetch.pitch_deg", "--pitch")]
MaxCostOption = Annotated[float | None, setting("fetch.max_cost_usd", "--max-cost")]
PositionStdOption = Annotated[float | None, setting("fetch.position_std_m", "--position-std-m")]
HeadingStdOption = Annotated[float | None, setting("fetch.heading_std_deg", "--heading-std-deg")]
CredentialsOption = Annotated[
    Path | None,
    typer.Option(
        "--credentials",
        metavar="FILE",
        help="keys: TOML, JSON or lines like GOOGLE_MAPS_API_KEY=... [default: the environment's]",
        show_default=False,
    ),
]
DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="count and price the calls, make none [default: off]", show_default=False),
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="make paid calls without asking [default: off]", show_default=False)
]
RetryOption = Annotated[
    bool,
    typer.Option("--retry-failed", help="ask once more for what failed before [default: off]", show_default=False),
]
RefreshOption = Annotated[
    bool,
    typer.Option(
        "--refresh", help="ask for everything anew, replacing what is there [default: off]", show_default=False
    ),
]
ViewOption = Annotated[
    bool,
    typer.Option(
        "-v", "--view", help="draw the panoramas as postview.html and open it [default: off]", show_default=False
    ),
]
