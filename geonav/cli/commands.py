"""The commands by name, each imported only when it is the one that runs.

Most of what starting takes is building commands: their options come from the configuration's own description. What the
list of commands shows stands here, so that it needs none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

import typer


@dataclass(frozen=True)
class _Command:
    """A command or group of commands: its module, what it is called there, and the first sentence of its help."""

    name: str
    module: str
    attribute: str
    summary: str

    def mount(self, app: typer.Typer) -> None:
        """Add it to ``app``, with its options."""
        found = getattr(import_module(f"geonav.cli.{self.module}"), self.attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=self.name)
        else:
            app.command(self.name)(found)

    def mention(self, app: typer.Typer) -> None:
        """Add its name and summary alone."""
        app.command(self.name, help=self.summary)(_nothing)


COMMANDS = (
    _Command(
        "preview",
        "preview",
        "preview",
        "Count the points of an area, and what fetching its imagery would take in calls and money; fetches none of it.",
    ),
    _Command(
        "postview",
        "postview",
        "postview",
        "Draw the panoramas of a database with their views as a map; its page filters them by provider and date.",
    ),
    _Command("import", "importing", "app", "Put posed photos into a database."),
    _Command("export", "exporting", "app", "Write a database for other tools."),
    _Command(
        "fetch",
        "fetching",
        "app",
        "Fetch posed reference images: metadata (which panoramas there are), elevation (the ground's height), "
        "panoramas (their pictures).",
    ),
    _Command("index", "index", "app", "Compute what locating needs; resumes."),
    _Command(
        "map",
        "mapping",
        "app",
        "Match references among themselves and adjust their poses; say which cannot be trusted.",
    ),
    _Command(
        "localize",
        "localize",
        "localize",
        "Locate photos; the exit code is 0 if all were located, 6 if some, 7 if none.",
    ),
    _Command(
        "search",
        "search",
        "search",
        "Show the references that look like photos; the exit code is 0 if all have hits, 6 if some, 7 if none.",
    ),
    _Command(
        "evaluate",
        "evaluate",
        "app",
        "Locate photos whose places are known and compare; or score a run anew, compare runs, sweep settings.",
    ),
    _Command(
        "serve",
        "serving",
        "serve",
        "Answer over HTTP, and show a page to drop photos on; a key, if any, is GEONAV_SERVE__API_KEY.",
    ),
    _Command(
        "database", "database", "app", "Look at a database, check and repair it; copy it to and from object storage."
    ),
    _Command("models", "models", "app", "List and fetch the weights of the networks."),
    _Command("config", "config", "app", "Show the configuration."),
    _Command("demo", "demo", "app", "Try everything on a synthetic city, offline."),
    _Command(
        "doctor",
        "doctor",
        "doctor",
        "Check this machine, the configuration and, on request, the services; exit code 0 unless something fails.",
    ),
    _Command(
        "schema", "schema", "schema", "Print the JSON Schema of the object that localize --json prints for each photo."
    ),
)
# Options of the root command that take a value.
_WITH_VALUE = ("--config",)


def mount_commands(app: typer.Typer, arguments: Sequence[str] | None) -> None:
    """Add all commands to ``app``; with ``arguments`` only the one that these name is more than its summary."""
    named = None if arguments is None else _first_word(arguments)
    for command in COMMANDS:
        if arguments is None or command.name == named:
            command.mount(app)
        else:
            command.mention(app)


def _first_word(arguments: Sequence[str]) -> str | None:
    """The first argument that is no option nor an option's value: the command, if there is one."""
    rest = iter(arguments)
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-"):
            return word.replace("_", "-")
    return None


def _nothing() -> None:
    """What only its summary is wanted of."""
