"""Mapillary over a loopback server that speaks the documented shape."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from mapbox_vector_tile import encode
from werkzeug import Response

from geonav.config import GeonavConfig
from geonav.errors import AuthError, GeonavError, MissingError, NetworkError, QuotaError
from geonav.geometry.camera import Camera
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import rotation_error_deg, rotation_from_vector
from geonav.providers.base import Provider
from geonav.providers.boxes import Tile
from geonav.providers.mapillary import Mapillary
from geonav.providers.mapillary.parse import parse_entity, parse_tile
from geonav.providers.registry import PROVIDERS

TOKEN = "MLY|123|verysecret"  # noqa: S105
HOME = (48.94, 8.40)
TILE = Tile.at(*HOME, 14)
# 120 degrees about (1, -1, 1): right is south, down is down, forward is east.
FACING_EAST = [2 * math.pi / 3 / math.sqrt(3) * sign for sign in (1, -1, 1)]


def vector_of(rotation):
    """Axis times angle, by the matrix logarithm of another library."""
    from pycolmap import Rotation3d

    quaternion = Rotation3d(rotation).quat
    axis, w = np.array(quaternion[:3]), quaternion[3]
    length = np.linalg.norm(axis)
    return [0.0, 0.0, 0.0] if length < 1e-12 else list(axis / length * 2 * math.atan2(length, w))


def entity(image_id="1001", **changes):
    facts = {
        "id": image_id,
        "geometry": {"type": "Point", "coordinates": [HOME[1], HOME[0]]},
        "computed_geometry": {"type": "Point", "coordinates": [HOME[1] + 1e-5, HOME[0] - 1e-5]},
        "altitude": 131.0,
        "computed_altitude": 132.5,
        "compass_angle": 80.0,
        "computed_compass_angle": 90.0,
        "computed_rotation": FACING_EAST,
        "camera_type": "spherical",
        "camera_parameters": [],
        "width": 4096,
        "height": 2048,
        "exif_orientation": 1,
        "is_pano": True,
        "captured_at": 1_717_243_200_000,
        "sequence": "s-1",
        "creator": {"username": "jane", "id": "7"},
        "make": "GoPro",
        "model": "Max",
    } | changes
    return {key: value for key, value in facts.items() if value is not None}


def photo(**changes):
    return entity(
        **{"camera_type": "perspective", "camera_parameters": [0.85, -0.1, 0.02], "is_pano": False}
        | {"width": 4000, "height": 3000}
        | changes
    )


def tile_bytes(images, tile=TILE):
    """A vector tile of (id, lat, lng); ids are whole numbers."""
    south, west, north, east = tile.box

    def mercator(lat):
        return math.asinh(math.tan(math.radians(lat)))

    features = [
        {
            "geometry": {
                "type": "Point",
                "coordinates": [
                    round((lng - west) / (east - west) * 4096),
                    round((mercator(north) - mercator(lat)) / (mercator(north) - mercator(south)) * 4096),
                ],
            },
            "properties": {"id": image_id, "captured_at": 1, "is_pano": True, "sequence_id": "s-1"},
        }
        for image_id, lat, lng in images
    ]
    return encode([{"name": "image", "features": features}], default_options={"y_coord_down": True})


@pytest.fixture
def config(httpserver):
    return GeonavConfig.model_validate(
        {
            "mapillary": {
                "url": httpserver.url_for("/graph"),
                "tiles_url": httpserver.url_for("/tiles"),
                "access_token": TOKEN,
            },
            "fetch": {"attempts": 2, "backoff_s": 0},
        }
    )


@pytest.fixture
def mapillary(config):
    return Mapillary.from_config(config)


def serve_entities(httpserver, entities, *, refuse_groups_of=()):
    """Answer groups of ids; refuse whole groups that hold some of them, as for images that are gone."""
    by_id = {facts["id"]: facts for facts in entities}
    asked = []

    def answer(request):
        ids = request.args["ids"].split(",")
        asked.append(ids)
        if set(ids) & set(refuse_groups_of):
            return Response(json.dumps({"error": {"message": "Unsupported get request", "code": 100}}), 400)
        return Response(json.dumps({key: by_id[key] for key in ids if key in by_id}), 200)

    httpserver.expect_request("/graph/").respond_with_handler(answer)
    return asked


def serve_tiles(httpserver, images):
    def answer(request):
        x, y = (int(part) for part in request.path.split("/")[-2:])
        inside = [image for image in images if Tile.at(image[1], image[2], 14) == Tile(14, x, y)]
        return Response(tile_bytes(inside, Tile(14, x, y)) if inside else b"", 200)

    httpserver.expect_request(re.compile("/tiles/maps/vtp/mly1_public/2/14/.*")).respond_with_handler(answer)


def home_query(mapillary, half_deg=0.001):
    lat, lng = HOME
    area = shapely.box(lng - half_deg, lat - half_deg, lng + half_deg, lat + half_deg)
    (query,) = mapillary.queries(area, [])
    return query


class TestPoses:
    def test_heading_by_hand(self):
        panorama = parse_entity(entity())
        assert (panorama.heading_deg, panorama.pitch_deg, panorama.roll_deg) == pytest.approx((90, 0, 0), abs=1e-9)

    @given(heading=st.floats(0, 359.99), pitch=st.floats(-85, 85), roll=st.floats(-179, 179))
    def test_any_pose_comes_back_from_axis_times_angle(self, heading, pitch, roll):
        rotation = rotation_from_angles(heading, pitch, roll)
        panorama = parse_entity(entity(computed_rotation=vector_of(rotation)))
        back = rotation_from_angles(panorama.heading_deg, panorama.pitch_deg, panorama.roll_deg)
        assert rotation_error_deg(back, rotation) < 1e-6

    def test_panoramas_that_mapillary_published_are_level(self):
        """Rotations quoted in a public discussion of a car's drives: whatever the car did, it did not lean."""
        for vector in ([1.4577594509638, 0.68656030488088, -0.66631780275194], [0.84655, -1.76021, 1.62810]):
            panorama = parse_entity(entity(computed_rotation=vector))
            assert abs(panorama.pitch_deg) < 5
            assert abs(panorama.roll_deg) < 1

    def test_a_portrait_photo_is_turned_upright_with_its_camera(self):
        # Stored lying: its x runs down, its y to the left, that is west; it looks north.
        lying = [[0, 0, -1], [-1, 0, 0], [0, 1, 0]]
        panorama = parse_entity(photo(exif_orientation=6, computed_rotation=vector_of(np.array(lying, float))))
        assert (panorama.camera.width, panorama.camera.height) == (3000, 4000)
        assert panorama.camera.params == pytest.approx((3400, 1500, 2000, -0.1, 0.02))
        assert math.remainder(panorama.heading_deg, 360.0) == pytest.approx(0, abs=1e-9)
        assert (panorama.pitch_deg, panorama.roll_deg) == pytest.approx((0, 0), abs=1e-9)

    def test_only_a_compass(self):
        panorama = parse_entity(entity(computed_rotation=None, computed_compass_angle=None, compass_angle=365.0))
        assert (panorama.heading_deg, panorama.pitch_deg, panorama.roll_deg) == (5.0, 0.0, 0.0)
        assert panorama.heading_std_deg > parse_entity(entity()).heading_std_deg

    def test_a_reported_position_is_trusted_less_than_a_computed_one(self):
        reported, computed = parse_entity(entity(computed_geometry=None)), parse_entity(entity())
        assert (reported.lat, reported.lng) == HOME
        assert computed.lat == pytest.approx(HOME[0] - 1e-5)
        assert reported.position_std_m > computed.position_std_m
        assert not reported.extra["is_computed"]

    def test_heights(self):
        assert (parse_entity(entity()).alt_m, parse_entity(entity()).alt_datum) == (132.5, "egm96")
        # OpenSfM's own zero, far from the GPS: the ground's height has to be found elsewhere.
        above_nothing = parse_entity(entity(computed_altitude=2.1))
        assert (above_nothing.alt_m, above_nothing.alt_datum) == (None, None)


