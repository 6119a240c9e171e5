"""Places and streets, as geopy and osmnx read them."""

from __future__ import annotations

import pytest
import requests
from shapely.geometry import shape

from geonav.errors import InputError
from geonav.providers.demo.twin import Twin
from geonav.providers.places import find_place
from geonav.providers.streets import street_points
from tests.providers.twin.stand_in import StandInCity

CITY = StandInCity()


@pytest.fixture(scope="module")
def twin():
    with Twin(CITY) as running:
        yield running


def search(twin: Twin, agent: str = "geonav-test/1", **query: object) -> requests.Response:
    defaults = {"format": "json", "polygon_geojson": 1}
    return requests.get(f"{twin.base_url}/search", params=defaults | query, headers={"User-Agent": agent}, timeout=5)


def test_the_city_has_its_outline(twin):
    (found,) = search(twin, q="standdorf").json()
    assert shape(found["geojson"]).equals(CITY.outline)
    south, north, west, east = map(float, found["boundingbox"])
    assert (west, south, east, north) == pytest.approx(CITY.outline.bounds, abs=1e-6)
    assert (found["class"], found["osm_type"]) == ("boundary", "relation")


@pytest.mark.parametrize(
    ("words", "kind"),
    [("Lange Gasse, Standdorf", "LineString"), ("quergasse", "LineString"), ("Rathaus", "Point"), ("Paris", None)],
)
def test_other_places_are_lines_points_or_unknown(twin, words, kind):
    found = search(twin, q=words).json()
    assert [entry["geojson"]["type"] for entry in found] == ([kind] if kind else [])


def test_shapes_come_only_when_asked_for(twin):
    assert "geojson" not in search(twin, q="Standdorf", polygon_geojson=0).json()[0]


def test_programs_must_name_themselves(twin):
    assert search(twin, "python-requests/2.34", q="Standdorf").status_code == 403
    assert search(twin, q="").status_code == 400


def test_geonav_finds_the_city_and_not_others(twin, config_of, tmp_path):
    config = config_of(twin).model_copy(update={"cache_dir": tmp_path})
    place = find_place("Standdorf", config)
    assert place.outline is not None
    assert place.outline.equals(CITY.outline)
    assert find_place("Rathaus", config).outline is None
    with pytest.raises(InputError):
        find_place("Atlantis", config)


def ask_overpass(twin: Twin, query: str) -> requests.Response:
    return requests.post(f"{twin.base_url}/api/interpreter", data={"data": query}, timeout=5)


def test_streets_are_ways_that_share_a_node_where_they_cross(twin):
    elements = ask_overpass(twin, '[out:json];(way["highway"](48.9,8.3,49.0,8.5);>;);out;').json()["elements"]
    ways = [element for element in elements if element["type"] == "way"]
    nodes = {element["id"] for element in elements if element["type"] == "node"}
    assert {way["tags"]["name"] for way in ways} == {"Lange Gasse", "Quergasse"}
    assert [len(way["nodes"]) for way in ways] == [3, 3]
    assert len(set(ways[0]["nodes"]) & set(ways[1]["nodes"])) == 1
    assert nodes == {node for way in ways for node in way["nodes"]}


def test_only_streets_of_the_area_come(twin):
    west_end = CITY.frame.geo_from_enu([-60.0, 0.0, 0.0])
    query = f'[out:json];way["highway"](around:30,{float(west_end[0]):.7f},{float(west_end[1]):.7f});out geom;'
    (way,) = [e for e in ask_overpass(twin, query).json()["elements"] if e["type"] == "way"]
    assert way["tags"]["name"] == "Lange Gasse"
    assert len(way["geometry"]) == 3
    assert ask_overpass(twin, 'way["highway"](poly:"0 0 0 1 1 1");out;').json()["elements"] == []
    assert ask_overpass(twin, 'way["building"](48.9,8.3,49.0,8.5);out;').json()["elements"] == []
    assert ask_overpass(twin, 'way["highway"];out;').status_code == 400


def test_geonav_samples_along_the_streets(twin, config_of, tmp_path):
    config = config_of(twin, sampling={"spacing_m": 10.0}).model_copy(update={"cache_dir": tmp_path})
    points = street_points(CITY.outline, config)
    east, north, _ = CITY.frame.enu_from_geo([p.lat for p in points], [p.lng for p in points], 120.0).T
    on_long = abs(north) < 0.1
    on_cross = abs(east - 20.0) < 0.1
    assert (on_long | on_cross).all()
    assert 17 <= len(points) <= 21  # 200 m of street
    assert {round(p.heading_deg) % 180 for p in points} == {0, 90}
