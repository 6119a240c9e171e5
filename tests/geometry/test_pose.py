"""Poses as matrices: centres, errors and rotations hold for any input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geonav.geometry.pose import (
    camera_center,
    is_rotation,
    nearest_rotation,
    pose_from_center,
    pose_matrix,
    rotation_error_deg,
    rotation_from_vector,
)

seeds = st.integers(0, 2**32 - 1)
vectors = st.tuples(st.floats(-10, 10), st.floats(-10, 10), st.floats(-10, 10)).map(np.array)


def unit(seed: int) -> np.ndarray:
    axis = np.random.default_rng(seed).normal(size=3)
    return axis / np.linalg.norm(axis)


@given(vectors, vectors)
def test_centre_and_translation_are_two_ways_to_say_the_same(turn: np.ndarray, center: np.ndarray) -> None:
    rotation = rotation_from_vector(turn)
    pose = pose_from_center(rotation, center)
    np.testing.assert_allclose(camera_center(pose), center, atol=1e-9)
    np.testing.assert_allclose(pose @ [*center, 1.0], [0, 0, 0, 1], atol=1e-9)
    np.testing.assert_array_equal(pose_matrix(rotation, pose[:3, 3]), pose)


def test_centres_of_many_poses_at_once() -> None:
    rng = np.random.default_rng(0)
    centers = rng.uniform(-100, 100, (2, 5, 3))
    flat = [pose_from_center(rotation_from_vector(rng.normal(size=3)), c) for c in centers.reshape(-1, 3)]
    np.testing.assert_allclose(camera_center(np.array(flat).reshape(2, 5, 4, 4)), centers, atol=1e-9)


@given(seeds, st.floats(0, 180), vectors)
def test_rotation_error_is_the_angle_turned(seed: int, angle_deg: float, start: np.ndarray) -> None:
    start_rotation = rotation_from_vector(start)
    turned = rotation_from_vector(np.radians(angle_deg) * unit(seed)) @ start_rotation
    assert rotation_error_deg(turned, start_rotation) == pytest.approx(angle_deg, abs=1e-6)
    assert rotation_error_deg(start_rotation, turned) == pytest.approx(angle_deg, abs=1e-6)


@pytest.mark.parametrize("angle_deg", [1e-7, 1e-5, 1e-3])
def test_rotation_error_sees_the_smallest_turns(angle_deg: float) -> None:
    small = rotation_from_vector([0.0, 0.0, np.radians(angle_deg)])
    assert rotation_error_deg(small, np.eye(3)) == pytest.approx(angle_deg, rel=1e-4)


@given(vectors)
def test_rotation_vectors_give_rotations_that_undo_each_other(vector: np.ndarray) -> None:
    rotation = rotation_from_vector(vector)
    assert is_rotation(rotation, 1e-9)
    np.testing.assert_allclose(rotation @ rotation_from_vector(-vector), np.eye(3), atol=1e-9)
    np.testing.assert_allclose(rotation @ vector, vector, atol=1e-8)


def test_rotation_vectors_turn_by_the_right_hand() -> None:
    np.testing.assert_allclose(rotation_from_vector([0, 0, np.pi / 2]) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(rotation_from_vector([np.pi / 2, 0, 0]) @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(rotation_from_vector([1e-10, 0, 0]) @ [0, 1, 0], [0, 1, 1e-10], atol=1e-16)


def test_what_is_no_rotation_is_told_apart() -> None:
    assert is_rotation(np.eye(3))
    assert not is_rotation(np.diag([1.0, 1.0, -1.0]))  # a mirror
    assert not is_rotation(np.eye(3) * 1.01)
    assert not is_rotation(np.eye(4))
    assert not is_rotation(np.full((3, 3), np.nan))
    assert not is_rotation(np.zeros((3, 3)))
    rounded = np.round(rotation_from_vector([0.3, -0.2, 0.9]), 5)
    assert is_rotation(rounded)
    assert not is_rotation(rounded, 1e-9)


@given(vectors, seeds)
def test_nearest_rotation_mends_rounding(vector: np.ndarray, seed: int) -> None:
    rotation = rotation_from_vector(vector)
    noisy = rotation + np.random.default_rng(seed).uniform(-1e-3, 1e-3, (3, 3))
    mended = nearest_rotation(noisy)
    assert is_rotation(mended, 1e-12)
    assert rotation_error_deg(mended, rotation) < 0.3
    assert np.linalg.norm(mended - noisy) <= np.linalg.norm(rotation - noisy) + 1e-12


def test_nearest_rotation_is_proper_even_for_a_mirror() -> None:
    assert is_rotation(nearest_rotation(np.diag([1.0, 1.0, -0.2])), 1e-12)
