"""Areas split into tiles."""

from __future__ import annotations

import math

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.data.survey import SamplePoint, SearchQuery
from geonav.errors import UsageError
from geonav.providers.boxes import BoxSearch, Tile, around, box_searches, wrapped


@pytest.mark.parametrize(
    ("lat", "lng", "zoom", "x", "y"),
    [
        (0.0, 0.0, 1, 1, 1),
        (51.4778, 0.0, 14, 8192, 5450),  # Greenwich
        (-33.8688, 151.2093, 14, 15073, 9831),  # Sydney
        (40.7128, -74.0060, 10, 301, 385),  # New York
        (0.0, 180.0, 14, 0, 8192),
        (0.0, -180.0, 14, 0, 8192),
        (89.95, 10.0, 14, 8647, 0),
        (-90.0, 10.0, 14, 8647, 16383),
    ],
)
def test_tiles_have_the_ids_of_the_slippy_map(lat, lng, zoom, x, y):
    assert Tile.at(lat, lng, zoom) == Tile(zoom, x, y)


@given(lat=st.floats(-85, 85), lng=st.floats(-180, 179.999), zoom=st.integers(0, 20))
def test_a_place_lies_in_its_tile(lat, lng, zoom):
    south, west, north, east = Tile.at(lat, lng, zoom).box
    assert south - 1e-9 <= lat <= north + 1e-9
    assert west - 1e-9 <= lng <= east + 1e-9


def test_an_area_is_covered_once_and_nothing_beside_it():
    area = shapely.Polygon([(8.39, 48.93), (8.45, 48.94), (8.42, 48.99)])
    searches = box_searches(area, [], 14, 50.0)
    assert sum(search.part.area for search in searches) == pytest.approx(area.area, rel=1e-9)
    assert len(searches) == len({search.query.key for search in searches})
    for x, y in [(8.40, 48.935), (8.42, 48.98), (8.43, 48.94)]:
        assert [search.contains(y, x) for search in searches].count(True) == 1
    assert not any(search.contains(48.98, 8.40) for search in searches)


def test_equal_areas_give_equal_keys_and_others_do_not():
    def keys(*bounds):
        return {search.query.key for search in box_searches(shapely.box(*bounds), [], 14, 50.0)}

    assert keys(8.0, 48.0, 8.1, 48.1) == keys(8.0, 48.0, 8.1, 48.1 + 1e-10)
    whole = {key for key in keys(8.0, 48.0, 8.1, 48.1) if key.count("/") == 2}
    assert whole
    assert whole < keys(7.9, 47.9, 8.2, 48.2)  # tiles within both areas are searched once
    assert len(keys(8.0, 48.0, 8.1, 48.1) & keys(8.0, 48.0, 8.1, 48.101)) < len(keys(8.0, 48.0, 8.1, 48.1))


def test_areas_beyond_the_antimeridian_come_back_on_the_other_side():
    across = shapely.box(179.99, -17.0, 180.02, -16.99)
    searches = box_searches(across, [], 14, 50.0)
    assert {search.tile.x for search in searches} == {0, 16383}
    assert all(-180 <= bound <= 180 for search in searches for bound in search.query.box)
    assert any(search.contains(-16.995, -179.99) for search in searches)
    assert any(search.contains(-16.995, 179.995) for search in searches)
    assert wrapped(across).area == pytest.approx(across.area)
    split = shapely.union_all([shapely.box(179.99, -17, 180, -16.99), shapely.box(-180, -17, -179.98, -16.99)])
    assert {search.query.key for search in box_searches(split, [], 14, 50.0)} == {s.query.key for s in searches}


@settings(max_examples=25, deadline=None)
@given(lat=st.floats(-89, 89), lng=st.floats(-180, 179.99), bearing=st.floats(0, 360), part=st.floats(0, 1))
def test_points_are_searched_as_far_as_the_radius(lat, lng, bearing, part):
    from pyproj import Geod

    far_lng, far_lat, _ = Geod(ellps="WGS84").fwd(lng, lat, bearing, 80.0 * part)
    searches = box_searches(None, [SamplePoint(lat, lng)], 16, 80.0)
    assert [search.contains(far_lat, far_lng) for search in searches].count(True) == 1


def test_discs_about_points_are_not_much_too_large():
    disc = around([SamplePoint(60.0, 10.0)], 100.0)
    metres = 111_320.0
    west, south, east, north = disc.bounds
    assert (north - south) * metres == pytest.approx(200, rel=0.03)
    assert (east - west) * metres * math.cos(math.radians(60)) == pytest.approx(200, rel=0.03)


def test_a_query_from_a_former_run_is_its_box():
    (search, *_) = box_searches(shapely.box(8.0, 48.0, 8.001, 48.001), [], 14, 50.0)
    again = BoxSearch.of(search.query)
    assert again.tile == search.tile
    assert again.contains(48.0005, 8.0005)
    assert not again.contains(48.01, 8.0005)
    with pytest.raises(UsageError, match="another provider"):
        BoxSearch.of(SearchQuery("48.1,8.2/50", 48.1, 8.2, 50.0))


def test_half_the_world_is_refused_with_a_number():
    with pytest.raises(UsageError, match=r"at least \d+ searches, more than 100000"):
        box_searches(shapely.box(-180, -80, 180, 80), [], 14, 50.0)
