"""Local frames are exact wherever on Earth they lie: they agree with PROJ's own topocentric conversion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from geonav.geometry.geodesy import GeoPoint, LocalFrame, distance_m, ecef_from_geo, geo_from_ecef
from geonav.geometry.pose import is_rotation

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)
heights = st.floats(-400, 9000)
places = st.builds(GeoPoint, latitudes, longitudes, heights)
offsets = st.tuples(st.floats(-2e4, 2e4), st.floats(-2e4, 2e4), st.floats(-200, 2000))
EDGES = [
    GeoPoint(90.0, 0.0, 0.0),
    GeoPoint(-90.0, 77.0, 2800.0),
    GeoPoint(89.9999, 12.0, 5.0),
    GeoPoint(-17.0, 180.0, 3.0),
    GeoPoint(66.5, -180.0, 3.0),
    GeoPoint(0.0, 179.9999, 0.0),
    GeoPoint(0.0, 0.0, 0.0),
]


def topocentric(origin: GeoPoint) -> Transformer:
    """PROJ's conversion from longitude, latitude, height to East-North-Up."""
    return Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=cart +ellps=WGS84 "
        f"+step +proj=topocentric +ellps=WGS84 +lon_0={origin.lng_deg!r} +lat_0={origin.lat_deg!r} "
        f"+h_0={origin.alt_m!r}"
    )


def assert_round_trip(origin: GeoPoint, enu: np.ndarray) -> None:
    frame = LocalFrame(origin)
    lat, lng, alt = frame.geo_from_enu(enu)
    assert np.all(np.abs(lat) <= 90)
    assert np.all(np.abs(lng) <= 180)
    np.testing.assert_allclose(frame.enu_from_geo(lat, lng, alt), enu, atol=1e-6)


@given(places, offsets)
def test_enu_survives_geodetic_coordinates(origin: GeoPoint, enu: tuple[float, float, float]) -> None:
    assert_round_trip(origin, np.array(enu))


@pytest.mark.parametrize("origin", EDGES)
def test_enu_survives_geodetic_coordinates_at_poles_and_antimeridian(origin: GeoPoint) -> None:
    grid = np.stack(np.meshgrid([-5000.0, -1.0, 0.0, 3.0, 5000.0], [-4000.0, 0.0, 4000.0], [0.0, 50.0]), -1)
    assert_round_trip(origin, grid)


@given(places, latitudes, longitudes, heights)
def test_ecef_survives_geodetic_coordinates(origin: GeoPoint, lat: float, lng: float, alt: float) -> None:
    ecef = ecef_from_geo(lat, lng, alt)
    np.testing.assert_allclose(ecef_from_geo(*geo_from_ecef(ecef)), ecef, atol=1e-6)
    # The frame is a rigid motion of ECEF: lengths to its origin stay.
    enu = LocalFrame(origin).enu_from_ecef(ecef)
    start = ecef_from_geo(origin.lat_deg, origin.lng_deg, origin.alt_m)
    assert np.linalg.norm(enu) == pytest.approx(np.linalg.norm(ecef - start), abs=1e-6)


@given(places, st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), heights)
def test_frame_agrees_with_proj_topocentric(origin: GeoPoint, dlat: float, dlng: float, alt: float) -> None:
    lat, lng = float(np.clip(origin.lat_deg + dlat, -90, 90)), origin.lng_deg + dlng
    theirs = topocentric(origin).transform(lng, lat, alt)
    np.testing.assert_allclose(LocalFrame(origin).enu_from_geo(lat, lng, alt), theirs, atol=1e-5)


@pytest.mark.parametrize("origin", EDGES)
def test_frame_agrees_with_proj_at_poles_and_antimeridian(origin: GeoPoint) -> None:
    rng = np.random.default_rng(3)
    lat = np.clip(origin.lat_deg + rng.uniform(-0.2, 0.2, 50), -90, 90)
    lng = (origin.lng_deg + rng.uniform(-0.2, 0.2, 50) + 180) % 360 - 180  # both sides of the antimeridian
    alt = rng.uniform(0, 500, 50)
    theirs = np.stack(topocentric(origin).transform(lng, lat, alt), -1)
    np.testing.assert_allclose(LocalFrame(origin).enu_from_geo(lat, lng, alt), theirs, atol=1e-5)