class TestCameras:
    def test_a_perspective_camera_projects_as_opensfm_does(self):
        camera = parse_entity(photo()).camera
        x, y = 0.3, -0.2
        r2 = x * x + y * y
        scale = 0.85 * (1 + r2 * (-0.1 + 0.02 * r2)) * 4000
        np.testing.assert_allclose(
            camera.pixels_from_points([[x, y, 1.0]])[0], [2000 + scale * x, 1500 + scale * y], atol=1e-6
        )

    def test_a_fisheye_camera_projects_as_opensfm_does(self):
        camera = parse_entity(photo(camera_type="fisheye", camera_parameters=[0.5, 0.03, -0.004])).camera
        x, y = 0.9, 0.4
        r = math.hypot(x, y)
        theta = math.atan(r)
        scale = 0.5 * theta * (1 + theta**2 * (0.03 - 0.004 * theta**2)) / r * 4000
        np.testing.assert_allclose(
            camera.pixels_from_points([[x, y, 1.0]])[0], [2000 + scale * x, 1500 + scale * y], atol=1e-6
        )

    @pytest.mark.parametrize("kind", ["spherical", "equirectangular", None])
    def test_whole_spheres(self, kind):
        panorama = parse_entity(entity(camera_type=kind))
        assert (panorama.projection, panorama.camera) == ("equirectangular", None)

    @pytest.mark.parametrize(
        "changes",
        [
            {"camera_parameters": None},
            {"camera_parameters": [0.85, float("nan"), 0.0]},
            {"camera_parameters": [0.0, 0.0, 0.0]},
            {"camera_type": "dual"},
            {"width": None},
            {"exif_orientation": 2},
            {"geometry": None, "computed_geometry": None},
            {"geometry": {"coordinates": [8.0, 95.0]}, "computed_geometry": "?"},
            {"computed_rotation": None, "computed_compass_angle": None, "compass_angle": None},
            {"computed_rotation": [1, 2], "computed_compass_angle": "x", "compass_angle": True},
            {"id": None},
        ],
    )
    def test_what_cannot_be_used_is_left_out(self, changes):
        assert parse_entity(photo(**changes)) is None

    def test_everything_else_that_is_known_is_kept(self):
        panorama = parse_entity(photo(quality_score=0.9, thumb_original_url="https://signed"))
        assert panorama.captured_at == "2024-06-01T12:00:00.000Z"
        assert panorama.licence == "CC-BY-SA-4.0"
        assert panorama.attribution == "Photos from Mapillary, CC BY-SA, by @jane"
        assert panorama.sequence == "s-1"
        assert panorama.extra["quality_score"] == 0.9
        assert "signed" not in json.dumps(panorama.extra)
        odd = parse_entity(photo(quality_score=float("nan"), make=["GoPro"], merge_cc=True)).extra
        assert not {"quality_score", "make", "merge_cc"} & set(odd)
        assert isinstance(panorama.camera, Camera)


