"""Bundle adjustment with priors on position, heading and gravity: frames, points and the drives' offsets at once.

A frame is what moves as one: a camera, or all views cut from one panorama, which share a centre and whose relative
rotations are fixed. Observations are rays in the frame's axes, so that any calibrated camera will do. Points are
eliminated by the Schur complement (Triggs et al., "Bundle Adjustment - A Modern Synthesis", 2000); its inverse is the
joint covariance of all frames, which tells what they have in common from what each has of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.pose import rotations_from_vectors
from geonav.pose.priors import Priors, PriorTerms, prior_terms
from geonav.pose.residuals import CAUCHY_SIGMA
from geonav.pose.schur import GroupSums, PairSums
from geonav.pose.tracks import Ints, tangent_bases

Array = NDArray[np.float64]
_BEHIND = 1e3
_MAX_ITERATIONS = 50
# What the keypoints of one picture are off in common, as a share of what each is off alone: 0.13 of 0.3 pixels, the
# median on rendered streets with exact poses. However many there are, they count as 1 / share^2 independent ones.
COMMON_SHARE = 0.4
# An adjustment ends where a step gains less than this share of the cost: robust weights make it crawl at the end, by
# far less than the poses are certain to. How noisy the keypoints are shows earlier.
_ENOUGH = 1e-5
_ROUGHLY_ENOUGH = 1e-3


@dataclass(frozen=True)
class Sightings:
    """What the frames saw: O observations of P points, sorted by point.

    Attributes:
        frame: (O,) number of the frame.
        point: (O,) number of the point, rising.
        rays: (O, 3) unit directions in the frame's axes.
        noise_rad: (O,) standard deviation of each ray.
    """

    frame: Ints
    point: Ints
    rays: Array
    noise_rad: Array

    def is_held(self, keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether the point of each observation (O,) is seen from two frames or more among those that are kept."""
        seen = np.unique(np.stack([self.point[keep], self.frame[keep]]), axis=1)[0]
        held: NDArray[np.bool_] = (np.bincount(seen, minlength=int(self.point.max(initial=-1)) + 1) >= 2)[self.point]
        return held

    def select(self, keep: NDArray[np.bool_]) -> tuple[Sightings, Ints]:
        """Only some observations (O,), and the numbers that the points which two frames still see had."""
        keep = keep & self.is_held(keep)
        used, point = np.unique(self.point[keep], return_inverse=True)
        return Sightings(self.frame[keep], point, self.rays[keep], self.noise_rad[keep]), used


@dataclass(frozen=True)
class Scene:
    """The state that is adjusted.

    Attributes:
        rotations: frame_from_world (F, 3, 3).
        centers: (F, 3) world metres.
        points: (P, 3) world metres.
        offsets: (Q, 3) metres: what is to be added to the positions that the sources of each drive say.
    """

    rotations: Array
    centers: Array
    points: Array
    offsets: Array

    def moved(self, frames: Array, points: Array, offsets: Array) -> Scene:
        """The scene after a step: (F, 6) turn about the world's axes and shift, (P, 3), (Q, 3)."""
        turned = self.rotations @ np.swapaxes(rotations_from_vectors(frames[:, :3]), 1, 2)
        return Scene(turned, self.centers + frames[:, 3:], self.points + points, self.offsets + offsets)


@dataclass(frozen=True)
class Bundle:
    """An adjusted scene.

    Attributes:
        scene: as adjusted.
        sigmas: (O,) length of each observation's residual in standard deviations.
        covariance: (6F + 3Q, 6F + 3Q) of all frames (turn about east, north, up in radians, then shift in metres) and
            offsets, jointly.
        variance_factor: squared residuals over what the noise promises; the covariance has it in.
    """

    scene: Scene
    sigmas: Array
    covariance: Array
    variance_factor: float


@dataclass(frozen=True)
class _Normal:
    """Normal equations at one state."""

    cost: float
    frames: Array  # (F, 6, 6)
    frame_gradient: Array  # (F, 6)
    points: Array  # (P, 3, 3)
    point_gradient: Array  # (P, 3)
    coupling: Array  # (O, 6, 3)
    priors: PriorTerms
    sigmas: Array


