"""``geonav models``: the networks' weights."""

from __future__ import annotations

from typing import Annotated

import typer

from geonav.cli import output
from geonav.cli.options import JsonOption
from geonav.cli.progress import progress_bars
from geonav.cli.session import Session

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List and fetch the weights of the networks.")


@app.command("list")
def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List all weights with their licence, and whether they lie on this machine."""
    from geonav.vision.weights import list_models

    output.write_models(list_models(Session.of(context).config({})), as_json=as_json)


@app.command("pull")
def pull(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="weights [default: all]", show_default=False)
    ] = None,
) -> None:
    """Fetch weights, so that geonav works offline from then on."""
    from geonav.vision.weights import pull_models

    session = Session.of(context)
    with progress_bars(session) as on_progress:
        paths = pull_models(names or [], session.config({}), on_progress)
    for path in paths:
        typer.echo(path)