class TestSearch:
    def test_it_is_a_provider_of_boxes(self, config):
        provider = PROVIDERS.load("mapillary").from_config(config)
        assert isinstance(provider, Provider)
        assert (provider.name, provider.searches, provider.paid_as) == ("mapillary", "boxes", None)

    def test_images_of_the_area_and_no_others(self, httpserver, mapillary):
        lat, lng = HOME
        images = [(1001, lat, lng), (1002, lat + 0.0005, lng), (1003, lat + 0.0015, lng), (1004, lat, lng - 0.005)]
        serve_tiles(httpserver, images)
        asked = serve_entities(httpserver, [entity(str(image[0])) for image in images])
        found = mapillary.search(home_query(mapillary))
        assert sorted(panorama.pano_id for panorama in found) == ["1001", "1002"]
        assert asked == [["1001", "1002"]]
        for request, _ in httpserver.log:
            assert request.headers["Authorization"] == f"OAuth {TOKEN}"
            assert "secret" not in request.url

    def test_an_area_of_several_tiles_finds_each_image_once(self, httpserver, mapillary):
        south, west, north, east = TILE.box
        images = [
            (5000 + n, lat, lng) for n, (lat, lng) in enumerate([(south, west), (south, east), (north, west), HOME])
        ]
        serve_tiles(httpserver, images)
        serve_entities(httpserver, [entity(str(image[0])) for image in images])
        area = shapely.box(west - 0.01, south - 0.01, east + 0.01, north + 0.01)
        queries = mapillary.queries(area, [])
        assert len(queries) == 9
        found = [panorama.pano_id for query in queries for panorama in mapillary.search(query)]
        assert sorted(found) == ["5000", "5001", "5002", "5003"]

    def test_facts_are_asked_for_in_groups(self, httpserver, mapillary):
        images = [(1000 + n, HOME[0], HOME[1] + n * 1e-6) for n in range(120)]
        serve_tiles(httpserver, images)
        asked = serve_entities(httpserver, [entity(str(image[0])) for image in images])
        assert len(mapillary.search(home_query(mapillary))) == 120
        assert [len(ids) for ids in asked] == [50, 50, 20]

    def test_an_image_that_is_gone_does_not_take_its_group_with_it(self, httpserver, mapillary):
        images = [(1000 + n, *HOME) for n in range(10)]
        serve_tiles(httpserver, images)
        serve_entities(httpserver, [entity(str(image[0])) for image in images], refuse_groups_of=["1003"])
        found = mapillary.search(home_query(mapillary))
        assert {panorama.pano_id for panorama in found} == {str(1000 + n) for n in range(10)} - {"1003"}

    def test_empty_tiles(self, httpserver, mapillary):
        serve_tiles(httpserver, [])
        assert mapillary.search(home_query(mapillary)) == []
        httpserver.clear()
        httpserver.expect_request(f"/tiles/maps/vtp/mly1_public/2/14/{TILE.x}/{TILE.y}").respond_with_data("", 404)
        assert mapillary.search(home_query(mapillary)) == []

    def test_a_query_of_a_former_run_is_searched_in_its_box(self, httpserver, mapillary, config):
        serve_tiles(httpserver, [(1001, *HOME), (1002, HOME[0], HOME[1] + 0.005)])
        serve_entities(httpserver, [entity("1001"), entity("1002")])
        (found,) = Mapillary.from_config(config).search(home_query(mapillary))
        assert found.pano_id == "1001"

    def test_configured_trust_wins(self, httpserver, config):
        serve_tiles(httpserver, [(1001, *HOME)])
        serve_entities(httpserver, [entity()])
        own = {**config.fetch.model_dump(), "position_std_m": 0.5, "heading_std_deg": 0.25}
        provider = Mapillary.from_config(config.model_copy(update={"fetch": config.fetch.model_validate(own)}))
        (panorama,) = provider.search(home_query(provider))
        assert (panorama.position_std_m, panorama.heading_std_deg) == (0.5, 0.25)


