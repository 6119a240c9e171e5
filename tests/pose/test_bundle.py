"""Frames, points and priors adjusted at once: checked against dense algebra, and against many surveys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.geometry.camera import Camera
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center, rotations_from_vectors
from geonav.pose.bundle import COMMON_SHARE, Bundle, BundleProblem, Scene, Sightings
from geonav.pose.priors import Priors
from geonav.pose.schur import GroupSums, PairSums, pairs_within
from tests.pose import surveys
from tests.pose.surveys import EXACT, Survey, Trust, columns, exact_priors, make_survey, noisy_priors, position_errors_m
from tests.pose.worlds import USUAL, facade_points

NUM_SURVEYS = 25
# So good that what a turn does to a growth, which no covariance holds, does not show.
FINE = Trust((0.05, 0.05, 0.05), 0.3, (0.3, 0.3))


def adjusted(survey: Survey, priors: Priors, start: Scene | None = None) -> Bundle:
    return BundleProblem(survey.sightings, priors).adjust(start or surveys.perturbed(survey.scene, survey.rng))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 5), max_size=12), st.integers(0, 2**32 - 1))
def test_sums_over_shared_points_are_those_of_dense_algebra(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    point = np.repeat(np.arange(len(sizes)), sizes)
    frame = rng.integers(0, 4, len(point))
    left, right = rng.normal(size=(2, len(point), 6, 3))
    to_frame = (frame[:, None] == np.arange(4)).astype(float)
    same = (point[:, None] == point).astype(float)
    dense = np.einsum("of,oik,op,pjk,pg->figj", to_frame, left, same, right, to_frame)
    np.testing.assert_allclose(PairSums(point, frame, 4).of(left, right), dense.reshape(24, 24), atol=1e-9)
    np.testing.assert_allclose(GroupSums(frame, 4).of(left), np.einsum("of,oik->fik", to_frame, left), atol=1e-9)
    found = sorted(zip(*(rows.tolist() for rows in pairs_within(point)), strict=True))
    assert found == sorted(zip(*(rows.tolist() for rows in np.nonzero(same)), strict=True))


def stacked(survey: Survey, priors: Priors, scene: Scene, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """All residuals in standard deviations, and their robust weights, without the bundle's own arithmetic."""
    see = survey.sightings
    inside = np.einsum("oij,oj->oi", scene.rotations[see.frame], scene.points[see.point] - scene.centers[see.frame])
    along = (inside * see.rays).sum(1, keepdims=True)
    seen = (inside / along - see.rays) / see.noise_rad[:, None] / np.sqrt(factor)  # in the plane across the ray
    heading = priors.heading_errors_rad(scene.rotations) * priors.heading_weights
    tilt = priors.tilt_errors_rad(scene.rotations)[0] * priors.tilt_weights
    position = priors.position_residuals(scene.centers, scene.offsets)
    parts = [seen, position, heading[:, None], tilt]
    # Cauchy for keypoints, and three standard deviations for sources.
    weights = [1 / (1 + (p**2).sum(1) / s) for p, s in zip(parts, (2 * 2.0**2, 9.0, 9.0, 9.0), strict=True)]
    # What the keypoints of a frame are off in common more of them do not average out.
    weights[0] /= 1 + COMMON_SHARE**2 * np.bincount(see.frame)[see.frame]
    offsets = scene.offsets / priors.offset_std_m
    residual = np.concatenate([*(part.ravel() for part in parts), offsets.ravel()])
    weight = [np.repeat(w, p.shape[1]) for w, p in zip(weights, parts, strict=True)]
    return residual, np.concatenate([*weight, np.ones(offsets.size)])


