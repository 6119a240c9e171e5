"""Importing, checking and describing databases through the program."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from geonav.data.database import Database
from geonav.data.metadata import ImageMetadata
from geonav.geometry.geodesy import GeoPoint
from tests.cli.conftest import Run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A database of two grey photos at its origin."""
    database = Database.create(tmp_path / "source", GeoPoint(48.5, 8.25, 130.0))
    for uid in ("left", "right"):
        picture = BytesIO()
        Image.new("RGB", (64, 48), (90, 120, 90)).save(picture, "JPEG", comment=uid.encode())
        metadata = ImageMetadata.model_validate(
            {
                "w": 64,
                "h": 48,
                "lat": 48.5,
                "lng": 8.25,
                "alt": 130.0,
                "azn": 0.0,
                "fov": 60.0,
                "K": [[55.0, 0.0, 32.0], [0.0, 55.0, 24.0], [0.0, 0.0, 1.0]],
                "E": [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]],
            }
        )
        database.add_entry(uid, picture.getvalue(), metadata)
    return database.path


def test_a_database_is_imported_once(source: Path, run: Run) -> None:
    first = run("import", "database", source, "--database", "mine")
    assert (first.code, first.out) == (0, "mine: 2 added, 0 updated, 0 there already, 0 failed\n")
    second = run("import", "database", source, "--database", "mine")
    assert (second.code, second.out) == (0, "mine: 0 added, 0 updated, 2 there already, 0 failed\n")
    assert Database.open("mine").uids() == ["left", "right"]


def test_globs_choose_what_is_imported(source: Path, run: Run) -> None:
    report = json.loads(
        run("import", "database", source, "-d", "mine", "--include", "l*", "--include", "x", "--json").out
    )
    assert report["added"] == ["left"]
    assert Database.open("mine").uids() == ["left"]
    report = json.loads(run("import", "database", source, "-d", "other", "--exclude", "l*", "--json").out)
    assert report["added"] == ["right"]


def test_a_broken_entry_makes_the_import_partial(source: Path, run: Run) -> None:
    (source / "left" / "image.jpg").write_text("no picture")
    ended = run("import", "database", source, "--database", "mine")
    assert ended.code == 6
    assert "1 added" in ended.out
    assert ended.err.startswith("error: 1 of 2 photos were not imported, the first being left.jpg: ")
    assert ended.err.count("\n") == 1


def test_nothing_imported_is_an_input_error(source: Path, run: Run) -> None:
    for uid in ("left", "right"):
        (source / uid / "image.jpg").write_text("no picture")
    assert run("import", "database", source, "--database", "mine").code == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["import", "colmap", "absent", "--images", "absent", "--origin", "48", "8", "-12.5"],
        ["import", "folder", "absent"],
        ["import", "database", "absent"],
        ["index", "local"],
        ["index", "global"],
        ["database", "check"],
        ["database", "info"],
        ["localize", "a.jpg"],
    ],
    ids=" ".join,
)
def test_what_is_absent_is_named_in_one_line(arguments: list[str], run: Run) -> None:
    ended = run(*arguments, "--database", "absent-too")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("error: ")
    assert "absent" in ended.err
    assert ended.err.count("\n") == 1
    assert not Path("absent-too").exists(), "a failed command makes nothing"


def test_import_options_are_checked(source: Path, run: Run) -> None:
    ended = run("import", "database", source, "-d", "mine", "--position-std-m", "-1")
    assert (ended.code, ended.err) == (2, "error: position_std_m is -1.0, but must be a positive number\n")


def test_info_says_what_is_there(source: Path, run: Run) -> None:
    info = json.loads(run("database", "info", "-d", source, "--json").out)
    assert (info["num_entries"], info["num_with_pose"], info["alt_datum"]) == (2, 2, "wgs84")
    assert info["origin"] == {"lat": 48.5, "lng": 8.25, "alt": 130.0}
    assert "num_entries: 2\n" in run("database", "info", "-d", source).out


def test_check_of_a_whole_database(source: Path, run: Run) -> None:
    ended = run("database", "check", "-d", source)
    assert (ended.code, ended.out, ended.err) == (0, "2 entries checked, 0 findings\n", "")


def test_check_names_what_is_broken(source: Path, run: Run) -> None:
    (source / "left" / "metadata.json").write_text("{}")
    ended = run("database", "check", "-d", source)
    assert ended.code == 6
    assert ended.out.startswith("left: ")
    assert ended.err == "error: 1 of 1 findings are not repaired; --repair does what can be done\n"
    findings = json.loads(run("database", "check", "--repair", "-d", source, "--json").out)["findings"]
    assert [finding["repaired"] for finding in findings] == [False]
