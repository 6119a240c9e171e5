"""Structure from matches alone: everything that holds together is found, right up to a similarity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from geonav.geometry.camera import Camera
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import camera_center, nearest_rotation, pose_from_center, rotation_error_deg
from geonav.pose.alignment import Similarity
from geonav.pose.structure import Picture, Structure, reconstruct
from tests.pose.surveys import pixels_of
from tests.pose.worlds import USUAL, Plan, facade_points, reference_poses

NUM_POINTS = 300
NOISE_PX = 0.3


@dataclass(frozen=True)
class Shot:
    """A picture, its true pose, and the point that each of its keypoints shows."""

    picture: Picture
    pose: np.ndarray
    points: np.ndarray


def shots(seed: int, count: int = 7, camera: Camera = USUAL, first_point: int = 0) -> tuple[list[Shot], np.ndarray]:
    """A walk along the street; and the points (N, 3)."""
    rng = np.random.default_rng(seed)
    places = tuple((x, rng.uniform(-3, 3), rng.uniform(1.5, 4.0)) for x in np.linspace(-9, 9, count))
    xyz = facade_points(rng, NUM_POINTS)
    found = []
    for number, pose in enumerate(reference_poses(Plan(centers_m=places), rng)):
        pixels, rows = pixels_of(camera, pose, xyz, NOISE_PX, rng)
        found.append(Shot(Picture(f"{first_point}-{number}", camera, pixels), pose, rows + first_point))
    return found, xyz


def matches(taken: list[Shot]) -> dict[tuple[int, int], np.ndarray]:
    """Keypoints of one point, of every two pictures that share enough."""
    pairs = {}
    for i, first in enumerate(taken):
        for j in range(i + 1, len(taken)):
            _, one, other = np.intersect1d(first.points, taken[j].points, return_indices=True)
            same_frame = first.picture.frame and first.picture.frame == taken[j].picture.frame
            if len(one) >= 20 and not same_frame:
                pairs[i, j] = np.column_stack([one, other])
    return pairs


def to_world(found: Structure, poses: np.ndarray) -> Similarity:
    """The similarity that fits the true centres best (Umeyama)."""
    truth, model = camera_center(poses), found.centers
    there, here = truth - truth.mean(0), model - model.mean(0)
    rotation = nearest_rotation(there.T @ here)
    scale = float((there * (here @ rotation.T)).sum() / (here**2).sum())
    return Similarity(rotation, scale, truth.mean(0) - scale * rotation @ model.mean(0))


def assert_right(found: Structure, taken: list[Shot], xyz: np.ndarray, tolerance_m: float = 0.05) -> None:
    """Cameras and points of a structure stand where they do in truth."""
    poses = np.array([taken[row].pose for row in found.pictures])
    world = to_world(found, poses)
    assert np.linalg.norm(world.points(found.centers) - camera_center(poses), axis=1).max() < tolerance_m
    for rotation, pose in zip(world.rotations(found.rotations), poses, strict=True):
        assert rotation_error_deg(rotation, pose[:3, :3]) < 0.3
    truth = np.full(len(found.points), -1)
    for row, keypoint, point in zip(found.picture, found.keypoint, found.point, strict=True):
        shown = taken[found.pictures[row]].points[keypoint]
        assert truth[point] in {-1, shown}  # all observations of a point show the same
        truth[point] = shown
    away = np.linalg.norm(world.points(found.points) - xyz[truth], axis=1)
    assert np.median(away) < 2 * tolerance_m
    assert (np.diff(found.point) >= 0).all()


@pytest.mark.parametrize("seed", range(2))
def test_a_scene_is_found_whole_and_right_up_to_a_similarity(seed: int) -> None:
    taken, xyz = shots(seed)
    (found,) = reconstruct([shot.picture for shot in taken], matches(taken))
    assert found.pictures.tolist() == list(range(len(taken)))
    assert len(found.points) > 0.6 * len(np.unique(np.concatenate([shot.points for shot in taken])))
    assert found.cameras == tuple(shot.picture.camera for shot in taken)
    assert_right(found, taken, xyz)


def test_the_same_seed_gives_the_same_structure() -> None:
    taken, _ = shots(3, count=5)
    pairs = matches(taken)
    (first,), (again,) = (reconstruct([shot.picture for shot in taken], pairs, seed=4) for _ in range(2))
    np.testing.assert_allclose(first.centers, again.centers, atol=1e-9)
    np.testing.assert_array_equal(first.point, again.point)


def test_scenes_that_share_nothing_are_structures_of_their_own() -> None:
    large, large_xyz = shots(4, count=7)
    small, small_xyz = shots(5, count=5, first_point=NUM_POINTS)
    taken = [*small, *large]
    found = reconstruct([shot.picture for shot in taken], matches(taken))
    assert [structure.pictures.tolist() for structure in found] == [list(range(5, 12)), list(range(5))]
    xyz = np.concatenate([large_xyz, small_xyz])
    for structure in found:
        assert_right(structure, taken, xyz)


def test_a_picture_without_matches_is_left_out() -> None:
    taken, xyz = shots(6)
    pairs = {pair: found for pair, found in matches(taken).items() if 3 not in pair}
    (found,) = reconstruct([shot.picture for shot in taken], pairs)
    assert found.pictures.tolist() == [0, 1, 2, 4, 5, 6]
    assert_right(found, taken, xyz)


def test_nothing_comes_of_nothing() -> None:
    taken, _ = shots(7, count=3)
    assert reconstruct([shot.picture for shot in taken], {}) == []


def test_wrong_matches_are_not_believed() -> None:
    taken, _ = shots(8)
    rng = np.random.default_rng(0)
    pairs = matches(taken)
    for pair, found in pairs.items():
        wrong = rng.random(len(found)) < 0.1
        found[wrong, 1] = rng.permutation(found[wrong, 1])
        pairs[pair] = found
    (found,) = reconstruct([shot.picture for shot in taken], pairs)
    poses = np.array([taken[row].pose for row in found.pictures])
    away = to_world(found, poses).points(found.centers) - camera_center(poses)
    assert len(found.pictures) == len(taken)
    assert np.linalg.norm(away, axis=1).max() < 0.1


def test_views_of_one_panorama_keep_one_centre_and_their_turns() -> None:
    rng = np.random.default_rng(9)
    xyz = np.concatenate([facade_points(rng, 250), facade_points(rng, 250) * [1, -1, 1]])
    camera = Camera.from_fov(800, 800, 90.0)
    taken = []
    for number, x in enumerate(np.linspace(-7, 7, 5)):
        center, heading = (x, rng.uniform(-2, 2), rng.uniform(1.5, 4)), rng.uniform(-20, 20)
        frame = rotation_from_angles(heading, rng.normal() * 2, rng.normal() * 2)
        for name, azimuth in (("n", 0.0), ("s", 180.0)):
            own = rotation_from_angles(azimuth) @ rotation_from_angles(0.0).T
            pose = pose_from_center(own @ frame, center)
            pixels, rows = pixels_of(camera, pose, xyz, NOISE_PX, rng)
            picture = Picture(f"{number}{name}", camera, pixels, frame=f"p{number}", cam_from_frame=own)
            taken.append(Shot(picture, pose, rows))
    # North and south show nothing in common: but for the frames they would be two scenes.
    found = reconstruct([shot.picture for shot in taken], matches(taken))
    assert [structure.pictures.tolist() for structure in found] == [list(range(10))]
    np.testing.assert_allclose(found[0].centers[::2], found[0].centers[1::2], atol=1e-9)
    for row in range(0, 10, 2):
        turn = found[0].rotations[row + 1] @ found[0].rotations[row].T
        truth = taken[row + 1].picture.cam_from_frame @ taken[row].picture.cam_from_frame.T
        assert rotation_error_deg(turn, truth) < 1e-4
    assert_right(found[0], taken, xyz)


def test_a_guessed_focal_length_is_solved_for_and_a_known_one_kept() -> None:
    taken, xyz = shots(10, count=8)
    guess = Camera.from_focal(USUAL.width, USUAL.height, 700.0)
    pictures = [
        Picture(shot.picture.name, guess if row % 2 else USUAL, shot.picture.keypoints, is_calibrated=row % 2 == 0)
        for row, shot in enumerate(taken)
    ]
    (found,) = reconstruct(pictures, matches(taken))
    assert len(found.pictures) == len(taken)
    for row, camera in zip(found.pictures, found.cameras, strict=True):
        if row % 2:
            assert camera.focal_px == pytest.approx(USUAL.focal_px, rel=0.02)
        else:
            assert camera == USUAL
    assert len({camera for row, camera in zip(found.pictures, found.cameras, strict=True) if row % 2}) == 1
    assert_right(found, taken, xyz, tolerance_m=0.15)