class BundleProblem:
    """The observations and priors of one part of the world."""

    def __init__(self, sightings: Sightings, priors: Priors) -> None:
        """Sort out once which pairs of observations share a point."""
        self.sightings = sightings
        self.priors = priors
        self._bases = tangent_bases(sightings.rays)
        self._num_points = int(sightings.point.max(initial=-1)) + 1
        seen = np.bincount(sightings.frame, minlength=len(priors.positions))
        self._shared = 1.0 + COMMON_SHARE**2 * seen[sightings.frame]
        self._by_frame = GroupSums(sightings.frame, len(priors.positions))
        self._by_point = GroupSums(sightings.point, self._num_points)
        self._pairs = PairSums(sightings.point, sightings.frame, len(priors.positions))

    def _project(self, scene: Scene) -> tuple[Array, Array, Array]:
        """Residuals (O, 2), their derivatives (O, 2, 3) by the vectors (O, 3) from centre to point, and these."""
        see = self.sightings
        outside = scene.points[see.point] - scene.centers[see.frame]
        rotations = scene.rotations[see.frame]
        inside = (rotations @ outside[:, :, None])[:, :, 0]
        along = (inside * see.rays).sum(1)
        safe = np.where(np.abs(along) < 1e-9, 1e-9, along)
        flat = (inside[:, None] @ self._bases)[:, 0] / safe[:, None]
        residual = flat / see.noise_rad[:, None]
        slope = np.swapaxes(self._bases, 1, 2) - flat[:, :, None] * see.rays[:, None]
        slope /= (safe * see.noise_rad)[:, None, None]
        residual[along <= 0] = _BEHIND
        return residual, slope @ rotations, outside

    def _normal(self, scene: Scene, factor: float) -> _Normal:
        residual, slope, outside = self._project(scene)
        square = (residual**2).sum(1) / factor
        weight = 1.0 / (1.0 + square / (2 * CAUCHY_SIGMA**2)) / (factor * self._shared)
        cost = 2 * CAUCHY_SIGMA**2 * (np.log1p(square / (2 * CAUCHY_SIGMA**2)) / self._shared).sum()
        by_frame = np.concatenate([np.cross(slope, outside[:, None]), -slope], axis=2)  # a turn d: slope (v x d)
        weighted = slope * weight[:, None, None]
        back = np.swapaxes(by_frame, 1, 2)
        pull = (residual * weight[:, None])[:, :, None]
        terms = prior_terms(self.priors, scene.rotations, scene.centers, scene.offsets)
        return _Normal(
            cost=float(cost) + terms.cost,
            frames=self._by_frame.of((back * weight[:, None, None]) @ by_frame) + terms.information,
            frame_gradient=self._by_frame.of((back @ pull)[:, :, 0]) + terms.gradient,
            points=self._by_point.of(np.swapaxes(weighted, 1, 2) @ slope),
            point_gradient=self._by_point.of((np.swapaxes(slope, 1, 2) @ pull)[:, :, 0]),
            coupling=back @ weighted,
            priors=terms,
            sigmas=np.sqrt((residual**2).sum(1)),
        )

    def _reduced(self, normal: _Normal, damping: float) -> tuple[Array, Array, Array]:
        """Schur complement (D, D) and gradient (D,) of frames and offsets, and the points' inverses (P, 3, 3)."""
        see, count = self.sightings, len(normal.frames)
        damped = normal.points.copy()
        damped[:, range(3), range(3)] *= 1.0 + damping
        damped[:, range(3), range(3)] += 1e-12
        inverse = np.linalg.inv(damped)
        carried = normal.coupling @ inverse[see.point]
        num_offsets = len(normal.priors.offset_information)
        size = 6 * count + 3 * num_offsets
        schur = np.zeros((size, size))
        schur[: 6 * count, : 6 * count] = -self._pairs.of(carried, normal.coupling)
        right = np.zeros(size)
        pulled = (carried @ normal.point_gradient[see.point][:, :, None])[:, :, 0]
        right[: 6 * count] = (normal.frame_gradient - self._by_frame.of(pulled)).ravel()
        for frame in range(count):
            at = slice(6 * frame, 6 * frame + 6)
            schur[at, at] += normal.frames[frame]
            drive = int(self.priors.sequences[frame])
            if drive >= 0:
                rows, columns = 6 * frame + np.arange(3, 6), 6 * count + 3 * drive + np.arange(3)
                schur[rows, columns] = schur[columns, rows] = normal.priors.by_offset[frame]
        ends = np.arange(6 * count, size)
        schur[ends, ends] += normal.priors.offset_information.ravel()
        right[6 * count :] = normal.priors.offset_gradient.ravel()
        return schur, right, np.asarray(inverse, np.float64)

    def _step(self, normal: _Normal, damping: float) -> tuple[Array, Array, Array, float]:
        """Step of frames, points and offsets, and how far off the minimum is in standard deviations, squared."""
        see, count = self.sightings, len(normal.frames)
        schur, right, inverse = self._reduced(normal, damping)
        scale = np.sqrt(np.maximum(np.diag(schur), 1e-12))
        scaled, pull = schur / np.outer(scale, scale), right / scale
        step = -np.linalg.solve(scaled + (damping + 1e-10) * np.eye(len(scale)), pull) / scale
        frames = step[: 6 * count].reshape(-1, 6)
        back = (frames[see.frame][:, None] @ normal.coupling)[:, 0]
        points = -(inverse @ (normal.point_gradient + self._by_point.of(back))[:, :, None])[:, :, 0]
        return frames, points, step[6 * count :].reshape(-1, 3), float(-step @ right)

    def solve(self, scene: Scene, enough: float = _ENOUGH, factor: float = 1.0) -> tuple[Scene, _Normal]:
        """Minimise the robust sum of all residuals by Levenberg-Marquardt."""
        normal, damping = self._normal(scene, factor), 1e-4
        for _ in range(_MAX_ITERATIONS):
            frames, points, offsets, left = self._step(normal, damping)
            trial = scene.moved(frames, points, offsets)
            tried = self._normal(trial, factor)
            if tried.cost < normal.cost:
                gained, scene, normal, damping = normal.cost - tried.cost, trial, tried, max(damping / 10, 1e-9)
                if left < enough or gained < enough * normal.cost:
                    break
            else:
                damping *= 10
                if damping > 1e6:
                    break
        return scene, normal

    def adjust(self, scene: Scene) -> Bundle:
        """See how noisy the keypoints really are, solve with that, and how certain it is."""
        scene, normal = self.solve(scene, _ROUGHLY_ENOUGH)
        factor = self._variance_factor(normal.sigmas)
        scene, normal = self.solve(scene, factor=factor)
        schur, _, _ = self._reduced(normal, 0.0)
        scale = np.sqrt(np.maximum(np.diag(schur), 1e-12))
        covariance = np.linalg.pinv(schur / np.outer(scale, scale), hermitian=True) / np.outer(scale, scale)
        return Bundle(scene, normal.sigmas, covariance, factor)

    def without_outliers(self, scene: Scene, gate_sigma: float) -> tuple[BundleProblem, Scene, NDArray[np.bool_]]:
        """The problem and scene without the observations that an adjustment cannot bring near their points.

        Returns also which observations (O,) are left.
        """
        scene, normal = self.solve(scene, _ROUGHLY_ENOUGH)
        keep = normal.sigmas < gate_sigma * np.sqrt(self._variance_factor(normal.sigmas))
        keep &= self.sightings.is_held(keep)
        kept, used = self.sightings.select(keep)
        return BundleProblem(kept, self.priors), replace(scene, points=scene.points[used]), keep

    def _variance_factor(self, sigmas: Array) -> float:
        """Robust: the median of chi-square with two degrees of freedom is 1.386."""
        count = 2 * len(sigmas)
        freedom = max(count - 3 * self._num_points - 6 * len(self.priors.positions), count / 20, 1)
        return max(float(np.median(sigmas**2)) / 1.386 * count / freedom, 0.05) if count else 1.0
