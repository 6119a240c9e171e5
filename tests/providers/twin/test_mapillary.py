"""Mapillary v4 as its documentation has it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import requests
from mapbox_vector_tile import decode
from PIL import Image

from geonav.providers.demo.twin import Access, Twin
from geonav.providers.demo.twin.mapillary import rotation_of
from geonav.providers.demo.twin.tiles import tile_of
from tests.providers.twin.stand_in import StandInCity

CITY = StandInCity()
PLACES = CITY.panoramas
TOKEN = {"Authorization": "OAuth mine"}
WEST, SOUTH, EAST, NORTH = CITY.outline.bounds
BOX = f"{WEST},{SOUTH},{EAST},{NORTH}"


@pytest.fixture(scope="module")
def twin():
    with Twin(CITY, access=Access(mapillary_token="mine"), panorama_width=128) as running:  # noqa: S106
        yield running


def ask(twin: Twin, path: str, headers: dict = TOKEN, **query: object) -> requests.Response:
    return requests.get(f"{twin.base_url}{path}", params=query, headers=headers, timeout=5)


def images(twin: Twin, **query: object) -> list[dict]:
    return ask(twin, "/images", **({"bbox": BOX} | query)).json()["data"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "OAuth other"}])
def test_the_token_is_checked(twin, headers):
    for path in ("/images", "/100000000000000", "/maps/vtp/mly1_public/2/14/1/1"):
        response = ask(twin, path, headers, bbox=BOX)
        assert response.status_code == 401
        assert response.json()["error"]["code"] == 190
    assert ask(twin, "/images", {}, bbox=BOX, access_token="mine").status_code == 200  # noqa: S106


def test_tiles_hold_the_images_where_they_are(twin):
    column, row = tile_of(PLACES[0].lat, PLACES[0].lng)
    content = ask(twin, f"/maps/vtp/mly1_computed_public/2/14/{int(column)}/{int(row)}").content
    layer = decode(content, default_options={"y_coord_down": True})["image"]
    assert layer["extent"] == 4096
    assert len(layer["features"]) == len(PLACES)
    for feature, place in zip(layer["features"], PLACES, strict=True):
        column, row = tile_of(place.lat, place.lng)
        assert feature["geometry"]["coordinates"] == pytest.approx([column % 1 * 4096, row % 1 * 4096], abs=0.51)
        assert feature["properties"]["is_pano"] is True
        assert feature["properties"]["captured_at"] == 1715904000000  # 2024-05-17
    ids = [str(feature["properties"]["id"]) for feature in layer["features"]]
    assert ids == [image["id"] for image in images(twin)]


def test_tile_numbers_are_those_of_web_maps():
    # The corner of zoom 14's middle tile is at 0, 0; the map ends at 85.0511 degrees.
    assert tile_of(0.0, 0.0) == pytest.approx((8192.0, 8192.0))
    assert tile_of(85.0511287798, -180.0) == pytest.approx((0.0, 0.0), abs=1e-6)


def test_other_tiles_are_empty_and_other_zooms_refused(twin):
    assert ask(twin, "/maps/vtp/mly1_public/2/14/1/1").content == b""
    assert ask(twin, "/maps/vtp/mly1_public/2/13/1/1").status_code == 400


def test_a_box_gives_the_fields_asked_for_and_no_others(twin):
    found = images(twin, fields="computed_geometry,computed_altitude,camera_type,is_pano,nonsense")
    assert set(found[0]) == {"id", "computed_geometry", "computed_altitude", "camera_type", "is_pano"}
    spots = [tuple(image["computed_geometry"]["coordinates"]) for image in found]
    assert spots == [(place.lng, place.lat) for place in PLACES]
    assert found[0]["camera_type"] == "equirectangular"


def test_pages_follow_one_another(twin):
    first = ask(twin, "/images", bbox=BOX, limit=3).json()
    rest = requests.get(first["paging"]["next"], headers=TOKEN, timeout=5).json()
    assert [len(first["data"]), len(rest["data"])] == [3, 1]
    assert "paging" not in rest
    assert "mine" not in first["paging"]["next"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"start_captured_at": "2024-05-18T00:00:00Z"}, 0),
        ({"start_captured_at": "2024-05-16T00:00:00Z"}, 4),
        ({"end_captured_at": "2024-05-16T00:00:00Z"}, 0),
        ({"is_pano": "false"}, 0),
        ({"sequence_ids": "demo-drive-0001"}, 1),
    ],
)
def test_filters(twin, query, count):
    assert len(images(twin, **query)) == count


@pytest.mark.parametrize("bbox", ["8.3,48.9,8.5,49.0", "1,2,3", ""])
def test_large_and_broken_boxes_are_refused(twin, bbox):
    assert ask(twin, "/images", bbox=bbox).status_code == 400


def test_entities_alone_in_lists_and_by_sequence(twin):
    ids = [image["id"] for image in images(twin)]
    one = ask(twin, f"/{ids[1]}", fields="sequence,computed_compass_angle").json()
    assert one == {"id": ids[1], "sequence": "demo-drive-0000", "computed_compass_angle": 90}
    assert set(ask(twin, "/", ids=f"{ids[0]},{ids[3]},1234567", fields="id").json()) == {ids[0], ids[3]}
    assert len(ask(twin, "/image_ids", sequence_id="demo-drive-0000").json()["data"]) == 3
    assert ask(twin, "/999999999", fields="id").status_code == 400


@pytest.mark.parametrize("heading", [0.0, 45.0, 90.0, 180.0, 200.0, 359.9])
def test_computed_rotation_takes_the_world_to_the_camera(heading):
    vector = np.array(rotation_of(heading))
    angle = np.linalg.norm(vector)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    camera_from_world = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    ahead = [np.sin(np.radians(heading)), np.cos(np.radians(heading)), 0.0]
    assert camera_from_world @ ahead == pytest.approx([0, 0, 1], abs=1e-12)
    assert camera_from_world @ [0, 0, 1] == pytest.approx([0, -1, 0], abs=1e-12)


def test_picture_addresses_expire(twin_of):
    now = [1000.0]
    twin = twin_of(access=Access(link_lifetime_s=60.0, clock=lambda: now[0]))
    fields = {"thumb_256_url": 128, "thumb_original_url": 128}
    found = images(twin, fields=",".join(fields))[0]
    for field, width in fields.items():  # no thumbnail is larger than the original
        picture = Image.open(io.BytesIO(requests.get(found[field], timeout=5).content))
        assert picture.size == (width, width // 2)
    link = found["thumb_original_url"]
    assert requests.get(link.replace("128.jpg", "64.jpg"), timeout=5).status_code == 403
    assert requests.get(link.replace("oe=1060", "oe=9999"), timeout=5).status_code == 403
    now[0] += 61.0
    assert requests.get(link, timeout=5).status_code == 403
    assert twin.calls.billed_images == 0