class TestFaults:
    @pytest.mark.parametrize(
        ("status", "error", "expected"),
        [
            (401, {"message": "Invalid OAuth 2.0 Access Token", "code": 190}, AuthError),
            (400, {"message": "Error validating access token: expired", "code": 190}, AuthError),
            (403, {"message": "Application request limit reached", "code": 4}, QuotaError),
            (403, {}, AuthError),
            (429, {"message": "slow down"}, QuotaError),
            (500, {"message": "oops"}, NetworkError),
            (200, {"message": "oops", "code": 1}, NetworkError),
        ],
    )
    def test_refusals(self, httpserver, mapillary, status, error, expected):
        serve_tiles(httpserver, [(1001, *HOME)])
        httpserver.expect_request("/graph/").respond_with_json({"error": error}, status=status)
        with pytest.raises(expected) as caught:
            mapillary.search(home_query(mapillary))
        assert type(caught.value) is expected
        assert_one_clean_line(caught.value)

    def test_a_broken_tile_is_asked_for_again(self, httpserver, mapillary):
        path = f"/tiles/maps/vtp/mly1_public/2/14/{TILE.x}/{TILE.y}"
        whole = tile_bytes([(1001, *HOME)])
        httpserver.expect_ordered_request(path).respond_with_data(whole[:-3])
        httpserver.expect_ordered_request(path).respond_with_data(whole)
        httpserver.expect_ordered_request("/graph/").respond_with_data('{"1001": {"id": ')
        httpserver.expect_ordered_request("/graph/").respond_with_json({"1001": entity()})
        assert len(mapillary.search(home_query(mapillary))) == 1

    def test_what_is_no_tile(self):
        with pytest.raises(NetworkError, match="17 bytes that are no vector tile"):
            parse_tile(b"<html>Hello</html"[:17], TILE)

    @pytest.mark.parametrize("token", [None, "  "])
    def test_no_token(self, config, token):
        own = config.mapillary.model_validate({"access_token": token})
        with pytest.raises(AuthError, match="MAPILLARY_ACCESS_TOKEN"):
            Mapillary.from_config(config.model_copy(update={"mapillary": own}))


