"""Of the matches of two references, those are kept that one rigid scene explains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geonav.geometry.camera import Camera
from geonav.geometry.pose import rotation_error_deg
from geonav.pipeline.mapping.linking import verified
from geonav.pipeline.mapping.views import MapView
from tests.pipeline.mapping.said import said
from tests.pose.worlds import USUAL, Plan, facade_points, reference_poses, seen

NOISE_PX = 0.5


def pair(seed: int, outliers: float) -> tuple[MapView, MapView, np.ndarray, np.ndarray, np.ndarray]:
    """Two references as they truly look, what of 300 points both see with noise, and which matches are wrong."""
    rng = np.random.default_rng(seed)
    xyz = facade_points(rng, 300)
    poses = reference_poses(Plan(centers_m=((-3.0, 0.5, 2.0), (2.0, -0.5, 2.5))), rng)
    (one, in_one), (other, in_other) = (seen(USUAL, pose, xyz) for pose in poses)
    both = in_one & in_other
    pixels = [p[both] + rng.normal(0, NOISE_PX, (both.sum(), 2)) for p in (one, other)]
    wrong = rng.random(both.sum()) < outliers
    pixels[1][wrong] = rng.uniform([0, 0], [USUAL.width, USUAL.height], (wrong.sum(), 2))
    views = [
        replace(said(uid, (0.0, 0.0)), camera=USUAL, rotation=pose[:3, :3])
        for uid, pose in zip("ab", poses, strict=True)
    ]
    return views[0], views[1], pixels[0], pixels[1], wrong


def guessed(view: MapView) -> MapView:
    """The focal length is only what EXIF said."""
    return replace(view, camera=Camera.from_focal(USUAL.width, USUAL.height, 950.0), is_calibrated=False)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("calibrated", [True, False])
def test_wrong_matches_go_and_right_ones_stay(seed: int, calibrated: bool) -> None:
    first, second, one, other, wrong = pair(seed, 0.4)
    if not calibrated:
        first = guessed(first)
    keep, _ = verified(first, second, (one, other), (NOISE_PX, NOISE_PX), 0)
    assert keep.shape == wrong.shape
    assert keep[~wrong].mean() > 0.95
    assert keep[wrong].mean() < 0.15  # those that lie near their epipolar line by chance


@pytest.mark.parametrize("seed", range(3))
def test_the_turn_between_the_two_is_told(seed: int) -> None:
    first, second, one, other, _ = pair(seed, 0.4)
    _, rotation = verified(first, second, (one, other), (NOISE_PX, NOISE_PX), 0)
    assert rotation_error_deg(rotation, second.rotation @ first.rotation.T) < 1.0


def test_the_same_seed_keeps_the_same() -> None:
    first, second, one, other, _ = pair(5, 0.5)
    runs = [verified(first, second, (one, other), (NOISE_PX, NOISE_PX), 3) for _ in range(2)]
    for found, again in zip(*runs, strict=True):
        np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize("calibrated", [True, False])
def test_matches_that_mean_nothing_do_not_link(calibrated: bool) -> None:
    first, second, one, other, _ = pair(6, 1.0)
    if not calibrated:
        first, second = guessed(first), guessed(second)
    # A rigid scene explains some by chance; `min_matches` asks for more.
    assert verified(first, second, (one, other), (NOISE_PX, NOISE_PX), 0)[0].sum() < 30


@pytest.mark.parametrize("count", [0, 1, 7])
def test_too_few_say_nothing(count: int) -> None:
    first, second, one, other, _ = pair(7, 0.0)
    keep, rotation = verified(first, second, (one[:count], other[:count]), (NOISE_PX, NOISE_PX), 0)
    assert keep.shape == (count,)
    assert not keep.any()
    assert np.isnan(rotation).all()


def test_noisier_keypoints_are_given_more_room() -> None:
    first, second, one, other, _ = pair(8, 0.0)
    rough = other + np.random.default_rng(0).normal(0, 6.0, other.shape)
    strict, lenient = (verified(first, second, (one, rough), (NOISE_PX, noise), 0)[0].sum() for noise in (0.2, 6.0))
    assert strict < 0.9 * lenient
    assert lenient > 0.9 * len(one)
