"""Commands that only show something, and progress."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from pathlib import Path

import pytest

from geonav.cli.progress import progress_bars
from geonav.cli.session import Session
from geonav.config import load_config
from geonav.data.results import LocalizationResult
from tests.cli.conftest import Run


def test_config_show_is_a_file_that_sets_the_same(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEONAV_LOCAL__MAX_KEYPOINTS", "512")
    monkeypatch.setenv("GEONAV_WEIGHTS__PATHS__DISK", "/my/'\"disk.pth")
    shown = run("config", "show", "--database", tmp_path / "db").out
    effective = load_config(overrides={"database": tmp_path / "db"})
    monkeypatch.undo()
    file = tmp_path / "shown.toml"
    file.write_text(shown)
    assert tomllib.loads(shown)["local"]["max_keypoints"] == 512
    assert load_config(file) == effective


def test_config_show_as_json(run: Run) -> None:
    shown = json.loads(run("config", "show", "--json").out)
    assert shown["global"]["descriptor"] == "vlad"
    assert shown["database"] is None


def test_config_comes_before_the_command_or_from_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine.toml").write_text("seed = 11\n")
    assert "seed = 11" in run("--config", "mine.toml", "config", "show").out
    monkeypatch.setenv("GEONAV_CONFIG", "mine.toml")
    assert "seed = 11" in run("config", "show").out


def test_unknown_names_are_refused_in_one_line(run: Run) -> None:
    Path("geonav.toml").write_text("[localise]\ntop_k = 3\n")
    ended = run("config", "show")
    assert (ended.code, ended.err) == (
        2,
        "error: geonav.toml: unknown section 'localise': did you mean 'localize'?\n",
    )


def test_schema_describes_every_field_of_a_result(run: Run) -> None:
    schema = json.loads(run("schema").out)
    assert list(schema["properties"]) == list(LocalizationResult.model_fields)


def test_models_list_names_licence_and_source(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEONAV_CACHE_DIR", str(tmp_path / "cache"))
    models = json.loads(run("models", "list", "--json").out)
    assert {"disk", "disk_lightglue"} <= {model["weights"]["name"] for model in models}
    assert all(model["weights"]["licence"] and model["state"] == "absent" for model in models)
    assert "Apache-2.0" in run("models", "list").out


def test_models_pull_refuses_an_unknown_name(run: Run) -> None:
    ended = run("models", "pull", "dsik")
    assert ended.code == 2
    assert ended.err.startswith("error: unknown weights 'dsik': did you mean 'disk'?")


def test_nothing_is_drawn_where_stderr_is_no_terminal() -> None:
    with progress_bars(Session()) as on_progress:
        assert on_progress is None


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("session", "drawn"), [("Session()", True), ("Session(quiet=True)", False)])
def test_a_terminal_gets_bars_on_stderr_unless_quiet(session: str, drawn: bool, tmp_path: Path) -> None:
    code = f"""
from geonav.cli.progress import progress_bars
from geonav.cli.session import Session
from geonav.data.progress import ProgressEvent
with progress_bars({session}) as on_progress:
    if on_progress:
        on_progress(ProgressEvent("index local", 3, 7, "0004"))
    print("data")
"""
    assert _terminal_output(code, tmp_path / "stdout") == drawn
    assert (tmp_path / "stdout").read_text() == "data\n"


def _terminal_output(code: str, stdout: Path) -> bool:
    import pty
    import subprocess

    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with stdout.open("w") as stream:
        subprocess.run(
            [sys.executable, "-c", code], stdout=stream, stderr=terminal, env=environment, check=True, timeout=60
        )
    os.close(terminal)
    try:
        return b"3/7" in os.read(controller, 65536)
    except OSError:  # nothing was written before the terminal closed
        return False
    finally:
        os.close(controller)