class TestPictures:
    def test_the_largest_picture_comes_from_another_host_without_the_token(self, httpserver, mapillary):
        elsewhere = httpserver.url_for("/cdn/1.jpg?oh=signed").replace("localhost", "127.0.0.1")
        addresses = {"id": "1001", "thumb_2048_url": httpserver.url_for("/small"), "thumb_original_url": elsewhere}
        httpserver.expect_request("/graph/1001").respond_with_json(addresses)
        httpserver.expect_request("/cdn/1.jpg", query_string="oh=signed").respond_with_data(b"\xff\xd8picture")
        assert mapillary.picture(parse_entity(entity()), None) == b"\xff\xd8picture"
        assert "Authorization" not in httpserver.log[-1][0].headers

    def test_an_expired_address_is_asked_for_anew(self, httpserver, mapillary):
        for address, status in (("/cdn/old.jpg", 403), ("/cdn/new.jpg", 200)):
            httpserver.expect_ordered_request("/graph/1001").respond_with_json(
                {"thumb_original_url": httpserver.url_for(address)}
            )
            httpserver.expect_ordered_request(address).respond_with_data(b"picture", status)
        assert mapillary.picture(parse_entity(entity()), None) == b"picture"

    def test_an_address_refused_twice_is_not_taken_for_a_bad_token(self, httpserver, mapillary):
        httpserver.expect_request("/graph/1001").respond_with_json(
            {"thumb_2048_url": httpserver.url_for("/cdn/old.jpg?oh=signed")}
        )
        httpserver.expect_request("/cdn/old.jpg").respond_with_data("expired", 403)
        with pytest.raises(NetworkError) as caught:
            mapillary.picture(parse_entity(entity()), None)
        assert_one_clean_line(caught.value)

    @pytest.mark.parametrize("status", [200, 400, 404])
    def test_an_image_that_is_gone(self, httpserver, mapillary, status):
        httpserver.expect_request("/graph/1001").respond_with_json({"id": "1001"} if status == 200 else {}, status)
        with pytest.raises(MissingError, match="1001"):
            mapillary.picture(parse_entity(entity()), None)


def assert_one_clean_line(error: GeonavError):
    assert "\n" not in str(error)
    assert "secret" not in str(error)
    assert "signed" not in str(error)


def test_rotation_vector_helper_is_right():
    np.testing.assert_allclose(rotation_from_vector(FACING_EAST), [[0, -1, 0], [0, 0, -1], [1, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(vector_of(np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])), FACING_EAST, atol=1e-12)
