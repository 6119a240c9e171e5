"""Views cut out of synthetic panoramas whose every direction has a known colour."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.data.survey import ViewSpec
from geonav.errors import ImageError
from geonav.geometry.orientation import rotation_from_angles
from geonav.vision.equirectangular import cut_views

LEVEL = {"heading_deg": 0.0, "pitch_deg": 0.0, "roll_deg": 0.0}


def directions(width, height, panorama_from_enu):
    """ENU directions (h, w, 3) of a panorama's pixel centres."""
    lon = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    lat = (0.5 - (np.arange(height) + 0.5) / height) * np.pi
    lon, lat = np.meshgrid(lon, lat)
    camera = np.stack([np.sin(lon) * np.cos(lat), -np.sin(lat), np.cos(lon) * np.cos(lat)], axis=-1)
    return camera @ panorama_from_enu


def view_directions(view):
    """ENU directions (h, w, 3) of a view's pixel centres."""
    x, y = np.meshgrid(np.arange(view.width) + 0.5, np.arange(view.height) + 0.5)
    rays = view.camera.rays_from_pixels(np.stack([x, y], axis=-1).reshape(-1, 2))
    return (rays @ rotation_from_angles(view.azimuth_deg, view.pitch_deg)).reshape(view.height, view.width, 3)


def direction(azimuth_deg, elevation_deg):
    return rotation_from_angles(azimuth_deg, elevation_deg)[2]


def dots(seen, centres, sharpness):
    """Colours (h, w, 3) of soft round dots about unit directions, as seen in directions (h, w, 3)."""
    grey = sum(np.exp(sharpness * (seen @ centre - 1.0)) for centre in centres)
    return np.repeat(np.round(20 + 220 * np.clip(grey, 0, 1))[..., None], 3, axis=-1).astype(np.uint8)


def centroid(picture, near, radius_px):
    """Centre of mass of a dot above its ground, in pixels whose first centre is (0.5, 0.5)."""
    x, y = np.meshgrid(np.arange(picture.shape[1]) + 0.5, np.arange(picture.shape[0]) + 0.5)
    weight = np.clip(picture[..., 0].astype(float) - 24.0, 0, None)
    weight[(x - near[0]) ** 2 + (y - near[1]) ** 2 > radius_px**2] = 0.0
    assert weight.sum() > 500, "no dot where one should be"
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


@settings(max_examples=25, deadline=None)
@given(
    azimuth=st.floats(-180, 540),
    pitch=st.floats(-90, 90),
    turn=st.tuples(st.floats(-360, 360), st.floats(-80, 80), st.floats(-180, 180)),
    offset=st.tuples(st.floats(-25, 25), st.floats(-25, 25)),
)
def test_a_dot_lands_where_the_pinhole_camera_projects_it(azimuth, pitch, turn, offset):
    view = ViewSpec(0, azimuth, pitch, 70.0, 160, 160)
    in_camera = rotation_from_angles(offset[0], offset[1])[2][[0, 2, 1]] * [1, -1, 1]
    centre = in_camera @ rotation_from_angles(azimuth, pitch)
    panorama = dots(directions(1024, 512, rotation_from_angles(*turn)), [centre], 4000.0)
    angles = dict(zip(LEVEL, turn, strict=True))
    (cut,) = cut_views(panorama, [view], **angles)
    projected = view.camera.pixels_from_points(in_camera)[0]
    ideal = centroid(dots(view_directions(view), [centre], 4000.0), projected, 9)
    np.testing.assert_allclose(centroid(cut, projected, 9), ideal, atol=0.1)
    np.testing.assert_allclose(ideal, projected, atol=0.3)  # the wide angle draws a round dot a little outwards


