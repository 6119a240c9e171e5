"""Maps: what is in the file, how large it is, and what its program does with it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geonav.config import GeonavConfig
from geonav.data.survey import SamplePoint
from geonav.errors import ConfigError, InputError
from geonav.geometry.plane import MetricPlane
from geonav.pipeline.maps import MAP_POINTS, MapPanorama, write_panorama_map, write_preview_map
from geonav.pipeline.sampling import SampleRequest, Sampling, sample

NODE = shutil.which("node")


def features_of(page: str) -> list[dict[str, Any]]:
    """What stands in the one layer of a map."""
    assert page.count("L.geoJson(") == 1
    data = re.search(r"geo_json_points_add\((\{.*\})\);", page)
    assert data
    features: list[dict[str, Any]] = json.loads(data[1])["features"]
    return features


def start_of(page: str) -> dict[str, Any]:
    """What the page's program is started with."""
    data = re.search(r"geonavMap\.start\(map_page, geo_json_points, (\{.*\})\);", page)
    assert data
    options: dict[str, Any] = json.loads(data[1])
    return options


def panorama(number: int = 0, **others: Any) -> MapPanorama:
    values = {
        "pano_id": f"p{number}", "provider": "google", "lat": 48.94, "lng": 8.40, "captured_at": "2023-05",
        "views": (0.0, 90.0, 180.0, 270.0), "fov_deg": 90.0,
        "link": f"https://www.google.com/maps/@?api=1&map_action=pano&pano=p{number}",
    }  # fmt: skip
    return MapPanorama(**values | others)


def test_a_preview_shows_outline_points_and_credit(tmp_path: Path) -> None:
    config = GeonavConfig()
    sampling = sample(SampleRequest(point=(48.94, 8.40), radius_m=100.0), config)
    write_preview_map(tmp_path / "map.html", sampling, config)
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    outline, *points = features_of(page)
    assert outline["geometry"]["type"] == "MultiPolygon"
    shown = [tuple(point["geometry"]["coordinates"]) for point in points]
    assert shown == [(round(point.lng, 6), round(point.lat, 6)) for point in sampling.points]
    assert "OpenStreetMap contributors" in page
    assert "light_all/{z}/{x}/{y}{r}.png" in page
    assert start_of(page)["legend"] == f"100 m about 48.94000 8.40000: {len(points)} points"
    (south, west), (north, east) = start_of(page)["bounds"]
    assert (south, north) == (pytest.approx(48.9391, abs=2e-4), pytest.approx(48.9409, abs=2e-4))
    assert (west, east) == (pytest.approx(8.39863, abs=2e-4), pytest.approx(8.40137, abs=2e-4))


def test_a_map_needs_nothing_but_leaflet_and_says_so_when_it_cannot_load_it(tmp_path: Path) -> None:
    write_panorama_map(tmp_path / "map.html", [panorama()], GeonavConfig(), None)
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    scripts = re.findall(r'<script src="([^"]+)"', page)
    assert len(scripts) == 1
    assert "leaflet" in scripts[0]
    assert '<meta name="referrer" content="strict-origin-when-cross-origin" />' in page
    assert '"referrerPolicy": "strict-origin-when-cross-origin"' in page
    assert '"preferCanvas": true' in page
    assert '<div id="geonav-note" hidden></div>' in page
    assert page.index('id="geonav-note"') < page.index("geonavMap.start(")


def test_panoramas_come_with_views_dates_and_links_but_no_pictures(tmp_path: Path) -> None:
    shown = [panorama(1), panorama(2, provider="mapillary", captured_at=None, views=(), fov_deg=None, link=None)]
    write_panorama_map(tmp_path / "map.html", shown, GeonavConfig(), 17)
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    first, second = (feature["properties"] for feature in features_of(page))
    assert first == {
        "i": "p1", "p": "google", "d": "2023-05", "v": [0.0, 90.0, 180.0, 270.0], "f": 90.0,
        "l": "https://www.google.com/maps/@?api=1&map_action=pano&pano=p1",
    }  # fmt: skip
    assert second == {"i": "p2", "p": "mapillary"}
    assert "<img" not in page
    assert "streetview" not in page.lower()
    assert start_of(page) == {"filter": True, "providers": ["google", "mapillary"]}
    assert '"zoom": 17' in page


