"""The examples run."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import geonav

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_explains_itself(path: Path) -> None:
    ended = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True, check=True)
    first_line = path.read_text("utf-8").splitlines()[0].strip('"')
    assert "usage: " in ended.stdout
    assert first_line.split(",")[0].rstrip(".") in " ".join(ended.stdout.split())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_uses_what_the_package_exports(path: Path) -> None:
    nodes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Attribute)]
    used = {node.attr for node in nodes if isinstance(node.value, ast.Name) and node.value.id == "geonav"}
    assert used
    assert used <= set(geonav.__all__)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("build_database.py", ["db", "--model", "absent", "--images", "absent", "--origin", "48", "8", "130"]),
        ("evaluate_queries.py", ["absent", "--references", "absent"]),
        ("locate_a_photo.py", ["a.jpg", "--database", "absent"]),
        ("map_photos.py", ["db", "--photos", "absent"]),
        ("search_a_photo.py", ["a.jpg", "--database", "absent"]),
    ],
)
def test_an_example_ends_with_one_line_on_bad_input(name: str, arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, EXAMPLES[0].parent / name, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error: ")
    assert "absent" in ended.stderr
    assert ended.stderr.count("\n") == 1
