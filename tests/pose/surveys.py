"""Frames that saw the points of a street, and what sources say of them: everything known exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from geonav.geometry.camera import Camera
from geonav.geometry.pose import camera_center, rotations_from_vectors
from geonav.pose.bundle import Bundle, Scene, Sightings
from geonav.pose.priors import PosePrior, Priors
from tests.pose.worlds import USUAL, Plan, facade_points, reference_poses, seen

OFFSET_STD_M = 2.0


@dataclass(frozen=True)
class Survey:
    """The true scene, who saw which points, and where in the picture.

    Attributes:
        scene: as it truly is.
        sightings: with the noise of the keypoints.
        rng: for whatever a test adds.
    """

    scene: Scene
    sightings: Sightings
    rng: np.random.Generator


def make_survey(seed: int, num_frames: int = 6, num_points: int = 100, noise_px: float = 0.5) -> Survey:
    """A walk along the street; every point that two frames see is kept."""
    rng = np.random.default_rng(seed)
    # Not on one line, so that positions alone tell which way is up.
    places = [(x, rng.uniform(-4, 4), rng.uniform(1.5, 6.0)) for x in np.linspace(-12.0, 12.0, num_frames)]
    poses = np.array(reference_poses(Plan(centers_m=tuple(places)), rng))
    xyz = facade_points(rng, num_points)
    found = [seen(USUAL, pose, xyz) for pose in poses]
    inside = np.array([visible for _, visible in found])
    inside &= inside.sum(0) >= 2
    used = np.flatnonzero(inside.any(0))
    point, frame = np.nonzero(inside[:, used].T)
    pixels = np.array([found[f][0][used[p]] for p, f in zip(point, frame, strict=True)])
    pixels += rng.normal(0.0, noise_px, pixels.shape)
    noise = np.full(len(point), max(noise_px, 0.1) / USUAL.focal_px)
    sightings = Sightings(frame, point, USUAL.rays_from_pixels(pixels), noise)
    scene = Scene(poses[:, :3, :3], np.asarray(camera_center(poses)), xyz[used], np.zeros((0, 3)))
    return Survey(scene, sightings, rng)


@dataclass(frozen=True)
class Trust:
    """Standard deviations of what sources say; ``drives`` names each frame's sequence by number."""

    position_m: tuple[float, float, float] = (1.0, 1.0, 2.0)
    heading_deg: float = 3.0
    tilt_deg: tuple[float, float] = (2.0, 1.0)
    drives: tuple[int, ...] = ()


EXACT = Trust((1e-3,) * 3, 1e-2, (1e-2, 1e-2))


def exact_priors(scene: Scene, trust: Trust) -> list[PosePrior]:
    """Sources that are right, whatever they claim to be good for."""
    drives = trust.drives or (-1,) * len(scene.centers)
    return [
        PosePrior(center, np.array(trust.position_m), rotation, trust.heading_deg, trust.tilt_deg, drive)
        for center, rotation, drive in zip(scene.centers, scene.rotations, drives, strict=True)
    ]


def noisy_priors(scene: Scene, trust: Trust, rng: np.random.Generator) -> list[PosePrior]:
    """Sources that are as wrong as they claim to be."""
    found = []
    for prior in exact_priors(scene, trust):
        right = prior.rotation[0] * [1, 1, 0]
        right /= np.linalg.norm(right)
        forward = np.array([-right[1], right[0], 0.0])
        known = np.radians(
            np.where(np.isfinite([*trust.tilt_deg, trust.heading_deg]), [*trust.tilt_deg, trust.heading_deg], 0)
        )
        turn = rng.normal(size=3) * known @ np.stack([right, forward, [0, 0, 1]])
        off = rng.normal(size=3) * np.where(np.isfinite(trust.position_m), trust.position_m, 0)
        rotation = prior.rotation @ rotations_from_vectors(turn)[0].T
        found.append(replace(prior, position_m=prior.position_m + off, rotation=rotation))
    return found


def columns(priors: Sequence[PosePrior]) -> Priors:
    return Priors.of(priors, OFFSET_STD_M)


def perturbed(scene: Scene, rng: np.random.Generator, shift_m: float = 0.2, turn_deg: float = 0.5) -> Scene:
    """A start that is off."""
    sizes = np.repeat([np.radians(turn_deg), shift_m], 3)
    frames = rng.normal(size=(len(scene.centers), 6)) * sizes
    return scene.moved(frames, rng.normal(size=scene.points.shape) * shift_m, np.zeros_like(scene.offsets))


def with_drives(scene: Scene, count: int) -> Scene:
    """The same with offsets of zero."""
    return replace(scene, offsets=np.zeros((count, 3)))


def errors(found: Bundle, truth: Scene) -> np.ndarray:
    """(6F,) turn about the world's axes and shift, of each frame, that the result is off."""
    turned = np.swapaxes(found.scene.rotations, 1, 2) @ truth.rotations
    turns = np.stack(
        [turned[:, 2, 1] - turned[:, 1, 2], turned[:, 0, 2] - turned[:, 2, 0], turned[:, 1, 0] - turned[:, 0, 1]], 1
    )
    return np.concatenate([turns / 2, found.scene.centers - truth.centers], axis=1).ravel()


def position_errors_m(found: Bundle, truth: Scene) -> np.ndarray:
    return np.linalg.norm(found.scene.centers - truth.centers, axis=1)


def turn_errors_deg(found: Bundle, truth: Scene) -> np.ndarray:
    return np.degrees(np.linalg.norm(errors(found, truth).reshape(-1, 6)[:, :3], axis=1))


def pixels_of(
    camera: Camera, pose: np.ndarray, xyz: np.ndarray, noise_px: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Noisy keypoints (N, 2) of the points that lie in a picture, and the numbers (N,) of these."""
    pixels, visible = seen(camera, pose, xyz)
    rows = np.flatnonzero(visible)
    return pixels[rows] + rng.normal(0.0, noise_px, (len(rows), 2)), rows
