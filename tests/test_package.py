"""Promises of the package as a whole."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import geonav

PACKAGE = Path(geonav.__file__).parent
HEAVY = ("torch", "kornia", "faiss", "pycolmap")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_stay_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) < 300


def test_exported_names_are_sorted_and_complete() -> None:
    assert list(geonav.__all__) == sorted(set(geonav.__all__))
    assert set(geonav.__all__) == set(geonav._MODULES)
    assert set(geonav.__all__) <= set(dir(geonav))


@pytest.mark.parametrize("name", geonav.__all__)
def test_exported_names_load(name: str) -> None:
    assert getattr(geonav, name).__name__ == name
    assert getattr(geonav, name).__doc__, "an exported name is documented"


@pytest.mark.parametrize("name", ["sample", "preview", "fetch_metadata", "fetch_elevation", "postview"])
def test_what_a_call_needs_is_exported_too(name: str) -> None:
    own = {kind for kind in re.findall(r"\b[A-Z]\w+", " ".join(_needed(name))) if not hasattr(typing, kind)}
    assert own <= set(geonav.__all__) | {"Path", "Any", "None"}


def _needed(name: str) -> list[str]:
    parameters = inspect.signature(getattr(geonav, name)).parameters.values()
    return [str(parameter.annotation) for parameter in parameters if parameter.default is parameter.empty]


def test_names_that_are_not_exported_do_not_load() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Locator'"):
        geonav.Locator  # noqa: B018


@pytest.mark.parametrize("arguments", [["--help"], ["localize", "--help"], ["index", "--help"], ["config", "show"]])
def test_the_command_line_starts_light(arguments: list[str], tmp_path: Path) -> None:
    code = (
        f"import sys; from geonav.cli.app import main; code = main({arguments!r}); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], code, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert ended.stderr.strip() == "[] 0"


def test_importing_the_package_is_light() -> None:
    code = f"import sys, geonav, geonav.config; sys.exit(any(name in sys.modules for name in {HEAVY!r}))"
    subprocess.run([sys.executable, "-c", code], check=True)
