"""``geonav config``: what is set, and where every setting is explained."""

from __future__ import annotations

import typer

from geonav.cli import output
from geonav.cli.options import DatabaseOption, JsonOption
from geonav.cli.session import Session

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Show the configuration.")


@app.callback()
def group() -> None:
    """Show the configuration."""


@app.command("show")
def show(context: typer.Context, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Print the effective configuration, as a geonav.toml that explains itself."""
    config = Session.of(context).config({"database": database})
    output.write_config(config, as_json=as_json)
