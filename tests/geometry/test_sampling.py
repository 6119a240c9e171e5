"""Grids: spacing, containment, counts, jitter, and what is refused before it is made."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely.geometry import MultiPolygon, Point, Polygon, box

from geonav.errors import UsageError
from geonav.geometry.plane import MetricPlane, middle_of
from geonav.geometry.sampling import Disc, Grid, Polygons, jittered

GEOD = Geod(ellps="WGS84")
patterns = st.sampled_from(["hex", "square"])


def nearest_m(xy: np.ndarray) -> np.ndarray:
    """Distance of each point to its nearest neighbour."""
    apart = np.hypot(*(xy[:, None, :] - xy[None, :, :]).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.inf)
    return apart.min(axis=1)


@given(patterns, st.floats(1, 100), st.floats(1.0, 12.0))
@settings(max_examples=40, deadline=None)
def test_a_disc_holds_the_grid_within_it_and_nothing_else(pattern, spacing_m, radii):
    radius_m = spacing_m * radii
    xy = Grid(spacing_m, pattern).points(Disc(radius_m), 10_000)
    assert [0.0, 0.0] in xy.tolist()
    assert np.hypot(*xy.T).max() <= radius_m
    assert nearest_m(xy) == pytest.approx(spacing_m)
    steps = range(-30, 31)
    row_m = spacing_m * (math.sqrt(3) / 2 if pattern == "hex" else 1.0)
    shift = 0.5 if pattern == "hex" else 0.0
    every = [((i + shift * (j % 2)) * spacing_m, j * row_m) for i in steps for j in steps]
    assert len(xy) == sum(math.hypot(*point) <= radius_m for point in every)


@given(patterns, st.floats(5, 40), st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_polygons_with_holes_hold_as_many_points_as_their_area_says(pattern, spacing_m, seed):
    random = np.random.default_rng(seed)
    angles = np.sort(random.uniform(0, 2 * np.pi, 9))
    star = np.column_stack([np.sin(angles), np.cos(angles)]) * random.uniform(600, 1200, (9, 1))
    area = Polygon(star).buffer(0).difference(Point(0, 0).buffer(200)).union(box(2000, 0, 2600, 500))
    grid = Grid(spacing_m, pattern)
    xy = grid.points(Polygons(area), 300_000)
    inside = area.buffer(1e-6)
    assert all(inside.covers(Point(point)) for point in xy[:: max(1, len(xy) // 50)])
    # The count of a grid differs from the area's by no more than a share of the points along the edge.
    assert abs(len(xy) - grid.estimate(area.area)) <= 3 + area.length / spacing_m
    assert len(np.unique(xy.round(6), axis=0)) == len(xy)


def test_no_point_lies_in_a_hole_and_every_part_has_its_own():
    area = MultiPolygon([Polygon(box(0, 0, 1000, 1000).exterior, [box(300, 300, 700, 700).exterior.coords]),
                         box(5000, 5000, 5200, 5200)])  # fmt: skip
    x, y = Grid(10.0).points(Polygons(area), 100_000).T
    assert not np.any((x > 300) & (x < 700) & (y > 300) & (y < 700))
    assert np.sum(x > 4000) == pytest.approx(200 * 200 / (100 * math.sqrt(3) / 2), rel=0.1)


def test_rows_come_from_the_south_west_and_always_the_same():
    grid = Grid(10.0)
    first, second = grid.points(Disc(500), 10_000), grid.points(Disc(500), 10_000)
    assert np.array_equal(first, second)
    assert np.array_equal(np.lexsort((first[:, 0], first[:, 1])), np.arange(len(first)))


def test_two_far_parts_cost_no_more_than_their_points():
    area = MultiPolygon([box(0, 0, 1000, 1000), box(4e6, 2e6, 4.001e6, 2.001e6)])
    start = time.monotonic()
    assert len(Grid(20.0).points(Polygons(area), 10_000)) == pytest.approx(2 * 2887, rel=0.05)
    assert time.monotonic() - start < 2.0  # all of the box about both would be 4e10 points


@pytest.mark.parametrize("region", [Disc(300_000.0), Polygons(box(0, 0, 531_736, 531_736))])
def test_a_billion_points_are_refused_with_their_number_before_they_are_made(region):
    start = time.monotonic()
    with pytest.raises(
        UsageError, match=r"a grid of 18.04 m .* about 1,00\d,\d{3},\d{3} points, more than the 1,000,000"
    ):
        Grid(18.04).points(region, 1_000_000)
    assert time.monotonic() - start < 0.5


def test_what_is_made_is_never_more_than_allowed():
    count = len(Grid(10.0).points(Disc(200), 10_000))
    assert len(Grid(10.0).points(Disc(200), count)) == count
    with pytest.raises(UsageError):
        Grid(10.0).points(Disc(200), count - 1)


@given(st.floats(-89.9, 89.9), st.floats(-180, 180), st.floats(0, 20), st.floats(0, 20), st.integers(0, 2**31 - 1))
@settings(max_examples=40, deadline=None)
def test_jitter_moves_each_point_by_lower_to_upper_metres(lat, lng, first, second, seed):
    lower, upper = sorted((first, second))
    lats, lngs = np.full(50, lat), np.full(50, lng)
    to_lats, to_lngs = jittered(lats, lngs, (lower, upper), seed)
    moved_m = np.array([GEOD.inv(*four)[2] for four in zip(lngs, lats, to_lngs, to_lats, strict=True)])
    assert np.all((moved_m >= lower - 1e-5) & (moved_m <= upper + 1e-5))
    if upper > 0:
        assert np.all((to_lngs >= -180) & (to_lngs < 180))
    again = jittered(lats, lngs, (lower, upper), seed)
    assert np.array_equal(again[0], to_lats)


def test_jitter_goes_in_all_directions_and_depends_on_the_seed():
    lats, lngs = np.zeros(4000), np.zeros(4000)
    to_lats, to_lngs = jittered(lats, lngs, (1.0, 2.0), 1)
    quadrants = np.bincount(2 * (to_lats > 0) + (to_lngs > 0), minlength=4)
    assert quadrants.min() > 900
    assert not np.array_equal(jittered(lats, lngs, (1.0, 2.0), 2)[0], to_lats)


@pytest.mark.parametrize(("lat", "lng"), [(0.0, 180.0), (78.2, 15.6), (-89.99, 0.0), (52.5, 13.4)])
def test_spacing_on_the_ground_is_the_same_everywhere(lat, lng):
    plane = MetricPlane(lat, lng)
    xy = Grid(50.0).points(Disc(2000), 10_000)
    lats, lngs = plane.geo_from_xy(xy)
    rim = np.argsort(np.hypot(*xy.T))[-6:]
    for index in rim:
        neighbours = GEOD.inv(np.full(len(xy), lngs[index]), np.full(len(xy), lats[index]), lngs, lats)[2]
        assert np.sort(neighbours)[1] == pytest.approx(50.0, abs=0.01)
    assert middle_of(plane.unproject(Point(0, 0).buffer(2000)))[0] == pytest.approx(lat, abs=1e-3)
