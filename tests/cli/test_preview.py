"""``geonav preview`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from tests.cli.conftest import Run

DISC = ("preview", "--point", "40.71", "-74.006", "--radius", "300")


def test_counts_area_calls_and_money_are_printed(run: Run) -> None:
    ended = run(*DISC, "--spacing", "10")
    assert (ended.code, ended.err) == (0, "")
    words = " ".join(ended.out.split())
    assert "300 m about 40.71000 -74.00600: 0.283 km2 about 40.71000 -74.00600" in words
    assert "3,259 points every 10 m" in words
    assert "about 516 panoramas" in words
    assert "google 3,259 516 4,128 2 0.00" in words
    assert "mapillary 2 ? ? ? 0.00" in words
    assert "USD by prices of 2025-03" in words


def test_json_is_one_object_with_the_same_numbers(run: Run) -> None:
    ended = run(*DISC, "--spacing", "10", "--n_directions", "4", "--json")
    (line,) = ended.out.splitlines()
    report = json.loads(line)
    assert (report["num_points"], report["expected_panoramas"]) == (3259, 516)
    assert report["providers"][0]["pictures"] == 4 * 516
    assert report["files"] == []


def test_v_draws_a_map_beside_the_output(run: Run, tmp_path: Path) -> None:
    ended = run(*DISC, "--spacing", "50", "--jitter", "1", "2", "-v", "--output", "points.csv")
    assert ended.code == 0
    assert "written: points.csv\nwritten: points.html\n" in ended.out
    assert (tmp_path / "points.csv").read_text().startswith("lat,lng,heading\n")
    assert (tmp_path / "points.html").is_file()
    assert run(*DISC, "-v").out.splitlines()[-1] == "written: preview.html"


def test_equal_calls_write_equal_files_and_another_seed_does_not(run: Run, tmp_path: Path) -> None:
    for name, seed in (("a.csv", "1"), ("b.csv", "1"), ("c.csv", "2")):
        run(*DISC, "--jitter", "1", "2", "--seed", seed, "--output", name)
    a, b, c = ((tmp_path / name).read_bytes() for name in ("a.csv", "b.csv", "c.csv"))
    assert a == b != c


def test_points_that_were_written_can_be_previewed_again(run: Run, tmp_path: Path) -> None:
    run(*DISC, "--spacing", "50", "--output", "points.geojson")
    ended = run("preview", "--points", "points.geojson", "--json")
    assert json.loads(ended.out)["num_points"] == json.loads(run(*DISC, "--spacing", "50", "--json").out)["num_points"]


def test_one_point_is_no_plural(run: Run) -> None:
    Path("one.csv").write_text("lat,lng\n48.94,8.4\n", "utf-8")
    ended = run("preview", "--points", "one.csv")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[1].startswith("1 point every ")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that takes no files, as /proc is")
def test_a_folder_that_takes_no_files_is_one_line(run: Run) -> None:
    ended = run("preview", "--point", "48.94", "8.4", "--radius", "50", "--spacing", "20", "--output", "/proc/x.html")
    assert (ended.code, ended.err.count("\n")) == (8, 1)
    assert ended.err.startswith("error: cannot write /proc/x.html: ")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "give exactly one of --point LAT LNG, --place NAME and --points FILE"),
        (("--point", "1", "2"), 2, "--point needs --radius METRES"),
        (("--point", "1", "2", "--radius", "0"), 2, "--radius 0 is out of range"),
        (("--point", "1", "2", "--radius", "10", "--spacing", "50"), 2, "--spacing 50 is larger than --radius 10"),
        (("--point", "1", "2", "--radius", "500000"), 2, "about 2,267,249,205 points, more than the 1,000,000"),
        (("--point", "1", "2", "--radius", "50", "--grid", "round"), 2, "sampling.grid = 'round'"),
        (("--point", "1", "2", "--radius", "50", "--jitter", "2", "1"), 2, "jitter 2 1: give LOWER and UPPER"),
        (
            ("--point", "1", "2", "--radius", "50", "--output", "x.pdf"),
            2,
            "end its name with .html or .geojson or .csv",
        ),
        (("--points", "none.csv"), 3, "points none.csv cannot be read: No such file"),
    ],
)
def test_bad_input_is_one_line_with_its_code(run: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    ended = run("preview", *arguments)
    assert ended.code == code
    assert message in ended.err
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    assert ended.out == ""


@pytest.fixture
def nominatim(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> HTTPServer:
    monkeypatch.setenv("GEONAV_OSM__NOMINATIM_URL", httpserver.url_for("/"))
    monkeypatch.setenv("GEONAV_OSM__MIN_INTERVAL_S", "0")
    monkeypatch.setenv("GEONAV_CACHE_DIR", str(tmp_path / "cache"))
    return httpserver


DOT = {"display_name": "Dot", "lat": "48.9", "lon": "8.4", "geojson": {"type": "Point", "coordinates": [8.4, 48.9]}}


@pytest.mark.parametrize(
    ("results", "arguments", "code", "message"),
    [
        ([], (), 3, "knows no place 'Somewhere'"),
        ([DOT], (), 2, "has no outline, it is a point or a line"),
        ([DOT], ("--radius", "50"), 0, ""),
    ],
)
def test_places_go_through_the_configured_service(
    run: Run, nominatim: HTTPServer, results: object, arguments: tuple[str, ...], code: int, message: str
) -> None:
    nominatim.expect_request("/search").respond_with_json(results)
    ended = run("preview", "--place", "Somewhere", *arguments)
    assert ended.code == code
    assert message in ended.err
    assert ended.err.count("\n") == (1 if code else 0)


def test_no_network_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEONAV_OSM__NOMINATIM_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("GEONAV_FETCH__BACKOFF_S", "0")
    monkeypatch.setenv("GEONAV_OSM__MIN_INTERVAL_S", "0")
    monkeypatch.setenv("GEONAV_CACHE_DIR", str(tmp_path / "cache"))
    ended = run("preview", "--place", "Somewhere")
    assert ended.code == 5
    assert ended.err.count("\n") == 1
    assert "check the network" in ended.err
