"""Panoramax over a loopback server that speaks the documented shape."""

from __future__ import annotations

import json
import math

import pytest
import shapely
from werkzeug import Response

from geonav.config import GeonavConfig
from geonav.errors import AuthError, MissingError, NetworkError, QuotaError
from geonav.providers.base import Provider
from geonav.providers.panoramax import Panoramax
from geonav.providers.panoramax.parse import parse_item
from geonav.providers.panoramax.request import LIMIT, quarters
from geonav.providers.registry import PROVIDERS

HOME = (48.94, 8.40)
AREA = shapely.box(HOME[1] - 0.0005, HOME[0] - 0.0005, HOME[1] + 0.0005, HOME[0] + 0.0005)


def item(item_id="p1", lat=HOME[0], lng=HOME[1], interior=None, assets=None, **facts):
    properties = {
        "datetime": "2024-06-01T12:00:00+00:00",
        "license": "etalab-2.0",
        "view:azimuth": 90,
        "pers:pitch": 2.0,
        "pers:roll": -1.5,
        "pers:interior_orientation": interior
        or {
            "camera_manufacturer": "GoPro",
            "camera_model": "Max",
            "field_of_view": 360,
            "sensor_array_dimensions": [5760, 2880],
        },
        "quality:horizontal_accuracy": 4.0,
        "geovisio:rank_in_collection": 3,
        "geovisio:producer": "Ville",
    } | facts
    return {
        "type": "Feature",
        "id": item_id,
        "collection": "c1",
        "geometry": {"type": "Point", "coordinates": [lng, lat]},
        "providers": [{"name": "Ville", "roles": ["producer"]}, {"name": "Jane", "roles": ["producer"]}],
        "properties": properties,
        "assets": assets or {},
    }


def flat(exif=None, **interior):
    return item(interior={"field_of_view": 60, "sensor_array_dimensions": [4000, 3000]} | interior, exif=exif or {})


@pytest.fixture
def config(httpserver):
    return GeonavConfig.model_validate(
        {
            "panoramax": {"url": httpserver.url_for("/"), "requests_per_minute": 60_000},
            "fetch": {"attempts": 2, "backoff_s": 0},
        }
    )


@pytest.fixture
def panoramax(config):
    return Panoramax.from_config(config)


def serve_search(httpserver, items):
    """Items within the box, nearest to its middle first, as many as asked for and no further pages."""
    boxes = []

    def answer(request):
        west, south, east, north = (float(part) for part in request.args["bbox"].split(","))
        boxes.append((south, west, north, east))

        def far(found):
            lng, lat = found["geometry"]["coordinates"]
            return math.hypot(lat - (south + north) / 2, lng - (west + east) / 2)

        inside = [
            found
            for found in items
            if west <= found["geometry"]["coordinates"][0] <= east
            and south <= found["geometry"]["coordinates"][1] <= north
        ]
        found = sorted(inside, key=far)[: int(request.args["limit"])]
        return Response(json.dumps({"type": "FeatureCollection", "features": found, "links": []}), 200)

    httpserver.expect_request("/api/search").respond_with_handler(answer)
    return boxes


def search_all(provider, area):
    return [panorama for query in provider.queries(area, []) for panorama in provider.search(query)]


