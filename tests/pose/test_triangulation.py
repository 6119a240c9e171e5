"""Points from reference rays: right where references agree, none where they cannot tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geonav.geometry.pose import camera_center, pose_from_center
from geonav.pose.epipolar import epipolar_sigmas
from geonav.pose.tracks import Tracks, build_tracks, tangent_bases
from geonav.pose.triangulation import intersect_rays, triangulate
from tests.pose.worlds import USUAL, Plan, World, make_world

MIN_PARALLAX = np.radians(1.0)


def is_wrong(world: World, tracks: Tracks) -> np.ndarray:
    """Which observations of tracks are outliers."""
    wrong = np.zeros(len(tracks.track), bool)
    for index, (view, bad) in enumerate(zip(world.views, world.is_outlier, strict=True)):
        of_view = tracks.view == index
        wrong[of_view] = bad[np.searchsorted(view.query_index, tracks.keypoint[tracks.track[of_view]])]
    return wrong


def test_tracks_join_the_matches_of_one_keypoint() -> None:
    world = make_world(Plan(seed=1))
    tracks = build_tracks(world.views)
    matched = np.concatenate([view.query_index for view in world.views])
    np.testing.assert_array_equal(tracks.keypoint, np.unique(matched))
    np.testing.assert_array_equal(tracks.views_per_track(), np.unique(matched, return_counts=True)[1])
    assert np.all(np.diff(tracks.track) >= 0)
    for index, view in enumerate(world.views):
        of_view = tracks.view == index
        np.testing.assert_array_equal(np.sort(tracks.keypoint[tracks.track[of_view]]), view.query_index)
        np.testing.assert_allclose(tracks.centers[of_view] - camera_center(view.pose), 0, atol=1e-12)
    # Every ray points at its point to within the noise.
    to_point = world.xyz[tracks.keypoint[tracks.track]] - tracks.centers
    to_point /= np.linalg.norm(to_point, axis=1, keepdims=True)
    sigmas = np.linalg.norm(to_point - tracks.rays, axis=1) / tracks.noise_rad
    assert 0.8 < np.sqrt((sigmas**2).mean() / 2) < 1.2


def test_selecting_observations_drops_empty_tracks_only() -> None:
    tracks = build_tracks(make_world(Plan(seed=2)).views)
    keep = tracks.view != 0
    kept = tracks.select(keep)
    np.testing.assert_array_equal(kept.rays, tracks.rays[keep])
    np.testing.assert_array_equal(kept.keypoint[kept.track], tracks.keypoint[tracks.track[keep]])
    assert kept.views_per_track().min() >= 1
    assert kept.num_tracks < tracks.num_tracks


def test_no_views_make_no_tracks() -> None:
    tracks = build_tracks([])
    assert tracks.num_tracks == 0
    assert len(triangulate(tracks, 4.0, MIN_PARALLAX).track) == 0


def test_tangent_bases_are_orthonormal() -> None:
    rays = np.random.default_rng(0).normal(size=(200, 3))
    rays[:3] = np.eye(3)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    frames = np.concatenate([tangent_bases(rays), rays[:, :, None]], axis=2)
    np.testing.assert_allclose(np.swapaxes(frames, 1, 2) @ frames, np.tile(np.eye(3), (200, 1, 1)), atol=1e-12)


def test_rays_meet_where_they_cross_and_parallel_ones_nowhere() -> None:
    centers = np.array([[0, 0, 0], [2, 0, 0], [0, 0, 0], [2, 0, 0]], float)
    rays = np.array([[1, 1, 0], [-1, 1, 0], [0, 1, 0], [0, 1, 0]], float)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    points = intersect_rays(centers, rays, np.ones(4), np.array([0, 0, 1, 1]), 2)
    np.testing.assert_allclose(points[0], [1, 1, 0], atol=1e-12)
    assert np.isnan(points[1]).all()


def test_exact_rays_give_exact_points() -> None:
    world = make_world(Plan(seed=3, noise_px=0.0))
    tracks = build_tracks(world.views)
    points = triangulate(tracks, 4.0, MIN_PARALLAX)
    assert len(points.track) > 100
    np.testing.assert_allclose(points.xyz, world.xyz[tracks.keypoint[points.track]], atol=1e-6)


@pytest.mark.parametrize("outliers", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_points_lie_where_they_are_in_spite_of_wrong_matches(seed: int, outliers: float) -> None:
    world = make_world(Plan(seed=seed, outliers=outliers))
    tracks = build_tracks(world.views)
    points = triangulate(tracks, 5.0, MIN_PARALLAX)
    right = np.bincount(
        np.concatenate([v.query_index[~bad] for v, bad in zip(world.views, world.is_outlier, strict=True)]),
        minlength=len(world.xyz),
    )
    assert len(points.track) > 0.9 * (right >= 2).sum()
    error = np.linalg.norm(points.xyz - world.xyz[tracks.keypoint[points.track]], axis=1)
    assert np.median(error) < 0.05
    # Where three or more right rays outvote the wrong ones, nothing goes astray.
    assert error[right[tracks.keypoint[points.track]] >= 3].max() < 0.6
    wrong = is_wrong(world, tracks)
    carried = (right >= 2)[tracks.keypoint[tracks.track]]  # right matches that another right one supports
    assert points.observation_agrees[carried & ~wrong].mean() > 0.95
    assert outliers == 0.0 or points.observation_agrees[wrong].mean() < 0.05


@pytest.mark.parametrize("outliers", [0.0, 0.5])
def test_references_that_share_a_centre_make_no_points(outliers: float) -> None:
    world = make_world(Plan(seed=5, outliers=outliers, centers_m=((0.0, 0.0, 2.0),) * 4))
    tracks = build_tracks(world.views)
    assert (tracks.views_per_track() >= 2).sum() > 50
    assert len(triangulate(tracks, 5.0, MIN_PARALLAX).track) == 0


def test_a_small_parallax_makes_no_points() -> None:
    world = make_world(Plan(seed=5, noise_px=0.1, centers_m=((0.0, 0.0, 2.0), (0.03, 0.0, 2.0))))
    tracks = build_tracks(world.views)
    assert (tracks.views_per_track() == 2).sum() > 30
    assert len(triangulate(tracks, 5.0, MIN_PARALLAX).track) == 0
    assert len(triangulate(tracks, 5.0, np.radians(0.01)).track) > 20


def test_epipolar_distances_are_in_standard_deviations() -> None:
    world = make_world(Plan(seed=6, outliers=0.3))
    tracks = build_tracks(world.views)
    rays = USUAL.rays_from_pixels(world.pixels)[tracks.keypoint] @ world.pose[:3, :3]
    sigmas = epipolar_sigmas(tracks, rays, world.center, 0.3 / USUAL.focal_px)
    wrong = is_wrong(world, tracks)
    assert np.isfinite(sigmas[~wrong]).all()
    # Rays away from the axis are sharper than those on it: up to a third less than one.
    assert 0.6 < np.sqrt((sigmas[~wrong] ** 2).mean()) < 1.1
    assert (sigmas[wrong] > 6).mean() > 0.8


def test_rays_that_part_do_not_agree() -> None:
    """A reference that looks the other way lies on the epipolar plane, but the rays meet behind it."""
    world = make_world(Plan(seed=7, noise_px=0.0))
    view = world.views[0]
    mirrored = pose_from_center(np.diag([1.0, -1.0, -1.0]) @ view.pose[:3, :3], camera_center(view.pose))
    opposite = replace(view, pose=mirrored, pixels=view.pixels * [1, -1] + [0, USUAL.height])
    rays = USUAL.rays_from_pixels(world.pixels)
    for chosen, meets in ((view, True), (opposite, False)):
        tracks = build_tracks([chosen])
        world_rays = rays[tracks.keypoint] @ world.pose[:3, :3]
        sigmas = epipolar_sigmas(tracks, world_rays, world.center, 0.1 / USUAL.focal_px)
        assert bool((sigmas < 1e-3).all()) == meets
        assert bool(np.isinf(sigmas).all()) != meets
