"""The panoramas of a database on a map: which, with which views, and where they link to."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from geonav.config import GeonavConfig
from geonav.data.manifest import Manifest
from geonav.data.manifest_rows import Status
from geonav.data.survey import Panorama, SearchQuery, ViewSpec
from geonav.errors import DatabaseError, InputError, UsageError
from geonav.geometry.camera import Camera
from geonav.pipeline.postview import PostviewFilter, panorama_link, postview

CONFIG = GeonavConfig()
PANORAMAS = [
    Panorama("google", "g 1/2", 48.94, 8.40, "cut_by_provider", captured_at="2023-05"),
    Panorama("google", "g2", 48.941, 8.40, "cut_by_provider", captured_at="2019-10"),
    Panorama(
        "mapillary", "777", 48.942, 8.40, "camera", heading_deg=33.0, captured_at="2023-05-20T10:00:00Z",
        camera=Camera.from_fov(640, 480, 62.0),
    ),
    Panorama("panoramax", "u-u", 48.943, 8.40, "equirectangular", heading_deg=5.0),
]  # fmt: skip
EVERYTHING = PostviewFilter()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    with Manifest.open(tmp_path / "db") as manifest, manifest.transaction():
        for panorama in PANORAMAS:
            manifest.searches.plan(panorama.provider, [SearchQuery("q", 48.94, 8.4, 50.0)])
        for provider in {panorama.provider for panorama in PANORAMAS}:
            found = [panorama for panorama in PANORAMAS if panorama.provider == provider]
            manifest.searches.found(provider, "q", found)
    return tmp_path / "db"


def drawn(path: Path) -> dict[str, dict[str, Any]]:
    """Properties of what a map shows, by panorama."""
    data = re.search(r"geo_json_points_add\((\{.*\})\);", path.read_text(encoding="utf-8"))
    assert data
    return {feature["properties"]["i"]: feature["properties"] for feature in json.loads(data[1])["features"]}


def test_every_panorama_is_drawn_with_its_date_and_link(database: Path, tmp_path: Path) -> None:
    report = postview(database, tmp_path / "map.html", CONFIG, EVERYTHING)
    assert report.panoramas == {"google": 2, "mapillary": 1, "panoramax": 1}
    assert (report.views, report.filtered, report.gone) == (0, 0, 0)
    shown = drawn(tmp_path / "map.html")
    assert shown["g 1/2"]["l"] == "https://www.google.com/maps/@?api=1&map_action=pano&pano=g%201%2F2"
    assert shown["777"]["l"] == "https://www.mapillary.com/app/?focus=photo&pKey=777"
    assert shown["u-u"]["l"] == "https://api.panoramax.xyz/#focus=pic&pic=u-u"
    assert {name: place.get("d") for name, place in shown.items()} == {
        "g 1/2": "2023-05", "g2": "2019-10", "777": "2023-05-20", "u-u": None,
    }  # fmt: skip
    assert shown["777"]["v"] == [33.0]
    assert shown["777"]["f"] == 62.0
    assert "v" not in shown["u-u"]


def test_views_that_were_fetched_are_drawn_and_no_others(database: Path, tmp_path: Path) -> None:
    specs = [ViewSpec(index, 90.0 * index, 0.0, 75.0, 64, 64) for index in range(3)]
    with Manifest.open(database) as manifest, manifest.transaction():
        manifest.views.plan(("google", "g2"), [(spec, f"g2-{spec.index}") for spec in specs])
        manifest.views.end("g2-0", Status.DONE)
        manifest.views.end("g2-1", Status.DONE)
        manifest.views.end("g2-2", Status.FAILED, "no luck")
    report = postview(database, tmp_path / "map.html", CONFIG, EVERYTHING)
    assert report.views == 2
    place = drawn(tmp_path / "map.html")["g2"]
    assert (place["v"], place["f"]) == ([0.0, 90.0], 75.0)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (PostviewFilter(provider="google"), {"g 1/2", "g2"}),
        (PostviewFilter(since="2023"), {"g 1/2", "777"}),
        (PostviewFilter(since="2023-05-21"), {"g 1/2"}),
        (PostviewFilter(until="2023-05-19"), {"g 1/2", "g2"}),
        (PostviewFilter(since="2019-10-31", until="2022"), {"g2"}),
    ],
)
def test_the_filter_takes_provider_and_dates(
    database: Path, tmp_path: Path, wanted: PostviewFilter, names: set[str]
) -> None:
    report = postview(database, tmp_path / "map.html", CONFIG, wanted)
    assert set(drawn(tmp_path / "map.html")) == names
    assert report.filtered == len(PANORAMAS) - len(names)


def test_what_a_provider_no_longer_has_is_left_out(database: Path, tmp_path: Path) -> None:
    with Manifest.open(database) as manifest, manifest.transaction():
        manifest.searches.restart("google", ["q"])
        manifest.searches.found("google", "q", PANORAMAS[:1])
        manifest.searches.finish_refresh("google")
    report = postview(database, tmp_path / "map.html", CONFIG, EVERYTHING)
    assert (report.gone, report.filtered) == (1, 0)
    assert "g2" not in drawn(tmp_path / "map.html")


def test_a_service_that_only_speaks_like_google_has_no_link() -> None:
    twin = GeonavConfig.model_validate({"google": {"url": "http://127.0.0.1:8000"}})
    assert panorama_link("google", "p", twin) is None
    assert panorama_link("demo", "p", CONFIG) is None


@pytest.mark.parametrize("text", ["yesterday", "2023-13", "2023-02-30", "23", "2023-5", "", "2023-05-01T10"])
def test_dates_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no date: give a year, a month or a day"):
        PostviewFilter(since=text)
    with pytest.raises(UsageError, match="--until"):
        PostviewFilter(until=text)


def test_nothing_to_draw_is_one_line(database: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none of its 4 panoramas passes the filter"):
        postview(database, tmp_path / "map.html", CONFIG, PostviewFilter(since="2030"))
    with pytest.raises(DatabaseError, match="nothing was fetched into"):
        postview(tmp_path / "none", tmp_path / "map.html", CONFIG, EVERYTHING)
    with Manifest.open(tmp_path / "empty"):
        pass
    with pytest.raises(InputError, match="it has no panoramas"):
        postview(tmp_path / "empty", tmp_path / "map.html", CONFIG, EVERYTHING)
    assert not (tmp_path / "map.html").exists()


@pytest.mark.parametrize("zoom", [-1, 22])
def test_a_zoom_out_of_range_is_refused(database: Path, tmp_path: Path, zoom: int) -> None:
    with pytest.raises(UsageError, match=f"--zoom {zoom} is out of range"):
        postview(database, tmp_path / "map.html", CONFIG, EVERYTHING, zoom)
