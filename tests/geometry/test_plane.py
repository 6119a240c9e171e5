"""Areas of longitude and latitude on a plane in metres, at the antimeridian and the poles too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely.geometry import MultiPolygon, Point, Polygon, box

from geonav.geometry.geodesy import azimuths_deg, moved
from geonav.geometry.plane import MetricPlane, mean_position, middle_of, wrapped_lng

GEOD = Geod(ellps="WGS84")
latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)


@given(latitudes, longitudes, st.floats(0, 50_000), st.floats(0, 360))
@settings(max_examples=60, deadline=None)
def test_distances_and_directions_from_the_middle_are_exact(lat, lng, distance_m, azimuth_deg):
    plane = MetricPlane(lat, lng)
    angle = np.radians(azimuth_deg)
    at_lat, at_lng = plane.geo_from_xy(np.array([np.sin(angle), np.cos(angle)]) * distance_m)
    assert -180 <= at_lng < 180
    assert GEOD.inv(lng, lat, at_lng, at_lat)[2] == pytest.approx(distance_m, abs=1e-3)
    back = plane.xy_from_geo(at_lat, at_lng)
    assert np.hypot(*back) == pytest.approx(distance_m, abs=1e-3)


@given(st.floats(-89, 89), longitudes, st.floats(10, 20_000))
@settings(max_examples=40, deadline=None)
def test_an_area_comes_back_with_its_size_wherever_it_lies(lat, lng, radius_m):
    plane = MetricPlane(lat, lng)
    disc = Point(0, 0).buffer(radius_m, quad_segs=32)
    degrees = plane.unproject(disc)
    west, south, east, north = degrees.bounds
    assert degrees.is_valid
    assert (west >= -180, south >= -90, east <= 180, north <= 90) == (True,) * 4
    if 180 - abs(lng) > 20 and abs(lat) < 85:
        assert degrees.geom_type == "Polygon"
    assert plane.project(degrees).area == pytest.approx(disc.area, rel=2e-3)


def test_the_antimeridian_cuts_an_area_in_two_and_the_plane_joins_it_again():
    plane = MetricPlane(-16.8, 179.99)
    square = box(-5000, -5000, 5000, 5000)
    cut = plane.unproject(square)
    assert cut.geom_type == "MultiPolygon"
    assert len(cut.geoms) == 2
    (whole,) = plane.project(cut).geoms
    assert whole.area == pytest.approx(square.area, rel=1e-5)
    lat, lng = middle_of(cut)
    assert (lat, lng) == (pytest.approx(-16.8, abs=1e-4), pytest.approx(179.99, abs=1e-4))


@pytest.mark.parametrize(
    "ring",
    [
        [(179.9, 10), (180.1, 10), (180.1, 10.2), (179.9, 10.2)],
        [(-180.1, 10), (-179.9, 10), (-179.9, 10.2), (-180.1, 10.2)],
        [(179.9, 10), (-179.9, 10), (-179.9, 10.2), (179.9, 10.2)],
    ],
)
def test_rings_that_run_past_or_jump_at_the_antimeridian_are_the_same_area(ring):
    usual = Polygon([(7.9, 10), (8.1, 10), (8.1, 10.2), (7.9, 10.2)])
    expected = abs(GEOD.geometry_area_perimeter(usual)[0])
    lat, lng = middle_of(Polygon(ring))
    assert abs(lng) == pytest.approx(180, abs=1e-6)
    assert MetricPlane(lat, lng).project(Polygon(ring)).area == pytest.approx(expected, rel=1e-5)


def test_a_pole_lies_within_a_disc_about_it():
    plane = MetricPlane(89.95, 30.0)
    degrees = plane.unproject(Point(0, 0).buffer(20_000, quad_segs=64))
    assert degrees.covers(Point(0.0, 90.0))
    assert degrees.covers(Point(-150.0, 89.9))
    assert not degrees.covers(Point(30.0, 89.7))


def test_holes_and_parts_stay():
    hole = [(8.40, 48.90), (8.41, 48.90), (8.41, 48.91), (8.40, 48.91)]
    town = MultiPolygon([Polygon(box(8.35, 48.85, 8.45, 48.95).exterior, [hole]), box(8.5, 48.9, 8.51, 48.91)])
    plane = MetricPlane(*middle_of(town))
    metres = plane.project(town)
    assert len(metres.geoms) == 2
    assert sum(len(part.interiors) for part in metres.geoms) == 1
    outlines = [Polygon(part.exterior) for part in town.geoms] + [Polygon(hole)]
    whole, second, cut_out = (abs(GEOD.geometry_area_perimeter(outline)[0]) for outline in outlines)
    assert metres.area == pytest.approx(whole + second - cut_out, rel=1e-4)
    assert not metres.covers(Point(plane.xy_from_geo(48.905, 8.405)))


def test_edges_along_a_parallel_bend_as_the_parallel_does():
    wide = box(0.0, 70.0, 4.0, 70.1)
    plane = MetricPlane(*middle_of(wide))
    on_its_edge = plane.xy_from_geo(70.0, 2.0)
    assert plane.project(wide).boundary.distance(Point(on_its_edge)) < 0.05


def test_longitudes_within_the_range_are_left_as_they_are():
    given_lng = np.array([-180.0, 8.123456789012345, 180.0, 190.0, -181.0])
    assert wrapped_lng(given_lng).tolist() == [-180.0, 8.123456789012345, -180.0, -170.0, 179.0]


def test_the_mean_position_knows_the_antimeridian():
    lat, lng = mean_position([10.0, 10.0], [179.0, -179.0])
    assert abs(lng) == pytest.approx(180.0)
    assert lat == pytest.approx(10.0, abs=0.01)


@given(st.floats(-89, 89), longitudes, st.floats(0, 359.9), st.floats(1, 1000))
@settings(max_examples=40, deadline=None)
def test_a_point_moved_lies_in_that_direction_at_that_distance(lat, lng, azimuth, distance_m):
    to_lat, to_lng = moved(lat, lng, azimuth, distance_m)
    found = azimuths_deg(lat, lng, to_lat, to_lng)
    assert abs((found - azimuth + 180) % 360 - 180) < 1e-3
    assert GEOD.inv(lng, lat, to_lng, to_lat)[2] == pytest.approx(distance_m, abs=1e-5)