def dense_step(survey: Survey, priors: Priors, scene: Scene, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Covariance of frames and offsets, and how far these are from the minimum, with derivatives by differences."""
    frames, points, offsets = 6 * len(scene.centers), 3 * len(scene.points), 3 * len(scene.offsets)

    def residual(step: np.ndarray) -> np.ndarray:
        parts = np.split(step, [frames, frames + offsets])
        trial = scene.moved(parts[0].reshape(-1, 6), parts[2].reshape(-1, 3), parts[1].reshape(-1, 3))
        return stacked(survey, priors, trial, factor)[0]

    here, weights = stacked(survey, priors, scene, factor)
    rows = np.eye(frames + offsets + points) * 1e-6
    slope = np.stack([(residual(row) - residual(-row)) / 2e-6 for row in rows], axis=1)
    information = slope.T @ (slope * weights[:, None])
    covariance = np.linalg.inv(information)
    few = frames + offsets
    return covariance[:few, :few], -(covariance @ (slope.T @ (here * weights)))[:few]


@pytest.mark.parametrize("drives", [(), (0, 0, 1, 1)])
def test_the_covariance_is_the_inverse_of_all_normal_equations(drives: tuple[int, ...]) -> None:
    survey = make_survey(1, num_frames=4, num_points=25, noise_px=0.0)
    priors = columns(exact_priors(survey.scene, Trust(drives=drives)))
    start = surveys.with_drives(survey.scene, 2 if drives else 0)
    found = BundleProblem(survey.sightings, priors).adjust(start)
    dense, _ = dense_step(survey, priors, found.scene, found.variance_factor)
    # Seen in its own standard deviations, that of the best known directions too.
    white = np.linalg.inv(np.linalg.cholesky(dense))
    np.testing.assert_allclose(white @ found.covariance @ white.T, np.eye(len(dense)), atol=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_it_ends_at_the_minimum(seed: int) -> None:
    survey = make_survey(seed, num_frames=4, num_points=25)
    trust = Trust(drives=(0, 0, -1, 1))
    priors = columns(noisy_priors(survey.scene, trust, survey.rng))
    found = adjusted(survey, priors, surveys.perturbed(surveys.with_drives(survey.scene, 2), survey.rng))
    _, left = dense_step(survey, priors, found.scene, found.variance_factor)
    assert left @ np.linalg.solve(found.covariance, left) < 0.1 * len(left)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_exact_comes_back_from_a_rough_start(seed: int) -> None:
    survey = make_survey(seed, noise_px=0.0)
    found = adjusted(survey, columns(exact_priors(survey.scene, EXACT)))
    assert position_errors_m(found, survey.scene).max() < 2e-3
    assert surveys.turn_errors_deg(found, survey.scene).max() < 0.02
    assert np.median(np.linalg.norm(found.scene.points - survey.scene.points, axis=1)) < 0.01
    assert found.sigmas.max() < 1


def test_the_truth_without_noise_stays_where_it_is() -> None:
    survey = make_survey(2, noise_px=0.0)
    found = adjusted(survey, columns(exact_priors(survey.scene, Trust())), survey.scene)
    np.testing.assert_allclose(found.scene.centers, survey.scene.centers, atol=1e-6)
    np.testing.assert_allclose(found.scene.rotations, survey.scene.rotations, atol=1e-6)
    np.testing.assert_allclose(found.scene.points, survey.scene.points, atol=1e-4)


def off_in_common(survey: Survey, noise_rad: float) -> Survey:
    """The rays of each frame turned by what its keypoints are off in common."""
    see = survey.sightings
    turns = rotations_from_vectors(survey.rng.normal(size=(len(survey.scene.centers), 3)) * COMMON_SHARE * noise_rad)
    return replace(survey, sightings=replace(see, rays=np.einsum("oij,oj->oi", turns[see.frame], see.rays)))


def share_of_covariance(survey: Survey) -> float:
    """Squared errors over what the covariance promises, of sources as wrong as they say."""
    found = adjusted(survey, columns(noisy_priors(survey.scene, FINE, survey.rng)))
    error, size = surveys.errors(found, survey.scene), 6 * len(survey.scene.centers)
    return float(error @ np.linalg.solve(found.covariance[:size, :size], error) / size)


def test_the_covariance_is_as_large_as_the_errors_are() -> None:
    drawn = [make_survey(seed, num_frames=5, num_points=60, noise_px=1.0) for seed in range(NUM_SURVEYS)]
    share = [share_of_covariance(off_in_common(survey, 1.0 / USUAL.focal_px)) for survey in drawn]
    # What is in common is a turn here, which costs less than whatever it may be: the covariance is on the careful side.
    assert 0.4 < np.mean(share) < 1.2


def test_pictures_make_poses_much_better_than_their_sources() -> None:
    survey = make_survey(2)
    priors = columns(noisy_priors(survey.scene, Trust(), survey.rng))
    found = adjusted(survey, priors)
    # What all frames have in common no picture shows: it is taken away from both.
    apart, said = found.scene.centers - survey.scene.centers, priors.positions - survey.scene.centers
    assert np.linalg.norm(apart - apart.mean(0)) < 0.4 * np.linalg.norm(said - said.mean(0))


@pytest.mark.parametrize("seed", range(3))
def test_noisier_keypoints_than_promised_are_seen_to_be(seed: int) -> None:
    survey = make_survey(seed, num_points=200, noise_px=1.0)
    priors = columns(exact_priors(survey.scene, Trust()))
    honest = adjusted(survey, priors)
    see = survey.sightings
    boastful = adjusted(replace(survey, sightings=replace(see, noise_rad=see.noise_rad / 3)), priors)
    assert 0.5 < honest.variance_factor < 1.2
    assert 5 < boastful.variance_factor / honest.variance_factor < 10


@pytest.mark.parametrize("seed", range(3))
def test_what_a_drive_is_off_as_a_whole_is_found(seed: int) -> None:
    survey = make_survey(seed, num_frames=8)
    trust = Trust((0.1, 0.1, 0.1), 1.0, (1.0, 1.0), drives=(0, 0, 0, 0, 1, 1, -1, -1))
    offset = np.array([2.5, -1.5, 0.8])
    priors = [
        replace(prior, position_m=prior.position_m + (offset if prior.sequence == 0 else 0))
        for prior in noisy_priors(survey.scene, trust, survey.rng)
    ]
    # Those who stand where they say hold the rest. An offset is what takes a drive from where it says to the truth.
    found = adjusted(survey, columns(priors), surveys.with_drives(survey.scene, 2))
    size = 6 * len(priors)
    deviations = np.sqrt(np.diag(found.covariance)[size:]).reshape(-1, 3)
    np.testing.assert_array_less(np.abs(found.scene.offsets - [-offset, np.zeros(3)]), 4 * deviations)
    assert deviations.max() < 0.3
    np.testing.assert_allclose(found.scene.offsets[0], -offset, atol=0.5)


@pytest.mark.parametrize("seed", range(3))
def test_sources_that_are_grossly_wrong_hardly_move_anything(seed: int) -> None:
    survey = make_survey(seed, num_frames=8)
    trust = Trust((0.3, 0.3, 0.5), 1.0, (1.0, 1.0))
    honest = noisy_priors(survey.scene, trust, survey.rng)
    wrong = honest[:2]
    wrong[0] = replace(wrong[0], position_m=wrong[0].position_m + np.array([50.0, -20.0, 0.0]))
    wrong[1] = replace(wrong[1], rotation=wrong[1].rotation @ rotations_from_vectors([0, 0, np.pi / 2])[0])
    start = surveys.perturbed(survey.scene, survey.rng, 0.1, 0.2)
    with_wrong, without = (adjusted(survey, columns([*two, *honest[2:]]), start) for two in (wrong, honest[:2]))
    shift = np.linalg.norm(with_wrong.scene.centers - without.scene.centers, axis=1)
    assert shift.max() < 0.6  # one source fewer holds the frames, that is all
    assert position_errors_m(with_wrong, survey.scene).max() < position_errors_m(without, survey.scene).max() + 0.6
    assert surveys.turn_errors_deg(with_wrong, survey.scene).max() < 1.0


@pytest.mark.parametrize("seed", range(3))
def test_wrong_observations_are_found_and_leave_no_trace(seed: int) -> None:
    survey = make_survey(seed, num_points=150)
    see, rng = survey.sightings, survey.rng
    bad = rng.random(len(see.rays)) < 0.05
    rays = see.rays + np.where(bad[:, None], rng.normal(size=see.rays.shape) * 0.1, 0.0)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    priors = columns(exact_priors(survey.scene, Trust((0.1,) * 3, 0.5, (0.5, 0.5))))
    start = surveys.perturbed(survey.scene, rng, 0.1, 0.1)
    problem, scene, kept = BundleProblem(replace(see, rays=rays), priors).without_outliers(start, 6.0)
    assert kept[bad].mean() < 0.1
    assert kept[~bad].mean() > 0.85  # of a point that two saw, both go
    assert len(scene.points) == len(np.unique(see.point[kept])) == problem.sightings.point.max() + 1
    assert np.bincount(problem.sightings.point).min() >= 2
    np.testing.assert_array_equal(problem.sightings.rays, rays[kept])
    assert position_errors_m(problem.adjust(scene), survey.scene).max() < 0.1


def panoramas(seed: int, noise_px: float = 0.5) -> Survey:
    """Three frames of four views each, all around, that see points all around."""
    rng = np.random.default_rng(seed)
    camera = Camera.from_fov(640, 640, 100.0)
    south = facade_points(rng, 150) * [1, -1, 1]
    xyz = np.concatenate([facade_points(rng, 150), south])
    centers = np.array([[-5.0, 0.5, 2.0], [0.5, -1.0, 2.5], [5.0, 1.0, 3.0]])
    rotations = rotations_from_vectors(rng.normal(size=(3, 3)) * [0.05, 0.05, 2.0])
    cells: list[tuple[int, int, np.ndarray]] = []
    for frame, (rotation, center) in enumerate(zip(rotations, centers, strict=True)):
        for azimuth in (0.0, 90.0, 180.0, 270.0):  # they overlap by ten degrees: some points are seen by two
            own = rotation_from_angles(azimuth)
            pixels, rows = surveys.pixels_of(camera, pose_from_center(own @ rotation, center), xyz, noise_px, rng)
            cells += [(p, frame, ray) for p, ray in zip(rows, camera.rays_from_pixels(pixels) @ own, strict=True)]
    cells = [cell for cell in cells if len({f for p, f, _ in cells if p == cell[0]}) >= 2]
    cells.sort(key=lambda cell: cell[:2])
    used, point = np.unique([p for p, _, _ in cells], return_inverse=True)
    noise = np.full(len(cells), noise_px / camera.focal_px)
    see = Sightings(np.array([f for _, f, _ in cells]), point, np.array([ray for *_, ray in cells]), noise)
    return Survey(Scene(rotations, centers, xyz[used], np.zeros((0, 3))), see, rng)


def test_frames_that_look_all_around_are_adjusted_like_others() -> None:
    share = []
    for seed in range(8):
        survey = panoramas(seed)
        see = survey.sightings
        assert (np.bincount(see.point * 3 + see.frame) > 1).any()  # one frame, one point, two views
        share.append(share_of_covariance(off_in_common(survey, see.noise_rad[0])))
    assert 0.3 < np.mean(share) < 1.2


@pytest.mark.parametrize("last", [(0.0, 0.0, 10.0), (3.0, 4.0, 7.0), (10.0, -12.0, 3.3)])
def test_a_point_seen_only_by_two_views_of_one_panorama_harms_nothing(last: tuple[float, ...]) -> None:
    survey = panoramas(1)
    priors = columns(exact_priors(survey.scene, Trust((0.1,) * 3, 1.0, (1.0, 1.0))))
    before = adjusted(survey, priors, survey.scene)
    see, scene = survey.sightings, survey.scene
    ray = scene.rotations[0] @ (np.array(last) - scene.centers[0])
    rays = np.concatenate([see.rays, np.tile(ray / np.linalg.norm(ray), (2, 1))])
    more = Sightings(
        np.append(see.frame, [0, 0]),
        np.append(see.point, [len(scene.points)] * 2),
        rays,
        np.append(see.noise_rad, see.noise_rad[:2]),
    )
    longer = replace(scene, points=np.concatenate([scene.points, [last]]))
    after = adjusted(replace(survey, sightings=more), priors, longer)
    np.testing.assert_allclose(after.scene.centers, before.scene.centers, atol=0.01)
    deviations = np.sqrt(np.diag(after.covariance)) / np.sqrt(np.diag(before.covariance))
    np.testing.assert_allclose(deviations, 1.0, atol=0.1)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.booleans(), min_size=24, max_size=24))
def test_points_that_keep_one_observation_go_with_it(keep: list[bool]) -> None:
    rng = np.random.default_rng(0)
    point = np.repeat(np.arange(8), 3)
    see = Sightings(np.tile(np.arange(3), 8), point, rng.normal(size=(24, 3)), rng.random(24))
    found, used = see.select(np.array(keep))
    enough = [p for p in range(8) if sum(keep[3 * p : 3 * p + 3]) >= 2]
    assert used.tolist() == enough
    assert [enough[p] for p in found.point] == [
        p for p, k in zip(point.tolist(), keep, strict=True) if k and p in enough
    ]