@pytest.mark.parametrize("azimuth", [37.0, 179.99, -180.0])
@pytest.mark.parametrize("pitch", [-90.0, -60.0, 0.0, 30.0, 90.0])
@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (181.0, 0.0, 0.0), (75.0, -20.0, 35.0), (10.0, 90.0, 0.0)])
def test_a_smooth_sphere_is_seen_alike_everywhere(azimuth, pitch, turn):
    """Seam and poles included: wherever the view looks, each colour is that of its direction."""

    def colours(seen):
        waves = np.stack([np.sin(3 * seen[..., 0]), np.cos(4 * seen[..., 1]), seen[..., 2] * seen[..., 0]], axis=-1)
        return 127.5 + 100 * waves

    panorama = np.round(colours(directions(512, 256, rotation_from_angles(*turn)))).astype(np.uint8)
    view = ViewSpec(0, azimuth, pitch, 90.0, 96, 64)
    (cut,) = cut_views(panorama, [view], **dict(zip(LEVEL, turn, strict=True)))
    assert np.abs(cut - colours(view_directions(view))).max() < 2.5


def test_straight_edges_of_the_world_stay_straight_and_in_place():
    normal = np.cross(direction(20.0, 5.0), direction(50.0, 25.0))
    normal /= np.linalg.norm(normal)
    view = ViewSpec(0, 35.0, 10.0, 60.0, 320, 240)
    seen = directions(2048, 1024, rotation_from_angles(300.0, 3.0, -2.0))
    panorama = np.repeat((127.5 + 120 * np.tanh(200 * (seen @ normal)))[..., None], 3, axis=-1).astype(np.uint8)
    (cut,) = cut_views(panorama, [view], heading_deg=300.0, pitch_deg=3.0, roll_deg=-2.0)
    # n . R^T K^-1 (x, y, 1) = 0 is the edge's line in the view.
    line = np.linalg.inv(view.camera.K).T @ rotation_from_angles(35.0, 10.0) @ normal
    for column in range(20, 300, 20):
        grey = cut[:, column, 0].astype(float) - 127.5
        crossing = np.flatnonzero(np.diff(np.sign(grey)))[0]
        at = crossing + 0.5 + grey[crossing] / (grey[crossing] - grey[crossing + 1])
        assert abs(at - -(line[0] * (column + 0.5) + line[2]) / line[1]) < 0.1


def test_heading_pitch_and_roll_by_hand():
    """A white spot in the middle of the picture of a camera that looked east, 10 degrees up."""
    panorama = np.zeros((400, 800, 3), np.uint8)
    panorama[196:204, 396:404] = 255
    panorama[196:204, 446:454, 0] = 255  # a red one 22.5 degrees to its right
    east_up = {"heading_deg": 90.0, "pitch_deg": 10.0}
    views = [ViewSpec(0, 90.0, 10.0, 60.0, 101, 101), ViewSpec(1, 90.0, 0.0, 60.0, 101, 101)]
    straight, level = cut_views(panorama, views, **east_up, roll_deg=0.0)
    assert straight[50, 50].min() > 250
    # f = 50.5 / tan(30 deg) = 87.5 px: 10 degrees up is 15.4 px above the middle.
    assert np.abs(np.argwhere(level[..., 1] > 100).mean(axis=0) + 0.5 - [50.5 - 15.4, 50.5]).max() < 0.6
    # A camera turned clockwise sees what is level rise to its left; seen level again, its right side sinks.
    (rolled,) = cut_views(panorama, views[:1], **east_up, roll_deg=30.0)
    red = (rolled[..., 0] > 100) & (rolled[..., 1] < 50)
    y, x = np.argwhere(red).mean(axis=0) - 50
    assert x > 10
    assert np.degrees(np.arctan2(y, x)) == pytest.approx(30.0, abs=2.0)


