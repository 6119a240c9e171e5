"""The manual says what the program does: its commands parse, its tables are complete, its names exist."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

import geonav
from geonav.cli.app import build_app
from geonav.config import load_config
from geonav.data.results import KSource, LocalizationResult, Status
from geonav.data.track import TrackStatus
from geonav.errors import EXIT_INTERRUPTED, GeonavError
from geonav.evaluation.sweep_plan import read_plan

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def _shell_lines() -> list[str]:
    text = "\n".join(_blocks("shell")).replace("\\\n", " ")
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


APP = build_app()
COMMANDS = [line for line in _shell_lines() if line.startswith("geonav ")]


def _parse(arguments: list[str]) -> None:
    """Parse a command line to its last option without running it."""
    command = typer.main.get_command(APP)
    context, name = None, "geonav"
    while True:
        context = command.make_context(name, arguments, parent=context)
        if not hasattr(command, "resolve_command"):
            return
        rest = [*context._protected_args, *context.args]
        name, command, arguments = command.resolve_command(context, rest)


def test_the_manual_shows_every_command() -> None:
    shown = {" ".join(word for word in line.split()[1:3] if re.fullmatch("[a-z]+", word)) for line in COMMANDS}
    for group in APP.registered_groups:
        for command in group.typer_instance.registered_commands:  # type: ignore[union-attr]
            assert f"{group.name} {command.name}" in shown
    for command in APP.registered_commands:
        assert any(line.split()[1] == command.name for line in COMMANDS)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_manual_parses(line: str) -> None:
    _parse(shlex.split(line, comments=True)[1:])


@pytest.mark.parametrize("line", ["geonav localize a.jpg --nope", "geonav nope", "geonav import colmap m"])
def test_a_wrong_command_would_be_seen(line: str) -> None:
    with pytest.raises(typer.TyperException):
        _parse(line.split()[1:])


def test_options_named_in_the_text_exist() -> None:
    known = {"--help"}
    pending = [typer.main.get_command(APP)]
    while pending:
        command = pending.pop()
        known |= {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
        pending += getattr(command, "commands", {}).values()
    for option in re.findall(r"`(--[a-z_-]+)", README):
        assert option.replace("_", "-") in known


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"make ([a-z-]+)", "\n".join(re.findall(r"`make [a-z-]+`", README) + _shell_lines())))
    assert {"install", "test", "test-slow", "check", "clean"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def _rows(header: str) -> Iterator[list[str]]:
    table = README.partition(f"\n| {header} |")[2].partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


def test_the_table_of_fields_is_that_of_a_result() -> None:
    fields = [name for row in _rows("field | meaning") for name in re.findall(r"`(\w+)`", row[0])]
    assert fields == list(LocalizationResult.model_fields)


def test_nested_fields_are_named() -> None:
    cells = {re.findall(r"`(\w+)`", row[0])[0]: row[1] for row in _rows("field | meaning")}
    definitions = LocalizationResult.model_json_schema()["$defs"]
    for field, model in (("position_std_m", "PositionStd"), ("ellipse_95", "Ellipse"), ("references", "ReferenceUse")):
        assert re.findall(r"`(\w+)`", cells[field]) == list(definitions[model]["properties"])


@pytest.mark.parametrize(
    ("header", "kind"),
    [("status | meaning", Status), ("frame | meaning", TrackStatus), ("`K_source` | calibration", KSource)],
)
def test_tables_of_values_are_complete(header: str, kind: object) -> None:
    assert [row[0].strip("`") for row in _rows(header)] == list(kind.__args__)  # type: ignore[attr-defined]


def test_the_table_of_exit_codes_is_that_of_the_errors() -> None:
    def codes(error: type[GeonavError]) -> set[int]:
        return {error.exit_code}.union(*(codes(kind) for kind in error.__subclasses__()))

    shown = [int(row[0]) for row in _rows("code | meaning")]
    assert shown == sorted({0, EXIT_INTERRUPTED} | codes(GeonavError))


def test_the_configuration_shown_is_valid(tmp_path: Path) -> None:
    block, _ = _blocks("toml")
    file = tmp_path / "geonav.toml"
    file.write_text(block)
    assert load_config(file).localize.top_k == 10


def test_the_sweep_shown_is_valid(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text(_blocks("toml")[1], "utf-8")
    plan = read_plan(tmp_path / "sweep.toml")
    assert plan.query_set == tmp_path / "queries"
    for combination in plan.combinations():
        load_config(overrides={**plan.settings, **combination.overrides})


def test_the_python_shown_uses_names_that_exist() -> None:
    for block in _blocks("python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "geonav":
                assert node.attr in geonav.__all__


def test_weights_and_licences_are_those_of_the_registry() -> None:
    from geonav.vision.weights import WEIGHTS

    shown: dict[str, str] = {}
    for row in _rows("features | weights | licence | matcher | weights | licence"):
        shown |= {row[1].strip("`"): row[2], row[4].strip("`"): row[5]}
    assert shown == {item.name: item.licence for item in WEIGHTS.values()}


def test_files_and_folders_named_exist() -> None:
    for path in re.findall(r"`((?:geonav|tests|examples)/[\w/.]*)`", README) + re.findall(r"\]\((\w+)\)", README):
        assert (ROOT / path).exists(), path
