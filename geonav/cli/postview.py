"""``geonav postview``: the panoramas of a database on a map."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geonav.cli import output
from geonav.cli.options import DatabaseOption, JsonOption
from geonav.cli.session import Session, database_path

ZoomOption = Annotated[
    int | None,
    typer.Option("--zoom", help="of the map as it opens, 0 to 21 [default: everything in view]", show_default=False),
]
OutputOption = Annotated[Path, typer.Option("--output", metavar="FILE", help="the map, an .html file")]
ProviderOption = Annotated[
    str | None, typer.Option("--provider", help="draw only this one's [default: all]", show_default=False)
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="DATE",
        help="captured then or later: 2023, 2023-05, 2023-05-31 [default: any]",
        show_default=False,
    ),
]
UntilOption = Annotated[
    str | None,
    typer.Option("--until", metavar="DATE", help="captured then or earlier [default: any]", show_default=False),
]


def postview(
    context: typer.Context,
    database: DatabaseOption = None,
    zoom: ZoomOption = None,
    output_path: OutputOption = Path("postview.html"),
    provider: ProviderOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw the panoramas of a database with their views as a map; its page filters them by provider and date."""
    from geonav.pipeline.postview import PostviewFilter
    from geonav.pipeline.postview import postview as run

    config = Session.of(context).config({"database": database})
    report = run(database_path(config), output_path, config, PostviewFilter(provider, since, until), zoom)
    if as_json:
        output.write_json(report)
        return
    counts = ", ".join(f"{count:,} of {name}" for name, count in report.panoramas.items())
    left_out = f"; {report.filtered:,} left out by the filter" if report.filtered else ""
    gone = f"; {report.gone:,} gone from their provider" if report.gone else ""
    typer.echo(f"{report.path}: panoramas {counts}, {report.views:,} views fetched{left_out}{gone}")
