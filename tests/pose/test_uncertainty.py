"""The covariance says how wrong a pose is: checked against derivatives, and against many worlds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from geonav.geometry.camera import Camera
from geonav.geometry.orientation import angles_from_rotation, rotation_from_angles
from geonav.geometry.pose import camera_center, pose_from_center, rotation_from_vector
from geonav.pose.adjustment import Adjusted, adjust
from geonav.pose.residuals import QueryView
from geonav.pose.solver import Query, Solution, SolveOptions, solve
from geonav.pose.tracks import View, build_tracks
from geonav.pose.uncertainty import PoseCovariance, ellipse_95, pose_covariance
from tests.pose.worlds import USUAL, Plan, World, make_world

NUM_WORLDS = 60


def exact_world() -> World:
    return make_world(Plan(seed=11, num_points=70, noise_px=0.0))


def solved(world: World, views: list[View], camera: Camera = USUAL) -> Adjusted:
    start = QueryView(
        rotation=world.pose[:3, :3],
        center=world.center,
        pixels=world.pixels,
        rays=camera.rays_from_pixels(world.pixels),
        noise_px=0.1,
        intrinsics=np.array([camera.focal_px, *camera.principal_point_px, 0.0, 0.0]),
    )
    return adjust(build_tracks(views), start, max_iterations=50, tolerance=1e-13)


def difference(ahead: Adjusted, behind: Adjusted) -> np.ndarray:
    """Rotation vector in camera axes, and shift of the centre."""
    delta = ahead.query.rotation @ behind.query.rotation.T
    vector = np.array([delta[2, 1] - delta[1, 2], delta[0, 2] - delta[2, 0], delta[1, 0] - delta[0, 1]]) / 2
    return np.concatenate([vector, ahead.query.center - behind.query.center])


def with_view(world: World, index: int, pose: np.ndarray) -> list[View]:
    return [replace(view, pose=pose) if i == index else view for i, view in enumerate(world.views)]


def slope(world: World, index: int, change: Callable[[np.ndarray, float], np.ndarray], step: float) -> np.ndarray:
    pose = world.views[index].pose
    ends = [solved(world, with_view(world, index, change(pose, sign * step))) for sign in (1.0, -1.0)]
    by_step: np.ndarray = difference(*ends) / (2 * step)
    return by_step


def added(world: World, views: list[View], intrinsics_std: np.ndarray | None = None) -> np.ndarray:
    """What the declared errors add to the covariance of the pose."""
    tracks, adjusted = build_tracks(world.views), solved(world, world.views)
    declared = pose_covariance(tracks, views, adjusted, intrinsics_std).matrix
    return declared - pose_covariance(tracks, world.views, adjusted, None).matrix


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(found / scale, expected / scale, atol=0.02)


@pytest.mark.parametrize("index", [0, 2, 4])
@pytest.mark.parametrize("axis", range(3))
def test_errors_of_a_reference_position_carry_over(index: int, axis: int) -> None:
    world = exact_world()

    def shifted(pose: np.ndarray, step: float) -> np.ndarray:
        return pose_from_center(pose[:3, :3], camera_center(pose) + step * np.eye(3)[axis])

    std = tuple(0.2 * np.eye(3)[axis])
    views = [replace(v, position_std_m=std) if i == index else v for i, v in enumerate(world.views)]
    numeric = slope(world, index, shifted, 1e-4)
    assert_same(added(world, views), 0.2**2 * np.outer(numeric, numeric))


@pytest.mark.parametrize("index", [0, 2, 4])
def test_errors_of_a_reference_calibration_carry_over(index: int) -> None:
    """A picture that is larger than its calibration says."""
    world = exact_world()

    def grown(step: float) -> list[View]:
        view = world.views[index]
        centre = np.array([USUAL.width / 2, USUAL.height / 2])
        larger = replace(view, pixels=centre + (1 + step) * (view.pixels - centre))
        return [larger if i == index else other for i, other in enumerate(world.views)]

    step = 1e-6
    numeric = difference(solved(world, grown(step)), solved(world, grown(-step))) / (2 * step)
    views = [replace(v, scale_std=0.002) if i == index else v for i, v in enumerate(world.views)]
    assert_same(added(world, views), 0.002**2 * np.outer(numeric, numeric))


@pytest.mark.parametrize("index", [0, 2, 4])
@pytest.mark.parametrize(("axes", "std"), [((2,), (0.5, 0.0)), ((0, 1), (0.0, 0.5))], ids=["heading", "tilt"])
def test_errors_of_a_reference_rotation_carry_over(index: int, axes: tuple[int, ...], std: tuple[float, float]) -> None:
    world = exact_world()
    expected = np.zeros((6, 6))
    for axis in axes:

        def turned(pose: np.ndarray, step: float, axis: int = axis) -> np.ndarray:
            turn = rotation_from_vector(step * np.eye(3)[axis])
            return pose_from_center(pose[:3, :3] @ turn.T, camera_center(pose))

        numeric = slope(world, index, turned, 1e-5)
        expected += np.radians(0.5) ** 2 * np.outer(numeric, numeric)
    views = [replace(v, rotation_std_deg=std) if i == index else v for i, v in enumerate(world.views)]
    assert_same(added(world, views), expected)


@pytest.mark.parametrize("parameter", range(3), ids=["focal", "cx", "cy"])
def test_errors_of_a_fixed_calibration_carry_over(parameter: int) -> None:
    world = exact_world()
    ends = []
    for sign in (1.0, -1.0):
        focal, cx, cy = np.array([800.0, 512.0, 384.0]) + sign * 0.01 * np.eye(3)[parameter]
        ends.append(solved(world, world.views, Camera("PINHOLE", 1024, 768, (focal, focal, cx, cy))))
    numeric = difference(*ends) / 0.02
    std = 3.0 * np.eye(3)[parameter]
    assert_same(added(world, world.views, std), 9.0 * np.outer(numeric, numeric))


def test_noise_carries_over_by_its_square() -> None:
    worlds = [make_world(Plan(seed=12, noise_px=noise)) for noise in (0.2, 0.4)]
    small, large = (solve(w.query(), w.views, SolveOptions()) for w in worlds)
    assert small is not None
    assert large is not None
    ratio = np.sqrt(np.diag(large.covariance.matrix) / np.diag(small.covariance.matrix))
    np.testing.assert_allclose(ratio, 2.0, rtol=0.1)


def test_noise_that_was_understated_is_seen_in_the_residuals() -> None:
    world = make_world(Plan(seed=12, noise_px=0.6))
    honest = solve(world.query(), world.views, SolveOptions())
    views = [replace(view, noise_px=0.3) for view in world.views]
    understated = solve(world.query(noise_px=0.3), views, SolveOptions())
    assert honest is not None
    assert understated is not None
    ratio = np.sqrt(np.diag(understated.covariance.matrix) / np.diag(honest.covariance.matrix))
    np.testing.assert_allclose(ratio, 1.0, atol=0.25)


def test_ellipse_of_a_known_covariance() -> None:
    turn = np.array(
        [[np.sin(np.radians(30)), np.cos(np.radians(30))], [np.cos(np.radians(30)), -np.sin(np.radians(30))]]
    )
    covariance = turn.T @ np.diag([4.0, 0.25]) @ turn  # 2 m along azimuth 30, half a metre across
    major, minor, azimuth = ellipse_95(covariance)
    assert major == pytest.approx(2.0 * 2.4477, rel=1e-3)
    assert minor == pytest.approx(0.5 * 2.4477, rel=1e-3)
    assert azimuth == pytest.approx(30.0)
    assert ellipse_95(np.diag([1.0, 4.0]))[2] % 180 == pytest.approx(0.0)  # north
    assert ellipse_95(np.diag([4.0, 1.0]))[2] == pytest.approx(90.0)  # east


def test_ellipse_holds_95_percent() -> None:
    covariance = np.array([[2.0, 0.7], [0.7, 0.5]])
    major, minor, azimuth_deg = ellipse_95(covariance)
    points = np.random.default_rng(0).multivariate_normal([0, 0], covariance, 20_000)
    ahead = np.array([np.sin(np.radians(azimuth_deg)), np.cos(np.radians(azimuth_deg))])
    across = np.array([-ahead[1], ahead[0]])
    inside = (points @ ahead / major) ** 2 + (points @ across / minor) ** 2 < 1
    assert inside.mean() == pytest.approx(0.95, abs=0.006)


@pytest.mark.parametrize("azimuth", [0.0, 90.0, 359.9999])
def test_spread_of_the_azimuth(azimuth: float) -> None:
    rotation = rotation_from_angles(azimuth, 0.0, 0.0)
    about = np.diag([1e-8, 4e-4, 9e-4, 0, 0, 0])  # about the camera's right, down and forward axes
    assert PoseCovariance(about, rotation).azimuth_std_deg() == pytest.approx(np.degrees(0.02), rel=1e-3)
    rolled = rotation_from_angles(azimuth, 0.0, 90.0)  # its right axis is upright
    assert PoseCovariance(about, rolled).azimuth_std_deg() == pytest.approx(np.degrees(1e-4), rel=1e-3)
    # Looking up, the same turn of the camera turns the heading more.
    steep = PoseCovariance(np.diag([0, 4e-4, 0, 0, 0, 0]), rotation_from_angles(azimuth, 60.0, 0.0))
    assert steep.azimuth_std_deg() == pytest.approx(2 * np.degrees(0.02), rel=1e-3)


def exact_query(world: World, _rng: np.random.Generator) -> Query:
    return world.query()


def calibrated(std: np.ndarray, *, free: bool) -> Callable[[World, np.random.Generator], Query]:
    """A query whose believed calibration is off by as much as it says."""

    def query(world: World, rng: np.random.Generator) -> Query:
        error = rng.normal(size=3) * std[:3]
        focal, (cx, cy) = world.plan.camera.focal_lengths_px[0], world.plan.camera.principal_point_px
        believed = Camera("PINHOLE", 1024, 768, (focal + error[0], focal + error[0], cx + error[1], cy + error[2]))
        return world.query(camera=believed, intrinsics_std=std, intrinsics_free=free)

    return query


def placed(world: World, rng: np.random.Generator) -> Query:
    """A query that knows its position to a few centimetres."""
    std = np.array([0.02, 0.03, 0.02])
    return world.query(position_prior=(world.center + rng.normal(size=3) * std, std))


def uncalibrated_plan(seed: int) -> Plan:
    rng = np.random.default_rng(seed)
    aspect, k1 = rng.normal(size=2) * [2e-3, 3e-2]
    lens = Camera("OPENCV", 1024, 768, (800, 800 * (1 + aspect), 512, 384, k1, 0, 0, 0))
    return Plan(seed=seed, num_points=90, camera=lens)


def heading_error_deg(solution: Solution, world: World) -> float:
    apart = angles_from_rotation(solution.pose[:3, :3])[0] - angles_from_rotation(world.pose[:3, :3])[0]
    return (apart + 180) % 360 - 180


CASES: dict[str, tuple[Callable[[int], Plan], Callable[[World, np.random.Generator], Query]]] = {
    "keypoints": (lambda seed: Plan(seed=seed, num_points=90), exact_query),
    "outliers": (lambda seed: Plan(seed=seed, num_points=90, outliers=0.3), exact_query),
    "references": (
        lambda seed: Plan(
            seed=seed, num_points=80, position_std_m=(0.08, 0.08, 0.04), rotation_std_deg=(0.15, 0.05), noise_px=0.5
        ),
        exact_query,
    ),
    "fixed calibration": (
        lambda seed: Plan(seed=seed, num_points=90),
        calibrated(np.array([8.0, 5.0, 5.0, 0.0, 0.0]), free=False),
    ),
    "free calibration": (uncalibrated_plan, calibrated(np.array([30.0, 10.0, 10.0, 2e-3, 3e-2]), free=True)),
    "position prior": (lambda seed: Plan(seed=seed, num_points=90, noise_px=1.5), placed),
}


@pytest.mark.parametrize("case", CASES)
def test_the_truth_lies_in_the_ellipse_as_often_as_it_says(case: str) -> None:
    plan_of, query_of = CASES[case]
    horizontal, spatial, heading = [], [], []
    for seed in range(500, 500 + NUM_WORLDS):
        world = make_world(plan_of(seed))
        solution = solve(query_of(world, np.random.default_rng(seed)), world.views, SolveOptions())
        assert solution is not None
        error, covariance = camera_center(solution.pose) - world.center, solution.covariance
        horizontal.append(error[:2] @ np.linalg.solve(covariance.position[:2, :2], error[:2]))
        spatial.append(error @ np.linalg.solve(covariance.position, error) / 3)
        heading.append((heading_error_deg(solution, world) / covariance.azimuth_std_deg()) ** 2)
    assert 0.85 <= np.mean(np.array(horizontal) < 5.991) <= 1.0
    assert 0.5 < np.mean(horizontal) / 2 < 2.0
    assert 0.5 < np.mean(spatial) < 2.0
    assert 0.5 < np.mean(heading) < 2.0


@pytest.mark.parametrize("seed", [515, 582])
def test_one_wrong_match_does_not_pin_the_pose(seed: int) -> None:
    world = make_world(Plan(seed=seed, num_points=120, outliers=0.3))
    solution = solve(world.query(), world.views, SolveOptions())
    assert solution is not None
    error = camera_center(solution.pose) - world.center
    assert error @ np.linalg.solve(solution.covariance.position, error) < 16.3  # 99.9 % of chi-square with 3
