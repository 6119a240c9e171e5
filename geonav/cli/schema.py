"""``geonav schema``: what the program's JSON looks like."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def schema(
    sequence: Annotated[
        bool, typer.Option("--sequence", help="of a frame of localize --sequence [default: of a photo]")
    ] = False,
) -> None:
    """Print the JSON Schema of the object that localize --json prints for each photo."""
    from geonav.data.results import LocalizationResult
    from geonav.data.track import TrackPoint

    model = TrackPoint if sequence else LocalizationResult
    typer.echo(json.dumps(model.model_json_schema(), indent=2))
