"""Panoramax's STAC as its documentation has it."""

from __future__ import annotations

import io

import pytest
import requests
from PIL import Image

from geonav.providers.demo.twin import Twin
from tests.providers.twin.stand_in import StandInCity

CITY = StandInCity()
PLACES = CITY.panoramas
WEST, SOUTH, EAST, NORTH = CITY.outline.bounds
BOX = f"{WEST},{SOUTH},{EAST},{NORTH}"


@pytest.fixture(scope="module")
def twin():
    with Twin(CITY, panorama_width=128) as running:
        yield running


def ask(twin: Twin, path: str, **query: object) -> requests.Response:
    return requests.get(f"{twin.base_url}/api{path}", params=query, timeout=5)


def spots(response: requests.Response) -> list[tuple]:
    return [tuple(feature["geometry"]["coordinates"]) for feature in response.json()["features"]]


def at(*names: str) -> list[tuple]:
    return [(place.lng, place.lat) for name in names for place in PLACES if place.pano_id == name]


def test_a_box_is_sorted_by_distance_to_its_middle(twin):
    assert spots(ask(twin, "/search", bbox=BOX)) == at("a2", "a1", "b0", "a0")
    assert spots(ask(twin, "/search", bbox=BOX, limit=2)) == at("a2", "a1")
    assert spots(ask(twin, "/search", bbox="0,0,1,1")) == []


def test_items_say_where_they_look(twin):
    item = ask(twin, "/search", bbox=BOX, limit=1).json()["features"][0]
    properties = item["properties"]
    assert properties["view:azimuth"] == 90
    assert properties["pers:interior_orientation"]["field_of_view"] == 360
    assert properties["datetime"] == "2024-05-17T00:00:00+00:00"
    assert properties["license"] == "etalab-2.0"


def test_pictures_come_in_three_sizes_of_which_none_exceeds_the_original(twin):
    item = ask(twin, "/search", bbox=BOX, limit=1).json()["features"][0]
    for asset in ("hd", "sd", "thumb"):
        content = requests.get(item["assets"][asset]["href"], timeout=5).content
        assert Image.open(io.BytesIO(content)).size == (128, 64)
    gone = item["assets"]["hd"]["href"].replace(item["id"], "0" * 36)
    assert requests.get(gone, timeout=5).status_code == 404


def test_other_filters(twin):
    every = ask(twin, "/search", limit=10).json()["features"]
    ids = {tuple(item["geometry"]["coordinates"]): item["id"] for item in every}
    (b0,) = at("b0")
    area = {"type": "Polygon", "coordinates": [[[b0[0] + dx, b0[1] + dy] for dx, dy in SQUARE]]}
    answers = [
        ask(twin, "/search", ids=ids[b0]),
        requests.post(f"{twin.base_url}/api/search", json={"ids": [ids[b0]]}, timeout=5),
        requests.post(f"{twin.base_url}/api/search", json={"intersects": area}, timeout=5),
        ask(twin, "/search", place_position=f"{b0[0]},{b0[1]}", place_distance="0-5"),
        ask(twin, "/search", collections=next(item["collection"] for item in every if item["id"] == ids[b0])),
    ]
    assert [spots(answer) for answer in answers] == [[b0]] * len(answers)


SQUARE = [(-1e-4, -1e-4), (1e-4, -1e-4), (1e-4, 1e-4), (-1e-4, 1e-4), (-1e-4, -1e-4)]


@pytest.mark.parametrize("query", [{"bbox": "1,2"}, {"limit": 0}, {"limit": 10_001}, {"intersects": "{}"}])
def test_wrong_parameters_are_refused(twin, query):
    assert ask(twin, "/search", **query).status_code == 400


def test_collections_lead_to_all_items_by_page(twin):
    collections = ask(twin, "/collections").json()["collections"]
    assert [(c["title"], c["stats:items"]["count"]) for c in collections] == [("Lange Gasse", 3), ("Quergasse", 1)]
    address, pages = collections[0]["links"][0]["href"] + "?limit=2", []
    while address:
        page = requests.get(address, timeout=5)
        pages.append(spots(page))
        address = next((link["href"] for link in page.json()["links"] if link["rel"] == "next"), None)
    assert pages == [at("a0", "a1"), at("a2")]


def test_one_item_and_what_does_not_exist(twin):
    item = ask(twin, "/search", limit=1).json()["features"][0]
    path = f"/collections/{item['collection']}/items"
    assert ask(twin, f"{path}/{item['id']}").json()["id"] == item["id"]
    nothing = "0" * 36
    for missing in (f"{path}/{nothing}", f"/collections/{nothing}", f"/collections/{nothing}/items"):
        assert ask(twin, missing).status_code == 404
    assert ask(twin, "").json()["type"] == "Catalog"
