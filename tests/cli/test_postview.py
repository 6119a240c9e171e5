"""``geonav postview`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geonav.data.manifest import Manifest
from geonav.data.survey import Panorama, SearchQuery
from tests.cli.conftest import Run


@pytest.fixture
def database(tmp_path: Path) -> Path:
    with Manifest.open(tmp_path / "db") as manifest, manifest.transaction():
        manifest.searches.plan("google", [SearchQuery("q", 48.94, 8.4, 50.0)])
        dates = ("2019-10", "2023-05", None)
        found = [
            Panorama("google", f"p{i}", 48.94, 8.40, "cut_by_provider", captured_at=d) for i, d in enumerate(dates)
        ]
        manifest.searches.found("google", "q", found)
    return tmp_path / "db"


def test_a_map_is_drawn_and_counted(run: Run, database: Path, tmp_path: Path) -> None:
    ended = run("postview", "--database", database, "--zoom", "17", "--output", "map.html")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "map.html: panoramas 3 of google, 0 views fetched\n"
    assert '"zoom": 17' in (tmp_path / "map.html").read_text(encoding="utf-8")


def test_filters_and_json(run: Run, database: Path) -> None:
    arguments = ("postview", "-d", database, "--provider", "google", "--since", "2020")
    assert run(*arguments).out == ("postview.html: panoramas 1 of google, 0 views fetched; 2 left out by the filter\n")
    report = json.loads(run(*arguments, "--json").out)
    assert report == {"path": "postview.html", "panoramas": {"google": 1}, "views": 0, "filtered": 2, "gone": 0}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--zoom", "40"), 2, "--zoom 40 is out of range"),
        (("--output", "map.png"), 2, "end its name with .html"),
        (("--since", "soon"), 2, "--since soon is no date"),
        (("--provider", "mapillary"), 3, "none of its 3 panoramas passes the filter"),
        (("--database", "elsewhere"), 3, "nothing was fetched into elsewhere yet"),
    ],
)
def test_bad_input_is_one_line_with_its_code(
    run: Run, database: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    ended = run("postview", "--database", database, *arguments)
    assert ended.code == code
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert ended.out == ""
