"""``geonav localize --sequence``: what is printed and written, and what does not go together."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.results import LocalizationResult
from geonav.data.track import TrackPoint
from geonav.geometry.geodesy import GeoPoint
from tests.cli.conftest import Run
from tests.formats.tracks import result
from tests.providers.films import greys, write_film


class ScriptedLocalizer:
    """Locates the frames whose name or grey says so, each alone."""

    def __init__(self, database: Database, config: GeonavConfig) -> None:
        self.database, self.config = database, config

    def locate(self, path: Path, **_options: Any) -> LocalizationResult:
        if "interrupt" in path.name:
            raise KeyboardInterrupt
        if "dark" in path.name or path.name == "frame.jpg":
            return LocalizationResult(query=str(path), status="not_located", reason="too few matches")
        return result(str(path), 48.5)


@pytest.fixture(autouse=True)
def _scripted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = ModuleType("geonav.pipeline.localize")
    module.Localizer = ScriptedLocalizer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "geonav.pipeline.localize", module)
    Database.create(tmp_path / "castle", GeoPoint(48.9, 8.4, 130))
    monkeypatch.setenv("GEONAV_DATABASE", str(tmp_path / "castle"))
    (tmp_path / "walk").mkdir()
    for name in ("a_dark.jpg", "b_dark.jpg"):
        Image.new("RGB", (32, 24)).save(tmp_path / "walk" / name)


def test_a_video_whose_frames_show_nothing_ends_with_7(run: Run, tmp_path: Path) -> None:
    write_film(tmp_path / "walk.mp4", greys(20))
    ended = run("localize", "--sequence", "walk.mp4", "--frame-rate", "5", "--gpx", "out.gpx", "--geojson", "out.json")
    assert (ended.code, ended.err) == (7, "error: 0 of 10 frames located; each of the others says why\n")
    assert "walk.mp4#t=0.200" in ended.out
    assert "too few matches" in ended.out
    assert "<trk>" not in Path("out.gpx").read_text()
    assert len(json.loads(Path("out.json").read_text())["features"]) == 10


def test_json_is_one_line_a_frame(run: Run) -> None:
    ended = run("localize", "--sequence", "walk", "--frame-rate", "1", "--json")
    points = [json.loads(line) for line in ended.out.splitlines()]
    assert [point["time_s"] for point in points] == [0.0, 1.0]
    assert {point["status"] for point in points} == {"refused"}
    assert points[0]["result"]["reason"] == "too few matches"


def test_geojson_to_stdout_is_alone_there(run: Run) -> None:
    ended = run("localize", "--sequence", "walk", "--frame-rate", "1", "--geojson", "-")
    assert [f["properties"]["status"] for f in json.loads(ended.out)["features"]] == ["refused", "refused"]


def test_what_was_found_before_an_interruption_is_written(run: Run) -> None:
    Image.new("RGB", (32, 24)).save("walk/c_interrupt.jpg")
    ended = run("localize", "--sequence", "walk", "--frame-rate", "1", "--json", "--gpx", "out.gpx")
    assert ended.code == 130
    assert [json.loads(line)["time_s"] for line in ended.out.splitlines()] == [0.0, 1.0]
    assert Path("out.gpx").is_file()


def test_what_was_found_before_a_film_breaks_off_is_written(run: Run) -> None:
    once = write_film(Path("a.ts"), greys(10)).read_bytes()
    Path("twice.ts").write_bytes(once + once)
    ended = run("localize", "--sequence", "twice.ts", "--frame-rate", "10", "--json")
    assert ended.code == 3
    assert "do not rise" in ended.err
    assert len(ended.out.splitlines()) == 10


def test_the_schema_is_that_of_a_frame(run: Run) -> None:
    assert list(json.loads(run("schema", "--sequence").out)["properties"]) == list(TrackPoint.model_fields)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--sequence", "gone"], 3, "there is no gone: name a folder of photos or a video"),
        (["--sequence", "walk"], 3, "2 of 2 photos in walk do not say when they were taken (a_dark.jpg): give"),
        (["--sequence", "castle/metadata.json"], 3, "there is no castle/metadata.json"),
        (["--sequence", "walk/a_dark.jpg"], 3, "walk/a_dark.jpg is a picture, not a video: locate it"),
        (["a.jpg", "--sequence", "walk"], 2, "photos and --sequence do not go together"),
        (["a.jpg", "--gpx", "a.gpx"], 2, "--gpx belongs to --sequence"),
        (["a.jpg", "--frame-rate", "2"], 2, "--frame-rate belongs to --sequence"),
        (["a.jpg", "--max-speed", "2"], 2, "--max-speed belongs to --sequence"),
        ([], 2, "no photo given"),
        (["--sequence", "walk", "--gpx", "no/where.gpx"], 3, "there is no folder no for --gpx"),
        (["--sequence", "words.mp4"], 3, "cannot read words.mp4 as a video"),
        (["--sequence", "words.mp4", "--write-exif"], 2, "are no files that take EXIF"),
    ],
)
def test_what_cannot_work_is_one_line(arguments: list[str], code: int, words: str, run: Run) -> None:
    Path("words.mp4").write_text("not a film")
    ended = run("localize", *arguments)
    assert ended.code == code
    assert ended.err.startswith("error: ")
    assert words in ended.err
    assert ended.err.count("\n") == 1
    assert ended.out == ""