@pytest.mark.parametrize("pitch", [0.0, 45.0, 90.0, -90.0])
@pytest.mark.parametrize("pattern", ["columns", "rows", "checkers"])
def test_detail_too_fine_for_the_view_becomes_grey(pattern, pitch):
    y, x = np.mgrid[:1024, :2048]
    odd = {"columns": x, "rows": y, "checkers": x + y}[pattern] % 2
    panorama = np.repeat((255 * odd)[..., None], 3, axis=-1).astype(np.uint8)
    # 326 pixels a radian in the panorama, 80 in the middle of the view and 160 at its sides.
    (cut,) = cut_views(panorama, [ViewSpec(0, 20.0, pitch, 90.0, 160, 160)], **LEVEL)
    assert abs(cut.mean() - 127.5) < 2
    assert cut.std() < 8


def test_detail_that_the_view_can_show_keeps_its_contrast():
    width = 4096
    period_px = width / 2 / np.pi / 320 * 8  # 8 pixels of the view
    wave = 127.5 + 100 * np.sin(np.arange(width) / period_px * 2 * np.pi)
    panorama = np.broadcast_to(np.round(wave)[None, :, None], (width // 2, width, 3)).astype(np.uint8)
    (cut,) = cut_views(panorama, [ViewSpec(0, 0.0, 0.0, 90.0, 640, 640)], **LEVEL)
    assert np.ptp(cut[320, 280:360, 0].astype(float)) > 0.75 * 200


def test_views_come_in_order_and_size_whatever_their_shape():
    panorama = np.random.default_rng(0).integers(0, 256, (256, 512, 3), dtype=np.uint8)
    views = [ViewSpec(0, 10.0, 0.0, 90.0, 40, 30), ViewSpec(1, 200.0, 80.0, 20.0, 64, 64)]
    assert [cut.shape for cut in cut_views(panorama, views, **LEVEL)] == [(30, 40, 3), (64, 64, 3)]
    assert cut_views(panorama, [], **LEVEL) == []


@pytest.mark.parametrize("pitch", [0.0, 7.0])
def test_a_view_is_the_same_to_the_bit_whichever_others_are_cut_with_it(pitch):
    """A fetch that was stopped goes on with the views that are missing."""
    panorama = np.random.default_rng(0).integers(0, 256, (512, 1024, 3), dtype=np.uint8)
    views = [ViewSpec(index, 45.0 * index, 0.0, 90.0, 101, 99) for index in range(8)]
    views.append(ViewSpec(8, 0.0, 60.0, 90.0, 64, 64))
    angles = {"heading_deg": 12.3, "pitch_deg": pitch, "roll_deg": -pitch}
    together = cut_views(panorama, views, **angles)
    for view, cut in zip(views, together, strict=True):
        np.testing.assert_array_equal(cut_views(panorama, [view], **angles)[0], cut)
    np.testing.assert_array_equal(cut_views(panorama, views[3:6], **angles), together[3:6])


def test_uneven_sides_and_read_only_pixels_are_cut_too():
    panorama = np.full((303, 607, 3), 77, np.uint8)
    panorama.setflags(write=False)
    (cut,) = cut_views(panorama, [ViewSpec(0, 0.0, 60.0, 90.0, 32, 32)], **LEVEL)
    assert (cut == 77).all()


@pytest.mark.parametrize("shape", [(512, 512, 3), (200, 512, 3), (8, 16, 3)])
def test_what_is_no_whole_sphere_is_refused(shape):
    with pytest.raises(ImageError, match=f"{shape[1]}x{shape[0]}.*whole sphere"):
        cut_views(np.zeros(shape, np.uint8), [ViewSpec(0, 0, 0, 90, 64, 64)], **LEVEL)


@pytest.mark.slow
def test_eight_views_take_less_than_a_second():
    panorama = np.random.default_rng(0).integers(0, 256, (2048, 4096, 3), dtype=np.uint8)
    views = [ViewSpec(index, 45.0 * index, 0.0, 90.0, 640, 640) for index in range(8)]
    seconds = []
    for heading in range(5):
        start = time.perf_counter()
        cut_views(panorama, views, heading_deg=heading, pitch_deg=1.0, roll_deg=-1.0)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) <= 1.0
