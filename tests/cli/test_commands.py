"""Only the command that runs is built, and nobody notices."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer.main

from geonav.cli.app import build_app
from geonav.cli.commands import COMMANDS


def _all() -> dict[str, object]:
    return typer.main.get_command(build_app()).commands  # type: ignore[attr-defined,no-any-return]


def test_the_summaries_are_the_commands_own() -> None:
    built = _all()
    assert list(built) == [command.name for command in sorted(COMMANDS, key=lambda each: list(built).index(each.name))]
    for command in COMMANDS:
        assert built[command.name].get_short_help_str(200) == command.summary  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "words", [["localize", "--help"], ["--config", "search", "localize"], ["-q", "--verbose", "localize", "index"]]
)
def test_the_command_named_is_built_whole_and_no_other(words: list[str]) -> None:
    commands = typer.main.get_command(build_app(words)).commands  # type: ignore[attr-defined]
    assert commands.keys() == _all().keys()
    assert len(commands["localize"].params) > 20
    assert all(len(command.params) == 0 for name, command in commands.items() if name != "localize")


def test_the_list_of_commands_needs_no_configuration() -> None:
    code = (
        "import sys; from geonav.cli.app import main; main(['--help']); "
        "print([name for name in ('pydantic', 'numpy', 'torch', 'rich') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert all(command.name in done.stdout for command in COMMANDS)
