"""``geonav schema``: what the program's JSON looks like."""

from __future__ import annotations

import json

import typer


def schema() -> None:
    """Print the JSON Schema of the object that localize --json prints for each photo."""
    from geonav.data.results import LocalizationResult

    typer.echo(json.dumps(LocalizationResult.model_json_schema(), indent=2))
