"""From a point, a place, streets or a file to points: through the services' own protocols."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_httpserver import HTTPServer
from shapely.geometry import Point
from werkzeug import Request, Response

from geonav.config import GeonavConfig
from geonav.errors import GeonavError, InputError, NetworkError, UsageError
from geonav.geometry.geodesy import GeoPoint, distance_m
from geonav.pipeline.sampling import SampleRequest, Sampling, sample

RING = [[8.39, 48.93], [8.41, 48.93], [8.41, 48.95], [8.39, 48.95], [8.39, 48.93]]
HOLE = [[8.398, 48.938], [8.402, 48.938], [8.402, 48.942], [8.398, 48.942], [8.398, 48.938]]


def square(half_lng: float, half_lat: float) -> list[list[float]]:
    """A ring about 48.94 8.4."""
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))
    return [[8.4 + x * half_lng, 48.94 + y * half_lat] for x, y in corners]


PLACES: dict[str, Any] = {
    "Demostadt": {"type": "MultiPolygon", "coordinates": [[RING, HOLE]]},
    # A ring of 16 m across: the grid's middle falls into its hole, and its neighbours outside.
    "Sliver": {"type": "Polygon", "coordinates": [square(1.0e-4, 7.0e-5), square(0.99e-4, 6.9e-5)]},
    "Dot": {"type": "Point", "coordinates": [8.4, 48.94]},
    "Line": {"type": "LineString", "coordinates": [[8.4, 48.94], [8.41, 48.94]]},
    "Fiji": {
        "type": "MultiPolygon",
        "coordinates": [
            [[[179.9, -17], [180, -17], [180, -16.9], [179.9, -16.9], [179.9, -17]]],
            [[[-180, -17], [-179.9, -17], [-179.9, -16.9], [-180, -16.9], [-180, -17]]],
        ],
    },
    "World": {"type": "Polygon", "coordinates": [[[-80, -60], [80, -60], [80, 60], [-80, 60], [-80, -60]]]},
}


@pytest.fixture
def config(tmp_path: Path, httpserver: HTTPServer) -> GeonavConfig:
    def search(request: Request) -> Response:
        name = request.args["q"]
        found = {"display_name": name, "lat": "48.94", "lon": "8.4", "class": "place", "type": "x"}
        results = [found | {"geojson": PLACES[name]}] if name in PLACES else []
        return Response(json.dumps(results), content_type="application/json")

    httpserver.expect_request("/search").respond_with_handler(search)
    urls = {"nominatim_url": httpserver.url_for("/"), "overpass_url": httpserver.url_for("/api")}
    return GeonavConfig.model_validate(
        {"cache_dir": tmp_path / "cache", "osm": urls | {"min_interval_s": 0}, "fetch": {"backoff_s": 0}}
    )


def with_sampling(config: GeonavConfig, **settings: Any) -> GeonavConfig:
    """The configuration with other ``[sampling]``."""
    return config.model_copy(update={"sampling": config.sampling.model_copy(update=settings)})


def farthest_m(sampling: Sampling, lat: float, lng: float) -> float:
    return max(distance_m(GeoPoint(lat, lng), GeoPoint(point.lat, point.lng)) for point in sampling.points)


def test_a_disc_about_a_point(config: GeonavConfig) -> None:
    found = sample(SampleRequest(point=(48.94, 8.40), radius_m=300.0), config)
    assert found.center == (48.94, 8.40)
    assert found.area_km2 == pytest.approx(math.pi * 0.09)
    assert len(found.points) == pytest.approx(math.pi * 300**2 / (400 * math.sqrt(3) / 2), rel=0.03)
    assert 280 < farthest_m(found, 48.94, 8.40) <= 300.0001
    assert found.area.covers(Point(8.40, 48.94))
    assert found.points == sample(SampleRequest(point=(48.94, 8.40), radius_m=300.0), config).points


def test_a_square_grid_if_wanted(config: GeonavConfig) -> None:
    found = sample(SampleRequest(point=(48.94, 8.40), radius_m=41.0), with_sampling(config, grid="square"))
    assert len(found.points) == 13


def test_jitter_moves_every_point_and_the_seed_decides_where(config: GeonavConfig) -> None:
    request = SampleRequest(point=(48.94, 8.40), radius_m=100.0)
    still = sample(request, config)
    jittery = with_sampling(config, jitter_m=(1.0, 2.0))
    moved = sample(request, jittery)
    pairs = zip(still.points, moved.points, strict=True)
    moves_m = [distance_m(GeoPoint(a.lat, a.lng), GeoPoint(b.lat, b.lng)) for a, b in pairs]
    assert min(moves_m) >= 1.0 - 1e-5
    assert max(moves_m) <= 2.0 + 1e-5
    assert sample(request, jittery).points == moved.points
    assert sample(request, jittery.model_copy(update={"seed": 1})).points != moved.points


def test_the_outline_of_a_place_without_its_hole(config: GeonavConfig) -> None:
    found = sample(SampleRequest(place="Demostadt"), config)
    assert found.name == "Demostadt"
    inside = [found.area.covers(Point(point.lng, point.lat)) for point in found.points]
    assert np.mean(inside) > 0.995
    assert not any(8.3981 < p.lng < 8.4019 and 48.9381 < p.lat < 48.9419 for p in found.points)
    assert found.area_km2 == pytest.approx(
        (0.02**2 - 0.004**2) * 111.2 * 111.3 * math.cos(math.radians(48.94)), rel=5e-3
    )
    assert len(found.points) == pytest.approx(found.area_km2 * 1e6 / (400 * math.sqrt(3) / 2), rel=0.02)


@pytest.mark.parametrize("name", ["Demostadt", "Dot", "Line"])
def test_a_place_with_a_radius_is_the_disc_about_its_centre(config: GeonavConfig, name: str) -> None:
    found = sample(SampleRequest(place=name, radius_m=100.0), config)
    assert farthest_m(found, 48.94, 8.4) <= 100.0001
    assert found.name == f"100 m about {name}"


def test_an_outline_that_the_antimeridian_cuts_is_one_grid(config: GeonavConfig) -> None:
    found = sample(SampleRequest(place="Fiji"), with_sampling(config, spacing_m=500.0))
    assert abs(found.center[1]) == pytest.approx(180, abs=1e-6)
    assert len(found.points) == pytest.approx(found.area_km2 * 1e6 / (250_000 * math.sqrt(3) / 2), rel=0.05)
    assert {point.lng > 0 for point in found.points} == {True, False}
    assert found.area.bounds[0] == -180
    assert found.area.bounds[2] == 180
    lat, lng = (np.array([getattr(point, name) for point in found.points]) for name in ("lat", "lng"))
    nearest = []
    for index in np.flatnonzero(np.abs(lng) > 179.995):
        apart = [distance_m(GeoPoint(lat[index], lng[index]), GeoPoint(*b)) for b in zip(lat, lng, strict=True)]
        nearest.append(sorted(apart)[1])
    assert nearest == pytest.approx([500.0] * len(nearest), abs=0.5)
    assert nearest


def test_points_of_one_s_own_keep_their_headings(config: GeonavConfig, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("lat,lng,heading\n48.94,8.4,10\n48.94,8.5,\n")
    found = sample(SampleRequest(points_file=tmp_path / "p.csv"), config)
    assert [point.heading_deg for point in found.points] == [10.0, None]
    assert found.name == "p.csv"
    assert found.area_km2 == pytest.approx(2 * math.pi * 0.05**2, rel=0.03)
    assert found.area.covers(Point(8.4006, 48.94))
    assert not found.area.covers(Point(8.45, 48.94))


def test_along_streets(config: GeonavConfig, httpserver: HTTPServer) -> None:
    nodes = [{"type": "node", "id": i, "lat": 48.94, "lon": lng} for i, lng in enumerate((8.39, 8.40, 8.41))]
    way = {"type": "way", "id": 9, "nodes": [0, 1, 2], "tags": {"highway": "residential"}}
    httpserver.expect_request("/api/interpreter").respond_with_json({"elements": [*nodes, way]})
    request = SampleRequest(point=(48.94, 8.40), radius_m=100.0, along_streets=True)
    found = sample(request, config)
    assert len(found.points) == 10
    for point in found.points:
        assert point.heading_deg is not None
        assert point.heading_deg % 180 == pytest.approx(90.0, abs=0.1)


@pytest.mark.parametrize(
    ("request_", "settings", "error", "message"),
    [
        (SampleRequest(), {}, UsageError, "give exactly one of --point LAT LNG, --place NAME and --points FILE"),
        (SampleRequest(point=(1, 2), place="Demostadt", radius_m=9), {}, UsageError, "give exactly one of"),
        (SampleRequest(point=(1, 2)), {}, UsageError, "--point needs --radius"),
        (SampleRequest(point=(1, 2), radius_m=0), {}, UsageError, "--radius 0 is out of range"),
        (SampleRequest(point=(1, 2), radius_m=-5), {}, UsageError, "--radius -5 is out of range"),
        (SampleRequest(point=(1, 2), radius_m=math.nan), {}, UsageError, "--radius nan is out of range"),
        (SampleRequest(point=(1, 2), radius_m=1e9), {}, UsageError, "at most 5000000 metres"),
        (SampleRequest(point=(91, 2), radius_m=50), {}, UsageError, "--point 91 2 is not on Earth"),
        (SampleRequest(point=(math.nan, 2), radius_m=50), {}, UsageError, "is not on Earth"),
        (SampleRequest(point=(1, 2), radius_m=10), {}, UsageError, "--spacing 20 is larger than --radius 10"),
        (SampleRequest(point=(1, 2), radius_m=90), {"jitter_m": (2.0, 1.0)}, UsageError, "jitter 2 1: give LOWER"),
        (SampleRequest(point=(1, 2), radius_m=90), {"jitter_m": (-1.0, 1.0)}, UsageError, "jitter -1 1: give LOWER"),
        (SampleRequest(point=(1, 2), radius_m=4e5), {}, UsageError, r"about 1,451,\d+,\d+ points, more than the"),
        (SampleRequest(place="World"), {"spacing_m": 1e5}, UsageError, "km from its middle, too far for one sampling"),
        (SampleRequest(place="Sliver"), {}, UsageError, "no point of a grid of 20 m lies in Sliver"),
        (SampleRequest(place="Dot"), {}, UsageError, r"'Dot' \(place x\) has no outline, .* give --radius METRES"),
        (SampleRequest(place="Line"), {}, UsageError, r"'Line' \(place x\) has no outline"),
        (SampleRequest(place="Nirgendwo"), {}, InputError, "knows no place 'Nirgendwo'"),
        (SampleRequest(place="  "), {}, InputError, "the place has no name"),
        (SampleRequest(points_file=Path("none.csv")), {}, InputError, "points none.csv cannot be read"),
        (SampleRequest(points_file=Path("p.csv"), radius_m=5), {}, UsageError, "leave --radius and --along-streets"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    config: GeonavConfig, request_: SampleRequest, settings: dict[str, Any], error: type[GeonavError], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        sample(request_, with_sampling(config, **settings))
    assert "\n" not in str(raised.value)


def test_without_osmnx_no_service_is_asked(
    config: GeonavConfig, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "osmnx", None)
    with pytest.raises(UsageError, match=r"geonav\[streets\]"):
        sample(SampleRequest(place="Demostadt", along_streets=True), config)
    assert not httpserver.log


def test_no_network_is_one_line(config: GeonavConfig, httpserver: HTTPServer) -> None:
    unreachable = config.osm.model_copy(update={"nominatim_url": "http://127.0.0.1:1"})
    with pytest.raises(NetworkError, match="check the network"):
        sample(SampleRequest(place="Demostadt"), config.model_copy(update={"osm": unreachable}))
