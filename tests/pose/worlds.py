"""A street of points, cameras that saw it, and matches with noise and outliers: everything known exactly."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from geonav.geometry.camera import Camera
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import camera_center, pose_from_center, rotation_error_deg, rotation_from_vector
from geonav.pose.solver import Query, Solution
from geonav.pose.tracks import View

USUAL = Camera("PINHOLE", 1024, 768, (800.0, 800.0, 512.0, 384.0))
EXACT = np.zeros(5)
NO_STD = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Plan:
    """How a world is made.

    Attributes:
        seed: of everything random.
        num_points: points on facades and in front of them.
        noise_px: of keypoints, of references and query alike.
        outliers: share of matches that point anywhere in the reference.
        match_probability: that a point seen by the query and a reference is matched.
        one_reference_each: every keypoint of the query is matched in one reference only.
        camera: of the query, as it truly is.
        believed: of the query, as the solver is told; the true one if None.
        centers_m: of the references; a walk along the street if None.
        position_std_m: the references' stored positions are off by this much, and say so.
        rotation_std_deg: the references' stored rotations are off by this much (heading, tilt), and say so.
    """

    seed: int = 0
    num_points: int = 250
    noise_px: float = 0.3
    outliers: float = 0.0
    match_probability: float = 0.7
    one_reference_each: bool = False
    camera: Camera = USUAL
    believed: Camera | None = None
    centers_m: tuple[tuple[float, float, float], ...] | None = None
    position_std_m: tuple[float, float, float] = NO_STD
    rotation_std_deg: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class World:
    """Points, the true pose of the query, what it shows and what the references saw.

    Attributes:
        plan: what it was made with.
        pose: the query's true ``E``.
        xyz: of the query's keypoints (N, 3), world metres.
        pixels: of the query's keypoints (N, 2), with noise.
        views: references as the solver is told of them.
        is_outlier: by view, which of its matches are wrong.
        rng: for whatever a test adds.
    """

    plan: Plan
    pose: np.ndarray
    xyz: np.ndarray
    pixels: np.ndarray
    views: list[View]
    is_outlier: list[np.ndarray]
    rng: np.random.Generator = field(repr=False)

    @property
    def center(self) -> np.ndarray:
        return camera_center(self.pose)

    def query(self, **changes: object) -> Query:
        """The query as the solver is told of it."""
        camera = self.plan.believed or self.plan.camera
        query = Query(camera, self.pixels, max(self.plan.noise_px, 0.1), EXACT)
        return replace(query, **changes)  # type: ignore[arg-type]

    def position_error_m(self, solution: Solution) -> float:
        return float(np.linalg.norm(camera_center(solution.pose) - self.center))

    def rotation_error_deg(self, solution: Solution) -> float:
        return rotation_error_deg(solution.pose[:3, :3], self.pose[:3, :3])


def facade_points(rng: np.random.Generator, count: int) -> np.ndarray:
    """Points (count, 3) on two facades north of the street with relief, and in front of them."""
    near, far, loose = count // 2, count // 4, count - count // 2 - count // 4
    return np.concatenate(
        [
            np.column_stack([rng.uniform(-18, 6, near), 15 + rng.uniform(-0.6, 0, near), rng.uniform(0, 11, near)]),
            np.column_stack([rng.uniform(6, 25, far), 26 + rng.uniform(-0.6, 0, far), rng.uniform(0, 16, far)]),
            np.column_stack([rng.uniform(-14, 16, loose), rng.uniform(7, 14, loose), rng.uniform(0, 5, loose)]),
        ]
    )


def seen(camera: Camera, pose: np.ndarray, xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 2) of points, and which of them lie within the picture; strong lenses fold what is far outside."""
    local = xyz @ pose[:3, :3].T + pose[:3, 3]
    pixels = camera.pixels_from_points(local)
    with np.errstate(invalid="ignore"):
        inside = (pixels > 0).all(1) & (pixels < [camera.width, camera.height]).all(1) & (local[:, 2] > 0.5)
    rays = camera.rays_from_pixels(np.where(inside[:, None], pixels, 1.0))
    unfolded = np.linalg.norm(rays - local / np.linalg.norm(local, axis=1, keepdims=True), axis=1) < 1e-6
    return pixels, inside & unfolded


def reference_poses(plan: Plan, rng: np.random.Generator) -> list[np.ndarray]:
    centers = np.array(plan.centers_m or [(x, rng.uniform(-1, 1), 2.2) for x in (-9.0, -5.0, -1.0, 3.0, 7.0)])
    azimuths = -1.2 * centers[:, 0] + rng.uniform(-12, 12, len(centers))
    return [
        pose_from_center(rotation_from_angles(azimuth, rng.uniform(0, 8), rng.uniform(-2, 2)), center)
        for azimuth, center in zip(azimuths, centers, strict=True)
    ]


def as_stored(pose: np.ndarray, plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """A reference's pose as the database has it: off by what it says it may be off."""
    heading, tilt = np.radians(plan.rotation_std_deg)
    turn = rotation_from_vector(rng.normal(size=3) * [tilt, tilt, heading])  # about east, north, up
    center = camera_center(pose) + rng.normal(size=3) * plan.position_std_m
    return pose_from_center(pose[:3, :3] @ turn.T, center)


def make_world(plan: Plan) -> World:
    """Make the world of a plan."""
    rng = np.random.default_rng(plan.seed)
    center = [rng.uniform(-4, 4), rng.uniform(-4, 1), rng.uniform(1.4, 1.9)]
    rotation = rotation_from_angles(rng.uniform(-10, 10), rng.uniform(0, 8), rng.uniform(-4, 4))
    pose = pose_from_center(rotation, center)
    xyz = facade_points(rng, plan.num_points)
    pixels, visible = seen(plan.camera, pose, xyz)
    xyz, pixels = xyz[visible], pixels[visible] + rng.normal(0, plan.noise_px, (visible.sum(), 2))
    references = reference_poses(plan, rng)
    owner = rng.integers(0, len(references), len(xyz))
    views, wrong = [], []
    for index, true_pose in enumerate(references):
        in_reference, matched = seen(USUAL, true_pose, xyz)
        matched &= rng.random(len(xyz)) < plan.match_probability
        if plan.one_reference_each:
            matched &= owner == index
        keypoint = np.flatnonzero(matched)
        noisy = in_reference[keypoint] + rng.normal(0, plan.noise_px, (len(keypoint), 2))
        outlier = rng.random(len(keypoint)) < plan.outliers
        noisy[outlier] = rng.uniform([0, 0], [USUAL.width, USUAL.height], (outlier.sum(), 2))
        stored = as_stored(true_pose, plan, rng)
        noise = max(plan.noise_px, 0.1)
        views.append(
            View(f"r{index}", USUAL, stored, noisy, keypoint, noise, plan.position_std_m, plan.rotation_std_deg)
        )
        wrong.append(outlier)
    return World(plan, pose, xyz, pixels, views, wrong, rng)