def test_axes_point_east_north_and_up() -> None:
    frame = LocalFrame(GeoPoint(48.0, 11.0, 500.0))
    east = frame.enu_from_geo(48.0, 11.001, 500.0)
    north = frame.enu_from_geo(48.001, 11.0, 500.0)
    up = frame.enu_from_geo(48.0, 11.0, 510.0)
    assert east[0] == pytest.approx(74.6, abs=0.2)
    assert north[1] == pytest.approx(111.2, abs=0.2)
    np.testing.assert_allclose(up, [0.0, 0.0, 10.0], atol=1e-6)
    assert abs(east[1]) < 0.01
    assert abs(north[0]) < 1e-6


def test_origin_is_zero_and_crossing_the_antimeridian_is_a_short_step() -> None:
    frame = LocalFrame(GeoPoint(-17.0, 179.9999, 2.0))
    np.testing.assert_allclose(frame.enu_from_geo(-17.0, 179.9999, 2.0), 0.0, atol=1e-8)
    step = frame.enu_from_geo(-17.0, -179.9999, 2.0)
    assert step[0] == pytest.approx(2e-4 * 111_320 * np.cos(np.radians(17.0)), rel=0.01)
    assert distance_m(GeoPoint(-17.0, 179.9999), GeoPoint(-17.0, -179.9999)) == pytest.approx(step[0], rel=1e-4)


@given(places, places, offsets)
def test_rigid_motion_between_frames_is_exact(a: GeoPoint, b: GeoPoint, enu: tuple[float, float, float]) -> None:
    here, there = LocalFrame(a), LocalFrame(b)
    here_from_there = here.rigid_from(there)
    assert is_rotation(here_from_there[:3, :3], 1e-12)
    np.testing.assert_array_equal(here_from_there[3], [0.0, 0.0, 0.0, 1.0])
    moved = here_from_there[:3, :3] @ enu + here_from_there[:3, 3]
    np.testing.assert_allclose(moved, here.enu_from_geo(*there.geo_from_enu(enu)), atol=1e-5)
    np.testing.assert_allclose(here_from_there @ there.rigid_from(here), np.eye(4), atol=1e-7)


@given(places)
def test_rigid_motion_to_itself_is_nothing(place: GeoPoint) -> None:
    np.testing.assert_allclose(LocalFrame(place).rigid_from(LocalFrame(place)), np.eye(4), atol=1e-9)


def test_shapes_broadcast() -> None:
    frame = LocalFrame(GeoPoint(10.0, 20.0, 30.0))
    enu = frame.enu_from_geo(np.full((4, 5), 10.001), 20.0, np.linspace(0, 1, 5))
    assert enu.shape == (4, 5, 3)
    assert all(part.shape == (4, 5) for part in frame.geo_from_enu(enu))
    assert frame.enu_from_geo(10.0, 20.0, 30.0).shape == (3,)


@given(places, places)
def test_distance_is_symmetric_and_looks_at_no_height(a: GeoPoint, b: GeoPoint) -> None:
    there, back = distance_m(a, b), distance_m(b, a)
    assert there == pytest.approx(back, abs=1e-6)
    assert 0 <= there < 20_004_000  # no two places are farther apart than half a meridian
    assert distance_m(GeoPoint(a.lat_deg, a.lng_deg, 1e4), b) == there


def test_distance_of_a_degree() -> None:
    assert distance_m(GeoPoint(0, 0), GeoPoint(0, 1)) == pytest.approx(111_319.49, abs=0.01)
    assert distance_m(GeoPoint(0, 0), GeoPoint(1, 0)) == pytest.approx(110_574.39, abs=0.01)
    assert distance_m(GeoPoint(90, 0), GeoPoint(90, 123)) == pytest.approx(0.0, abs=1e-6)