class TestItems:
    def test_a_sphere(self):
        panorama = parse_item(item())
        assert (panorama.projection, panorama.camera) == ("equirectangular", None)
        assert (panorama.lat, panorama.lng) == HOME
        assert (panorama.heading_deg, panorama.pitch_deg, panorama.roll_deg) == (90.0, 2.0, -1.5)
        assert (panorama.alt_m, panorama.alt_datum) == (None, None)
        assert panorama.licence == "etalab-2.0"
        assert panorama.attribution == "Ville, Jane, Panoramax, etalab-2.0"
        assert (panorama.sequence, panorama.captured_at) == ("c1", "2024-06-01T12:00:00+00:00")
        assert panorama.extra["rank_in_sequence"] == 3

    @pytest.mark.parametrize(("azimuth", "heading"), [(370, 10), (-90, 270), (360, 0), ("12.5", 12.5)])
    def test_azimuths_are_brought_into_the_circle(self, azimuth, heading):
        assert parse_item(item(**{"view:azimuth": azimuth})).heading_deg == heading

    def test_pitch_and_roll_are_level_where_unknown(self):
        panorama = parse_item(item(**{"pers:pitch": None, "pers:roll": None}))
        assert (panorama.pitch_deg, panorama.roll_deg) == (0.0, 0.0)

    def test_trust_follows_the_stated_accuracy(self):
        stds = [
            parse_item(item(**{"quality:horizontal_accuracy": value})).position_std_m for value in (8, 4, 0.0, None)
        ]
        assert stds[0] == 2 * stds[1]
        assert 1 < stds[1] < 4
        assert stds[2] > 0
        assert stds[3] == 5.0

    def test_a_flat_picture_by_its_field_of_view(self):
        panorama = parse_item(flat())
        assert panorama.projection == "camera"
        assert (panorama.camera.width, panorama.camera.height) == (4000, 3000)
        assert panorama.camera.fov_deg == pytest.approx(60)
        assert panorama.camera.principal_point_px == (2000, 1500)

    def test_a_flat_picture_by_its_35_mm_equivalent(self):
        camera = parse_item(flat({"Exif.Photo.FocalLengthIn35mmFilm": "26"}, field_of_view=None)).camera
        assert camera.focal_px == pytest.approx(26 / math.hypot(36, 24) * 5000)
        # The service's own field of view takes a 4:3 sensor for a 3:2 one.
        assert parse_item(flat({"Exif.Photo.FocalLengthIn35mmFilm": "26/1"}, field_of_view=69)).camera == camera

    def test_a_portrait_picture_is_upright(self):
        camera = parse_item(flat({"Exif.Image.Orientation": "6"})).camera
        assert (camera.width, camera.height) == (3000, 4000)
        assert camera.focal_px == parse_item(flat()).camera.focal_px

    @pytest.mark.parametrize(
        "broken",
        [
            item(**{"view:azimuth": None}),
            item(lat=91.0),
            item(lng="x"),
            item(item_id=""),
            {**item(), "properties": None},
            {**item(), "geometry": None},
            flat(field_of_view=None),
            flat(field_of_view=200),
            flat(field_of_view=True),
            flat(sensor_array_dimensions=[4000]),
            flat(sensor_array_dimensions=[4000, 0]),
            flat(visible_area=[0, 10, 0, 10]),
            item(interior={"field_of_view": 360, "visible_area": [0, 100, 0, 100]}),
        ],
    )
    def test_what_cannot_be_used_is_left_out(self, broken):
        assert parse_item(broken) is None


