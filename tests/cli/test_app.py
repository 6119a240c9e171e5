"""The program as a whole: help, version, spellings, and where errors end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from geonav import __version__
from geonav.config import GeonavConfig
from geonav.errors import AuthError, GeonavError, NetworkError, PartialError, StorageError
from tests.cli.conftest import Run

COMMANDS = [
    ["preview"],
    ["postview"],
    ["fetch", "metadata"],
    ["fetch", "elevation"],
    ["fetch", "panoramas"],
    ["import", "colmap"],
    ["import", "folder"],
    ["import", "database"],
    ["index", "local"],
    ["index", "global"],
    ["map", "build"],
    ["map", "add"],
    ["map", "report"],
    ["localize"],
    ["evaluate"],
    ["config", "show"],
    ["models", "list"],
    ["models", "pull"],
    ["schema"],
    ["database", "check"],
    ["database", "info"],
]


def test_help_names_every_command(run_process: Run) -> None:
    ended = run_process("--help")
    assert ended.code == 0
    assert ended.err == ""
    for first in {command[0] for command in COMMANDS}:
        assert f"\n  {first} " in ended.out


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_option_has_help_and_shows_its_default(command: list[str], run: Run) -> None:
    ended = run(*command, "--help")
    assert ended.code == 0
    options = ended.out.partition("Options:")[2]
    entries = [" ".join(entry.split()) for entry in options.replace("\n  -", "\0-").split("\0")[1:]]
    assert entries
    for entry in entries:
        required = entry.startswith(("--images", "--query-set", "--reference-set"))
        assert "[default: " in entry or required or entry.startswith("-h, --help"), entry


def test_defaults_in_help_are_those_of_the_configuration(run: Run) -> None:
    shown = " ".join(run("index", "local", "--help").out.split())
    section = GeonavConfig().local
    for name in ("max_keypoints", "keypoint_threshold", "nms_radius", "max_side_px", "batch_size", "model"):
        option = shown.partition(f"--{name.replace('_', '-')} ")[2]
        assert option.partition("[default: ")[2].partition("]")[0] == str(getattr(section, name))


def test_version(run: Run) -> None:
    assert run("--version").out == f"geonav {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nope"], "error: No such option: --nope (see 'geonav --help')"),
        (["localise"], "error: No such command 'localise'"),
        (
            ["localize"],
            "error: no photo given: name photos, - to read their names from stdin, --watch folder or --sequence",
        ),
        (["evaluate", "--query-set", "q"], "error: Missing option '--reference-set'"),
        (["localize", "a.jpg", "--top-k", "many"], "error: Invalid value for '--top-k'"),
        (["localize", "a.jpg", "--json", "--geojson", "-"], "error: --json and --geojson - would both write to stdout"),
        (["import", "colmap", "model", "--images", "x", "--origin", "1", "2"], "error: Option '--origin' requires 3"),
        (["import", "colmap", "m", "--images", "x", "--alt-datum", "sea"], "error: Invalid value for '--alt-datum'"),
        (["localize", "a.jpg"], "error: no database named: give --database DIR, set GEONAV_DATABASE"),
        (["localize", "a.jpg", "--device", "gpu", "-d", "x"], "error: options: device = 'gpu': unknown device 'gpu'"),
        (["--config", "absent.toml", "config", "show"], "error: configuration absent.toml cannot be read"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(arguments: list[str], message: str, run: Run) -> None:
    ended = run(*arguments)
    assert ended.err.lower().startswith(message.lower())
    assert ended.err.count("\n") == 1
    assert (ended.code, ended.out) == (2, "")


def test_a_group_alone_prints_its_help(run: Run) -> None:
    ended = run("index")
    assert ended.code == 2
    assert "local" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("spelling", ["--max-keypoints", "--max_keypoints"])
def test_options_may_be_spelt_with_underscores(spelling: str, run: Run) -> None:
    ended = run("index", "local", spelling, "many")
    assert "'--max-keypoints'" in ended.err
    assert ended.code == 2


@pytest.mark.parametrize(
    "spelling",
    [
        ["evaluate", "--query_set", "my_queries", "--reference_set=my_refs", "--exp_name", "a_b"],
        ["index", "global", "--descriptor_type", "v_l", "-d", "my_refs"],
        ["import", "colmap", "my_refs", "--images", "--my_images", "--database", "x_y", "--position_std_m", "1"],
    ],
)
def test_underscores_in_values_stay(spelling: list[str], run: Run) -> None:
    ended = run(*spelling)
    assert ended.code == 3
    assert "my_" in ended.err
    assert "my-" not in ended.err


def test_what_follows_two_dashes_is_a_value(run: Run) -> None:
    ended = run("models", "pull", "--", "--no_weights")
    assert ended.code == 2
    assert "'--no_weights'" in ended.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (GeonavError("off"), 1),
        (AuthError("off"), 4),
        (NetworkError("off"), 5),
        (PartialError("off"), 6),
        (StorageError("off"), 8),
    ],
)
def test_every_error_has_its_exit_code(error: Exception, code: int, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geonav.config.load_config", _raising(error))
    ended = run("config", "show")
    assert (ended.code, ended.out, ended.err) == (code, "", "error: off\n")


def test_an_unexpected_error_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geonav.config.load_config", _raising(ZeroDivisionError("two\nlines")))
    ended = run("config", "show")
    assert ended.code == 1
    assert ended.err == ("error: unexpected ZeroDivisionError: two lines (geonav --verbose COMMAND shows where)\n")


def test_verbose_adds_the_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geonav.config.load_config", _raising(ZeroDivisionError("off")))
    ended = run("--verbose", "config", "show")
    assert ended.code == 1
    assert "Traceback" in ended.err
    assert "unexpected ZeroDivisionError: off" in ended.err


def test_interrupting_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geonav.config.load_config", _raising(KeyboardInterrupt()))
    ended = run("config", "show")
    assert (ended.code, ended.out, ended.err) == (130, "", "interrupted: run the same command again to go on\n")


def test_a_closed_pipe_ends_quietly() -> None:
    command = [sys.executable, "-m", "geonav", "schema"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()  # type: ignore[union-attr]
        assert process.stderr.read() == b""  # type: ignore[union-attr]
        assert process.wait(60) == 128 + signal.SIGPIPE


def test_completion_still_works(run_process: Run) -> None:
    asked = {**os.environ, "_GEONAV_COMPLETE": "complete_bash", "COMP_WORDS": "geonav loc", "COMP_CWORD": "1"}
    assert run_process(env=asked).out.strip() == "localize"


def _raising(error: BaseException) -> object:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_the_program_is_installed(tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "geonav"
    ended = subprocess.run([script, "--version"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ended.stdout == f"geonav {__version__}\n"
