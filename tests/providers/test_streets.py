"""Points along streets: spacing, headings, edges of the area, and every failure in one line."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import requests
from pytest_httpserver import HTTPServer
from shapely.geometry import Point, box
from werkzeug import Request, Response

from geonav import __version__
from geonav.config import GeonavConfig
from geonav.errors import ConfigError, InputError, NetworkError, QuotaError, UsageError
from geonav.geometry.geodesy import GeoPoint, distance_m
from geonav.geometry.plane import MetricPlane
from geonav.providers.streets import street_points

MIDDLE = MetricPlane(48.94, 8.40)
# Two streets that cross: one to the east with a bend, one to the north; and a footpath.
EAST = [(-1000.0, 0.0), (-300.0, 0.0), (0.0, 0.0), (300.0, 0.0), (600.0, 300.0)]
NORTH = [(0.0, -600.0), (0.0, 0.0), (0.0, 600.0)]


def overpass(*ways: list[tuple[float, float]]) -> dict[str, object]:
    """The answer of an Overpass for streets given in metres about the middle."""
    numbers: dict[tuple[float, float], int] = {}
    for way in ways:
        for point in way:
            numbers.setdefault(point, len(numbers) + 1)
    nodes = []
    for point, number in numbers.items():
        lat, lng = MIDDLE.geo_from_xy(np.array(point))
        nodes.append({"type": "node", "id": number, "lat": float(lat), "lon": float(lng)})
    lines = [
        {"type": "way", "id": 100 + i, "nodes": [numbers[p] for p in way], "tags": {"highway": "residential"}}
        for i, way in enumerate(ways)
    ]
    return {"version": 0.6, "elements": nodes + lines}


@pytest.fixture
def config(tmp_path: Path, httpserver: HTTPServer) -> GeonavConfig:
    return config_for(httpserver.url_for("/api"), tmp_path)


def config_for(url: str, cache: Path, spacing_m: float = 20.0, max_points: int = 10_000) -> GeonavConfig:
    return GeonavConfig.model_validate(
        {
            "cache_dir": cache,
            "osm": {"overpass_url": url},
            "sampling": {"spacing_m": spacing_m, "max_points": max_points},
        }
    )


AREA = MIDDLE.unproject(Point(0, 0).buffer(200, quad_segs=32))


def test_points_stand_every_spacing_with_the_street_s_heading(config: GeonavConfig, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/interpreter", method="POST").respond_with_json(overpass(EAST, NORTH))
    points = street_points(AREA, config)
    xy = MIDDLE.xy_from_geo([p.lat for p in points], [p.lng for p in points])
    on_east, on_north = np.abs(xy[:, 1]) < 0.1, np.abs(xy[:, 0]) < 0.1
    assert np.all(on_east ^ on_north)
    assert np.hypot(*xy.T).max() <= 200
    for along in (np.sort(xy[on_east, 0]), np.sort(xy[on_north, 1])):
        assert len(along) == 20
        assert np.diff(along) == pytest.approx(20.0, abs=0.1)
    for point, is_east in zip(points, on_east, strict=True):
        assert point.heading_deg is not None
        assert point.heading_deg % 180 == pytest.approx(90.0 if is_east else 0.0, abs=0.05) or (
            not is_east and point.heading_deg % 180 == pytest.approx(180.0, abs=0.05)
        )


def test_a_long_street_without_a_corner_inside_is_found(config: GeonavConfig, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/interpreter").respond_with_json(overpass([(-520.0, 0.0), (520.0, 0.0)]))
    points = street_points(MIDDLE.unproject(box(-30, -30, 30, 30)), config)
    assert len(points) == 3


def test_points_on_both_sides_of_a_dual_carriageway_are_thinned(config: GeonavConfig, httpserver: HTTPServer) -> None:
    sides = [(-400.0, 0.0), (400.0, 0.0)], [(-400.0, 5.0), (400.0, 5.0)]
    httpserver.expect_request("/api/interpreter").respond_with_json(overpass(*sides))
    points = street_points(MIDDLE.unproject(box(-100, -100, 100, 100)), config)
    assert len(points) == 10
    places = [GeoPoint(p.lat, p.lng) for p in points]
    assert min(distance_m(a, b) for a in places for b in places if a is not b) >= 10.0


def test_the_service_is_asked_once_as_it_wants(config: GeonavConfig, httpserver: HTTPServer) -> None:
    asked: list[Request] = []

    def handle(request: Request) -> Response:
        asked.append(request)
        import json

        return Response(json.dumps(overpass(EAST)), content_type="application/json")

    httpserver.expect_request("/api/interpreter").respond_with_handler(handle)
    import osmnx

    before, lookup = osmnx.settings.overpass_url, socket.getaddrinfo
    assert street_points(AREA, config) == street_points(AREA, config)
    assert len(asked) == 1
    assert asked[0].headers["User-Agent"] == f"geonav/{__version__}"
    assert "highway" in asked[0].form["data"]
    assert osmnx.settings.overpass_url == before
    assert socket.getaddrinfo is lookup


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (429, "", QuotaError, "is busy"),
        (504, "", QuotaError, "is busy"),
        (500, '{"elements": []}', NetworkError, "answered 500"),
        (200, "<html>", NetworkError, "cannot be asked for streets"),
        (200, '{"elements": [], "remark": "runtime error: Query timed out"}', NetworkError, "half-way"),
        (200, '{"elements": []}', InputError, "no drivable streets in this area"),
    ],
)
def test_what_goes_wrong_is_one_line(
    config: GeonavConfig, httpserver: HTTPServer, status: int, body: str, error: type[Exception], message: str
) -> None:
    httpserver.expect_request("/api/interpreter").respond_with_data(
        body, status=status, content_type="application/json"
    )
    with pytest.raises(error, match=message) as raised:
        street_points(AREA, config)
    assert "\n" not in str(raised.value)


def test_no_network_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1:1 cannot be asked for streets \(it cannot be reached\)"):
        street_points(AREA, config_for("http://127.0.0.1:1/api", tmp_path))


def test_a_clock_that_is_off_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        msg = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: not yet valid"
        raise requests.exceptions.SSLError(msg)

    monkeypatch.setattr(requests.Session, "request", refuse)
    with pytest.raises(NetworkError, match=r"certificate cannot be verified: check this machine's clock"):
        street_points(AREA, config_for("https://127.0.0.1:1/api", tmp_path))


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"osm\.overpass_url"):
        street_points(AREA, config_for("overpass", tmp_path))


def test_too_many_points_are_refused_with_their_number(
    config: GeonavConfig, httpserver: HTTPServer, tmp_path: Path
) -> None:
    country = MIDDLE.unproject(box(-300_000, -300_000, 300_000, 300_000))
    with pytest.raises(UsageError, match="hold at least about 9,0"):
        street_points(country, config_for(httpserver.url_for("/api"), tmp_path))
    assert not httpserver.log
    httpserver.expect_request("/api/interpreter").respond_with_json(overpass(EAST, NORTH))
    with pytest.raises(UsageError, match="hold about 40 points, more than the 39"):
        street_points(AREA, config_for(httpserver.url_for("/api"), tmp_path, max_points=39))


def test_without_osmnx_the_message_says_what_to_install(config: GeonavConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "osmnx", None)
    with pytest.raises(UsageError, match=r"pip install 'geonav\[streets\]'"):
        street_points(AREA, config)
