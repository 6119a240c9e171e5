"""Derivatives are those of the residuals, and the adjustment finds the least of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geonav.geometry.camera import Camera
from geonav.geometry.pose import rotation_error_deg, rotation_from_vector
from geonav.pose.adjustment import adjust
from geonav.pose.residuals import (
    QueryTerms,
    QueryView,
    ReferenceTerms,
    initial_structure,
    robust_weights,
)
from geonav.pose.tracks import build_tracks
from tests.pose.worlds import USUAL, Plan, World, make_world

FREE_STD = np.array([50.0, 10.0, 10.0, 2e-3, 3e-2])
STEP = 1e-6


def query_view(world: World, *, free: bool) -> QueryView:
    camera = world.plan.camera
    intrinsics = np.array([camera.focal_px, *camera.principal_point_px, 0.0, 0.0])
    return QueryView(
        rotation=world.pose[:3, :3],
        center=world.center,
        pixels=world.pixels,
        rays=camera.rays_from_pixels(world.pixels),
        noise_px=0.3,
        intrinsics=intrinsics,
        intrinsics_std=FREE_STD if free else None,
        intrinsics_prior=intrinsics if free else None,
    )


@pytest.mark.parametrize("free", [False, True])
def test_query_derivatives(free: bool) -> None:
    world = make_world(Plan(seed=1, num_points=60, noise_px=2.0))
    tracks, view = build_tracks(world.views), query_view(world, free=free)
    if free:  # where every term counts
        view = replace(view, intrinsics=view.intrinsics + np.array([30.0, 5.0, -4.0, 0.01, -0.08]))
    structure = initial_structure(tracks, view)
    structure.values[:, :2] = world.rng.normal(0, 1e-3, (tracks.num_tracks, 2))
    terms = QueryTerms(tracks, structure.anchor, view)
    _, by_pose, by_point = terms.at(structure, view)
    for parameter in range(view.num_parameters):
        size = STEP * (100.0 if 6 <= parameter < 9 else 1.0)
        step = size * np.eye(view.num_parameters)[parameter]
        slope = terms.at(structure, view.moved(step))[0] - terms.at(structure, view.moved(-step))[0]
        np.testing.assert_allclose(by_pose[:, parameter], slope / (2 * size), rtol=1e-4, atol=1e-3)
    for axis in range(3):
        values = STEP * np.eye(3)[axis]
        ahead = terms.at(replace(structure, values=structure.values + values), view)[0]
        behind = terms.at(replace(structure, values=structure.values - values), view)[0]
        np.testing.assert_allclose(by_point[:, axis], (ahead - behind) / (2 * STEP), rtol=1e-4, atol=1e-3)


def test_reference_derivatives() -> None:
    world = make_world(Plan(seed=2, num_points=60, noise_px=2.0))
    tracks = build_tracks(world.views)
    structure = initial_structure(tracks, query_view(world, free=False))
    structure.values[:, :2] = world.rng.normal(0, 1e-3, (tracks.num_tracks, 2))
    terms = ReferenceTerms(tracks, structure.anchor)
    _, by_point = terms.at(structure)
    for axis in range(3):
        values = STEP * np.eye(3)[axis]
        ahead = terms.at(replace(structure, values=structure.values + values))[0]
        behind = terms.at(replace(structure, values=structure.values - values))[0]
        np.testing.assert_allclose(by_point[:, axis], (ahead - behind) / (2 * STEP), rtol=1e-4, atol=1e-3)


def test_residuals_are_in_standard_deviations() -> None:
    world = make_world(Plan(seed=3, noise_px=0.3))
    tracks = build_tracks(world.views)
    adjusted = adjust(tracks, query_view(world, free=False))
    count = adjusted.reference_residuals.size + adjusted.query_residuals.size
    square = (adjusted.reference_residuals**2).sum() + (adjusted.query_residuals**2).sum()
    # Rays away from the axis are sharper than those on it: the sum comes out below the degrees of freedom.
    assert 0.5 < square / (count - 3 * tracks.num_tracks - 6) < 1.1


def test_points_start_at_their_depths() -> None:
    world = make_world(Plan(seed=4, noise_px=0.0))
    tracks = build_tracks(world.views)
    structure = initial_structure(tracks, query_view(world, free=False))
    depth = np.linalg.norm(world.xyz[tracks.keypoint] - tracks.centers[structure.anchor], axis=1)
    np.testing.assert_allclose(structure.depths_m(), depth, rtol=1e-6)
    at_infinity = replace(structure, values=structure.values * [1, 1, 0])
    assert np.isinf(at_infinity.depths_m()).all()


@pytest.mark.parametrize("free", [False, True])
def test_adjustment_comes_back_from_afar(free: bool) -> None:
    world = make_world(Plan(seed=5, noise_px=0.0))
    tracks, true = build_tracks(world.views), query_view(world, free=free)
    start = true.moved(np.r_[0.02, -0.03, 0.01, 0.8, -0.7, 0.4, [20.0, 5.0, -5.0, 0.0, 0.0][: 5 * free]])
    found = adjust(tracks, start, max_iterations=60, tolerance=1e-12).query
    assert np.linalg.norm(found.center - world.center) < 1e-4
    assert rotation_error_deg(found.rotation, world.pose[:3, :3]) < 1e-3
    if free:
        np.testing.assert_allclose(found.intrinsics, true.intrinsics, atol=0.05)


def test_one_gross_match_hardly_moves_the_adjustment() -> None:
    world = make_world(Plan(seed=6))
    view = query_view(world, free=False)
    straight = adjust(build_tracks(world.views), view).query
    spoilt = replace(world.views[2], pixels=world.views[2].pixels.copy())
    spoilt.pixels[0] += [60.0, -40.0]
    views = [*world.views[:2], spoilt, *world.views[3:]]
    assert np.linalg.norm(adjust(build_tracks(views), view).query.center - straight.center) < 2e-3


def test_weights_fall_with_the_residual() -> None:
    weights = robust_weights(np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 4.0], [300.0, 400.0]]).T)
    assert weights[0] == 1.0
    assert np.all(np.diff(weights) < 0)
    assert weights[-1] < 1e-4


def test_priors_pull_towards_what_was_expected() -> None:
    view = query_view(make_world(Plan(seed=1, num_points=30)), free=True)
    assert not view.prior_offset().any()
    placed = replace(view, position_prior=(view.center - [1.0, 2.0, 3.0], np.array([0.5, 1.0, 2.0])))
    np.testing.assert_allclose(placed.prior_offset()[3:6], [1, 2, 3], atol=1e-9)
    np.testing.assert_allclose(np.diag(placed.prior_information())[3:6], [4.0, 1.0, 0.25])
    np.testing.assert_allclose(np.diag(placed.prior_information())[6:], FREE_STD**-2.0)
    moved = view.moved(np.r_[np.zeros(6), 1.0, 2.0, 3.0, 4e-3, 5e-3])
    np.testing.assert_allclose(moved.prior_offset()[6:], [1.0, 2.0, 3.0, 4e-3, 5e-3])
    turned = view.moved(np.r_[1e-3, 0.0, 0.0, np.zeros(8)])
    np.testing.assert_allclose(turned.rotation, rotation_from_vector([1e-3, 0, 0]) @ view.rotation)


def test_free_intrinsics_describe_the_camera_that_took_the_photo() -> None:
    lens = Camera("OPENCV", USUAL.width, USUAL.height, (850, 858.5, 500, 390, -0.06, 0, 0, 0))
    world = make_world(Plan(seed=7, noise_px=0.0, camera=lens))
    tracks = build_tracks(world.views)
    view = replace(query_view(world, free=True), intrinsics=np.array([850.0, 500.0, 390.0, 0.01, -0.06]))
    structure = initial_structure(tracks, view)
    assert np.abs(QueryTerms(tracks, structure.anchor, view).at(structure, view)[0]).max() < 1e-4