def test_equal_panoramas_make_equal_files(tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        write_panorama_map(tmp_path / name, [panorama(1), panorama(2)], GeonavConfig(), None)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_what_others_wrote_is_never_read_as_html_or_as_a_template(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>{{ 7 * 7 }}{% raise %}"
    write_panorama_map(
        tmp_path / "a.html", [panorama(pano_id=evil, provider=evil, link="javascript:alert(1)")], GeonavConfig(), None
    )
    area = MetricPlane(48.94, 8.4).unproject(MetricPlane(48.94, 8.4).project(square(48.94, 8.4)))
    write_preview_map(
        tmp_path / "b.html", Sampling(area, (48.94, 8.4), (SamplePoint(48.94, 8.4),), 1.0, evil), GeonavConfig()
    )
    for name in ("a.html", "b.html"):
        page = (tmp_path / name).read_text(encoding="utf-8")
        assert "<script>alert" not in page
        assert "{{ 7 * 7 }}" in page


def square(lat: float, lng: float) -> Any:
    from shapely.geometry import box

    return box(lng - 0.001, lat - 0.001, lng + 0.001, lat + 0.001)


def test_across_the_antimeridian_a_map_is_of_one_piece(tmp_path: Path) -> None:
    config = GeonavConfig()
    sampling = sample(SampleRequest(point=(-17.0, 180.0), radius_m=200.0), config)
    write_preview_map(tmp_path / "a.html", sampling, config)
    outline, *points = features_of((tmp_path / "a.html").read_text(encoding="utf-8"))
    lngs = [point["geometry"]["coordinates"][0] for point in points]
    assert max(lngs) - min(lngs) < 0.005
    corners = [corner for part in outline["geometry"]["coordinates"] for ring in part for corner in ring]
    assert max(x for x, _ in corners) - min(x for x, _ in corners) < 0.005
    write_panorama_map(tmp_path / "b.html", [panorama(lng=179.999), panorama(lng=-179.999)], config, None)
    lngs = [f["geometry"]["coordinates"][0] for f in features_of((tmp_path / "b.html").read_text(encoding="utf-8"))]
    assert abs(lngs[0] - lngs[1]) == pytest.approx(0.002)


def test_twenty_thousand_panoramas_are_a_file_of_less_than_15_mb_in_less_than_10_s(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    places = random.normal((48.94, 8.40), 0.02, (20_000, 2)).tolist()
    views = tuple(45.0 * index for index in range(8))
    shown = [panorama(10**15 + i, lat=lat, lng=lng, views=views) for i, (lat, lng) in enumerate(places)]
    start = time.monotonic()
    write_panorama_map(tmp_path / "map.html", shown, GeonavConfig(), 17)
    assert time.monotonic() - start < 10
    assert (tmp_path / "map.html").stat().st_size < 15e6


def test_a_preview_of_too_many_points_shows_an_even_share_and_says_so(tmp_path: Path) -> None:
    points = tuple(SamplePoint(48.9 + 1e-7 * index, 8.4) for index in range(MAP_POINTS + 1))
    write_preview_map(
        tmp_path / "map.html", Sampling(square(48.9, 8.4), (48.9, 8.4), points, 1.0, "Town"), GeonavConfig()
    )
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert len(features_of(page)) == 1 + MAP_POINTS // 2 + 1
    assert start_of(page)["legend"] == "Town: 50,001 points, 25,001 of them shown"


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({"tile_url": "https://mt1.google.com/vt/lyrs=s&x={x}&y={y}&z={z}"}, "one of Google's"),
        ({"tile_url": "https://tile.googleapis.com/v1/2dtiles/{z}/{x}/{y}"}, "one of Google's"),
        ({"tile_url": "https://tile.example.org/"}, "no address of tiles"),
        ({"tile_url": "file:///{z}/{x}/{y}.png"}, "no address of tiles"),
        ({"attribution": " "}, r"maps\.attribution is empty"),
    ],
)
def test_a_background_that_cannot_or_must_not_be_is_refused(tmp_path: Path, maps: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        write_panorama_map(tmp_path / "m.html", [panorama()], GeonavConfig.model_validate({"maps": maps}), None)
    assert not (tmp_path / "m.html").exists()


def test_nothing_to_draw_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no panoramas to draw"):
        write_panorama_map(tmp_path / "m.html", [], GeonavConfig(), None)


if NODE:

    def in_node(expression: str) -> Any:
        """What an expression gives when the page's program is loaded."""
        program = files("geonav.pipeline").joinpath("map_page.js").read_text(encoding="utf-8")
        script = f"{program}\nconsole.log(JSON.stringify({expression}));"
        ended = subprocess.run([NODE, "-e", script], capture_output=True, text=True, check=True, timeout=20)
        return json.loads(ended.stdout)

    def test_the_page_s_filter_takes_years_and_months_for_all_their_days() -> None:
        places = [
            {"p": "a", "d": "2023-05"}, {"p": "a", "d": "2023"}, {"p": "b", "d": "2023-05-09"}, {"p": "a"},
        ]  # fmt: skip
        filters = [
            {"hidden": [], "since": "", "until": ""},
            {"hidden": ["b"], "since": "", "until": ""},
            {"hidden": [], "since": "2023-05-10", "until": ""},
            {"hidden": [], "since": "2023-06-01", "until": ""},
            {"hidden": [], "since": "", "until": "2023-05-08"},
            {"hidden": [], "since": "", "until": "2022-12-31"},
        ]
        shown = in_node(f"{filters}.map((f) => {places}.map((place) => geonavMap.isShown(place, f)))")
        assert shown == [
            [True, True, True, True],
            [True, True, False, True],
            [True, True, False, False],
            [False, True, False, False],
            [True, True, False, False],
            [False, False, False, False],
        ]

    def test_view_lines_point_clockwise_from_north_on_a_screen_that_grows_downwards() -> None:
        ends = in_node("geonavMap.spokeEnds(100, 100, [0, 90, 180, 270])")
        assert np.array(ends) == pytest.approx(np.array([[100, 84], [116, 100], [100, 116], [84, 100]]))