class TestSearch:
    def test_it_is_a_provider_of_boxes(self, config):
        provider = PROVIDERS.load("panoramax").from_config(config)
        assert isinstance(provider, Provider)
        assert (provider.name, provider.searches, provider.paid_as) == ("panoramax", "boxes", None)

    def test_pictures_of_the_area_and_no_others(self, httpserver, panoramax):
        triangle = shapely.Polygon([(8.40, 48.94), (8.41, 48.94), (8.40, 48.95)])
        serve_search(httpserver, [item("in", 48.943, 8.403), item("out", 48.948, 8.408), item("far", 48.96, 8.40)])
        assert [panorama.pano_id for panorama in search_all(panoramax, triangle)] == ["in"]

    def test_each_box_is_small_and_within_the_area(self, httpserver, panoramax):
        boxes = serve_search(httpserver, [])
        area = shapely.box(8.39, 48.93, 8.42, 48.95)
        search_all(panoramax, area)
        assert len(boxes) > 10
        assert all(north - south < 0.01 and east - west < 0.01 for south, west, north, east in boxes)
        assert all(
            area.buffer(1e-7).contains(shapely.box(west, south, east, north)) for south, west, north, east in boxes
        )

    def test_a_box_with_more_than_one_answer_holds_is_split(self, httpserver, panoramax):
        count = LIMIT + 200
        crowd = [item(f"p{n}", HOME[0] + n % 40 * 1e-5, HOME[1] + n // 40 * 1e-5) for n in range(count)]
        boxes = serve_search(httpserver, crowd)
        found = search_all(panoramax, AREA)
        assert len(found) == len({panorama.pano_id for panorama in found}) == count
        assert len(boxes) > 1

    def test_a_crowd_in_one_place_ends(self, httpserver, panoramax, caplog):
        serve_search(httpserver, [item(f"p{n}") for n in range(LIMIT + 1)])
        assert len(search_all(panoramax, AREA)) == LIMIT
        assert "the rest is left out" in caplog.text

    def test_configured_trust_wins(self, httpserver, config):
        serve_search(httpserver, [item()])
        fetch = config.fetch.model_validate(
            {**config.fetch.model_dump(), "position_std_m": 0.0, "heading_std_deg": 1.0}
        )
        (panorama,) = search_all(Panoramax.from_config(config.model_copy(update={"fetch": fetch})), AREA)
        assert (panorama.position_std_m, panorama.heading_std_deg) == (0.0, 1.0)

    def test_quarters_fill_their_box(self):
        box = (48.0, 8.0, 48.2, 8.4)
        parts = quarters(box)
        outlines = [shapely.box(west, south, east, north) for south, west, north, east in parts]
        assert shapely.union_all(outlines).equals(shapely.box(8.0, 48.0, 8.4, 48.2))
        assert sum(outline.area for outline in outlines) == pytest.approx(0.08)


class TestFaults:
    @pytest.mark.parametrize(
        ("status", "body", "expected"),
        [
            (429, "{}", QuotaError),
            (500, "{}", NetworkError),
            (200, "<html>", NetworkError),
            (200, '{"features": null}', NetworkError),
            (400, '{"message": "Parameter bbox"}', NetworkError),
            (403, "", AuthError),
        ],
    )
    def test_refusals(self, httpserver, panoramax, status, body, expected):
        httpserver.expect_request("/api/search").respond_with_data(body, status)
        with pytest.raises(expected) as caught:
            search_all(panoramax, AREA)
        assert type(caught.value) is expected
        assert "\n" not in str(caught.value)

    def test_a_failure_that_passes(self, httpserver, panoramax):
        httpserver.expect_ordered_request("/api/search").respond_with_data("", 503)
        httpserver.expect_ordered_request("/api/search").respond_with_json({"features": [item()]})
        assert len(search_all(panoramax, AREA)) == 1


class TestPictures:
    def test_the_largest_picture(self, httpserver, panoramax):
        assets = {name: {"href": httpserver.url_for(f"/{name}.jpg")} for name in ("thumb", "sd", "hd")}
        search = httpserver.expect_request("/api/search", query_string={"ids": "p1", "limit": "1"})
        search.respond_with_json({"features": [item(assets=assets)]})
        httpserver.expect_request("/hd.jpg").respond_with_data(b"full")
        assert panoramax.picture(parse_item(item()), None) == b"full"

    @pytest.mark.parametrize("status", [403, 404])
    def test_the_smaller_one_where_the_largest_is_not_public(self, httpserver, panoramax, status):
        assets = {"hd": {"href": "/hd.jpg"}, "sd": {"href": "/sd.jpg"}}
        httpserver.expect_request("/api/search").respond_with_json({"features": [item(assets=assets)]})
        httpserver.expect_request("/hd.jpg").respond_with_data(b"", status)
        httpserver.expect_request("/sd.jpg").respond_with_data(b"small")
        assert panoramax.picture(parse_item(item()), None) == b"small"

    @pytest.mark.parametrize("found", [[], [item()], [item(assets={"hd": {"href": None}})]])
    def test_a_picture_that_is_gone(self, httpserver, panoramax, found):
        httpserver.expect_request("/api/search").respond_with_json({"features": found})
        with pytest.raises(MissingError, match="p1"):
            panoramax.picture(parse_item(item()), None)

    def test_addresses_that_are_none_of_the_web_are_refused(self, httpserver, panoramax):
        assets = {"hd": {"href": "file:///etc/passwd"}}
        httpserver.expect_request("/api/search").respond_with_json({"features": [item(assets=assets)]})
        with pytest.raises(NetworkError, match="no http"):
            panoramax.picture(parse_item(item()), None)
