"""The examples run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_explains_itself(path: Path) -> None:
    ended = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True, check=True)
    first_line = path.read_text("utf-8").splitlines()[0].strip('"')
    assert "usage: " in ended.stdout
    assert first_line.split(",")[0].rstrip(".") in " ".join(ended.stdout.split())
