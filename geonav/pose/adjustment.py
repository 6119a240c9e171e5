"""Joint least squares over the query's pose, its intrinsics and all tracks, references held fixed.

Every track is a free point, so each match weighs exactly what it knows: a point seen from two sides
pins the query like a surveyed landmark, a point seen by one reference alone still ties the query to
an epipolar plane, and a far point steers the rotation. Points are anchored at a reference ray with an
inverse depth, which stays well conditioned out to infinity (Civera et al., "Inverse Depth
Parametrization for Monocular SLAM", 2008), and are eliminated by the Schur complement.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.pose import rotation_from_vector
from geonav.pose.tracks import Tracks, tangent_bases

Array = NDArray[np.float64]
_CAUCHY_SIGMA = 2.0  # residuals beyond twice the noise lose weight as 1 / (1 + (r / 2 sigma)^2)


@dataclass(frozen=True)
class QueryView:
    """What is known and sought of the query.

    Attributes:
        rotation: camera_from_world (3, 3).
        center: world metres (3,).
        pixels: keypoints (N, 2) of the upright photo.
        rays: unit rays (N, 3) of the keypoints in the camera frame, used while the intrinsics are fixed.
        noise_px: standard deviation of the keypoints in its pixels.
        intrinsics: focal length and principal point (3,) in pixels; used while they are free.
        intrinsics_std: standard deviations (3,) of what is known of them; None holds them fixed.
        intrinsics_prior: the values (3,) that those standard deviations are about.
        position_prior: where the centre is expected (3,), and its standard deviations (3,), metres.
    """

    rotation: Array
    center: Array
    pixels: Array
    rays: Array
    noise_px: float
    intrinsics: Array
    intrinsics_std: Array | None = None
    intrinsics_prior: Array | None = None
    position_prior: tuple[Array, Array] | None = None

    @property
    def num_parameters(self) -> int:
        """Six for the pose, three more while the intrinsics are free."""
        return 6 if self.intrinsics_std is None else 9

    def moved(self, step: Array) -> QueryView:
        """The view after a step: rotation vector (camera axes), centre, then intrinsics."""
        view = replace(
            self,
            rotation=rotation_from_vector(step[:3]) @ self.rotation,
            center=self.center + step[3:6],
        )
        return view if self.intrinsics_std is None else replace(view, intrinsics=self.intrinsics + step[6:9])


@dataclass(frozen=True)
class Structure:
    """Points of the tracks: offsets on the anchor's tangent plane and inverse depth, (T, 3)."""

    anchor: NDArray[np.int64]
    values: Array

    def directions(self, tracks: Tracks) -> Array:
        """Direction (T, 3) of each point from its anchor's centre."""
        offset = tracks.bases[self.anchor] @ self.values[:, :2, None]
        return tracks.rays[self.anchor] + offset[:, :, 0]

    def seen_from(self, tracks: Tracks, center: Array) -> Array:
        """Vectors (T, 3) towards the points from a centre (3,) or (T, 3), scaled by inverse depth."""
        shift = tracks.centers[self.anchor] - center
        return self.directions(tracks) + self.values[:, 2:] * shift

    def depths_m(self) -> Array:
        """Distance (T,) from the anchor's centre; infinite where the inverse depth is not positive."""
        with np.errstate(divide="ignore"):
            return np.where(self.values[:, 2] > 1e-9, 1.0 / self.values[:, 2], np.inf)


@dataclass(frozen=True)
class Adjusted:
    """The solution and what it leaves.

    Attributes:
        query: the query as adjusted.
        structure: the points as adjusted.
        reference_residuals: (O, 2) in standard deviations of the observation.
        query_residuals: (T, 2) in standard deviations of the query's keypoints.
        information: Schur complement (P, P) of the query's parameters, in units of the noise.
    """

    query: QueryView
    structure: Structure
    reference_residuals: Array
    query_residuals: Array
    information: Array


def initial_structure(tracks: Tracks, query: QueryView) -> Structure:
    """Anchor each track at its first observation, with the inverse depth its rays agree on best."""
    anchor = np.concatenate([[0], np.cumsum(tracks.views_per_track())])[:-1]
    world_rays = query.rays[tracks.keypoint] @ query.rotation
    rho_num, rho_den = np.zeros(tracks.num_tracks), np.zeros(tracks.num_tracks)
    # With y = ray_a + rho * (c_a - c) and B the tangent plane of the measured ray, B^T y = 0 is
    # linear in rho for every observation: solve it by least squares.
    own = np.arange(len(tracks.track)) != anchor[tracks.track]
    obs = np.flatnonzero(own)
    sides = [
        (tracks.track[obs], tracks.bases[obs], tracks.centers[obs], tracks.noise_rad[obs]),
        (
            np.arange(tracks.num_tracks),
            tangent_bases(world_rays),
            np.broadcast_to(query.center, (tracks.num_tracks, 3)),
            np.full(tracks.num_tracks, query.noise_px / query.intrinsics[0]),
        ),
    ]
    for track, bases, centers, noise in sides:
        a = anchor[track]
        constant = np.einsum("nij,ni->nj", bases, tracks.rays[a]) / noise[:, None]
        slope = np.einsum("nij,ni->nj", bases, tracks.centers[a] - centers) / noise[:, None]
        np.add.at(rho_num, track, -(constant * slope).sum(1))
        np.add.at(rho_den, track, (slope * slope).sum(1))
    rho = rho_num / np.maximum(rho_den, 1e-12)
    values = np.zeros((tracks.num_tracks, 3))
    values[:, 2] = np.clip(rho, 1e-5, 10.0)
    return Structure(anchor, values)


def reference_terms(tracks: Tracks, structure: Structure) -> tuple[Array, Array]:
    """Residuals (O, 2) of the reference rays and their Jacobians (O, 2, 3) by the track's point."""
    anchor = structure.anchor[tracks.track]
    shift = tracks.centers[anchor] - tracks.centers
    y = structure.directions(tracks)[tracks.track] + structure.values[tracks.track, 2:] * shift
    along = np.einsum("ni,ni->n", tracks.rays, y)
    along = np.where(np.abs(along) < 1e-9, 1e-9, along)
    scale = 1.0 / (along * tracks.noise_rad)
    flat = (y[:, None, :] @ tracks.bases)[:, 0]
    residual = flat * scale[:, None]
    by_y = (
        np.swapaxes(tracks.bases, 1, 2) - (flat / along[:, None])[:, :, None] * tracks.rays[:, None, :]
    ) * scale[:, None, None]
    by_point = np.concatenate([tracks.bases[anchor], shift[:, :, None]], axis=2)
    residual[along <= 0] = 1e3
    return residual, by_y @ by_point


def query_terms(tracks: Tracks, structure: Structure, query: QueryView) -> tuple[Array, Array, Array]:
    """Residuals (T, 2) of the query and Jacobians by its parameters (T, 2, P) and points (T, 2, 3)."""
    world = structure.seen_from(tracks, query.center)
    v = world @ query.rotation.T
    if query.intrinsics_std is None:
        residual, by_v = _ray_residual(v, query.rays[tracks.keypoint], query.noise_px / query.intrinsics[0])
    else:
        residual, by_v = _pixel_residual(v, query.pixels[tracks.keypoint], query)
    by_world = by_v @ query.rotation
    by_pose = np.empty((len(v), 2, query.num_parameters))
    by_pose[:, :, :3] = np.cross(v[:, None, :], by_v)  # d(exp(w) v) = w x v
    by_pose[:, :, 3:6] = -structure.values[:, 2, None, None] * by_world
    if query.intrinsics_std is not None:
        by_pose[:, 0, 6:], by_pose[:, 1, 6:] = 0.0, 0.0
        depth = np.where(np.abs(v[:, 2]) < 1e-9, 1e-9, v[:, 2])
        by_pose[:, :, 6] = v[:, :2] / depth[:, None] / query.noise_px
        by_pose[:, 0, 7] = by_pose[:, 1, 8] = 1.0 / query.noise_px
    shift = tracks.centers[structure.anchor] - query.center
    by_point = np.concatenate([tracks.bases[structure.anchor], shift[:, :, None]], axis=2)
    return residual, by_pose, by_world @ by_point


def _ray_residual(v: Array, rays: Array, noise_rad: float) -> tuple[Array, Array]:
    """Gnomonic residual (N, 2) on each ray's tangent plane, and its Jacobian (N, 2, 3) by ``v``."""
    bases = tangent_bases(rays)
    along = np.einsum("ni,ni->n", rays, v)
    behind = along <= 0
    along = np.where(np.abs(along) < 1e-9, 1e-9, along)
    flat = (v[:, None, :] @ bases)[:, 0]
    residual = flat / along[:, None] / noise_rad
    by_v = (np.swapaxes(bases, 1, 2) - (flat / along[:, None])[:, :, None] * rays[:, None, :]) / (
        along[:, None, None] * noise_rad
    )
    residual[behind] = 1e3
    return residual, by_v


def _pixel_residual(v: Array, pixels: Array, query: QueryView) -> tuple[Array, Array]:
    """Pinhole residual (N, 2) with the current focal length and principal point."""
    depth = np.where(np.abs(v[:, 2]) < 1e-9, 1e-9, v[:, 2])
    xy = v[:, :2] / depth[:, None]
    focal = query.intrinsics[0]
    residual = (focal * xy + query.intrinsics[1:] - pixels) / query.noise_px
    by_v = np.zeros((len(v), 2, 3))
    by_v[:, 0, 0] = by_v[:, 1, 1] = focal / depth / query.noise_px
    by_v[:, :, 2] = -focal * xy / depth[:, None] / query.noise_px
    residual[v[:, 2] <= 0] = 1e3
    return residual, by_v


def robust_weights(residuals: Array) -> Array:
    """Cauchy weights (N,) of residuals (N, 2) given in standard deviations."""
    weights: Array = 1.0 / (1.0 + (residuals**2).sum(1) / (2 * _CAUCHY_SIGMA**2))
    return weights


def _cost(reference: Array, query_residual: Array, query: QueryView) -> float:
    square = np.concatenate([(reference**2).sum(1), (query_residual**2).sum(1)])
    cost = 2 * _CAUCHY_SIGMA**2 * np.log1p(square / (2 * _CAUCHY_SIGMA**2)).sum()
    if query.intrinsics_std is not None and query.intrinsics_prior is not None:
        cost += (((query.intrinsics - query.intrinsics_prior) / query.intrinsics_std) ** 2).sum()
    if query.position_prior is not None:
        cost += (((query.center - query.position_prior[0]) / query.position_prior[1]) ** 2).sum()
    return float(cost)


@dataclass(frozen=True)
class _System:
    """Normal equations: the query's block and gradient, the points' blocks, gradients and coupling."""

    h_query: Array
    g_query: Array
    h_point: Array
    g_point: Array
    coupling: Array

    def solve(self, damping: float) -> tuple[Array, Array, Array]:
        """Steps of the query (P,) and the points (T, 3), and the undamped Schur complement (P, P)."""
        diagonal = np.einsum("tii->ti", self.h_point)
        inverse = np.linalg.inv(self.h_point + np.eye(3) * (damping * diagonal + 1e-12)[:, None, :])
        carried = self.coupling @ inverse
        size = len(self.g_query)
        wide = np.swapaxes(carried, 0, 1).reshape(size, -1)
        schur = self.h_query - wide @ np.swapaxes(self.coupling, 0, 1).reshape(size, -1).T
        right = self.g_query - wide @ self.g_point.reshape(-1)
        scale = np.sqrt(np.maximum(np.diag(schur), 1e-12))
        scaled = schur / np.outer(scale, scale) + (damping + 1e-12) * np.eye(len(schur))
        step = -np.linalg.solve(scaled, right / scale) / scale
        pulled = self.g_point + np.swapaxes(self.coupling, 1, 2) @ step
        return step, -(inverse @ pulled[:, :, None])[:, :, 0], schur


def gram(left: Array, right: Array) -> Array:
    """Per-item products (N, I, J) of (N, K, I) and (N, K, J) summed over K."""
    product: Array = np.swapaxes(left, 1, 2) @ right
    return product


def per_track(tracks: Tracks, values: Array) -> Array:
    """Sums (T, ...) over the observations (O, ...) of each track, which are stored in order."""
    starts = np.flatnonzero(np.r_[True, np.diff(tracks.track) > 0])
    total: Array = np.add.reduceat(values, starts, axis=0)
    return total


def _normal_equations(tracks: Tracks, structure: Structure, query: QueryView) -> tuple[_System, Array, Array]:
    reference, by_point = reference_terms(tracks, structure)
    residual, by_pose, query_by_point = query_terms(tracks, structure, query)
    root_r = np.sqrt(robust_weights(reference))[:, None]
    root_q = np.sqrt(robust_weights(residual))[:, None]
    by_point, weighted_r = by_point * root_r[:, :, None], (reference * root_r)[:, :, None]
    query_by_point, by_pose = query_by_point * root_q[:, :, None], by_pose * root_q[:, :, None]
    weighted_q = (residual * root_q)[:, :, None]
    h_point = gram(query_by_point, query_by_point) + per_track(tracks, gram(by_point, by_point))
    g_point = gram(query_by_point, weighted_q) + per_track(tracks, gram(by_point, weighted_r))
    flat = by_pose.reshape(-1, query.num_parameters)
    h_query, g_query = flat.T @ flat, flat.T @ weighted_q.reshape(-1)
    if query.intrinsics_std is not None and query.intrinsics_prior is not None:
        precision = 1.0 / query.intrinsics_std**2
        h_query[range(6, 9), range(6, 9)] += precision
        g_query[6:] += precision * (query.intrinsics - query.intrinsics_prior)
    if query.position_prior is not None:
        precision = 1.0 / query.position_prior[1] ** 2
        h_query[range(3, 6), range(3, 6)] += precision
        g_query[3:6] += precision * (query.center - query.position_prior[0])
    return _System(h_query, g_query, h_point, g_point[:, :, 0], gram(by_pose, query_by_point)), reference, residual


def adjust(
    tracks: Tracks,
    query: QueryView,
    structure: Structure | None = None,
    max_iterations: int = 30,
    tolerance: float = 1e-6,
) -> Adjusted:
    """Minimise the robust sum of all residuals by Levenberg-Marquardt.

    Args:
        tracks: observations that are to be used; gross outliers should be out already.
        query: the start.
        structure: points to start from; found from the start pose if left out.
        max_iterations: of accepted or rejected steps.
        tolerance: relative decrease of the cost at which it stops.
    """
    structure = structure or initial_structure(tracks, query)
    system, reference, residual = _normal_equations(tracks, structure, query)
    cost, damping = _cost(reference, residual, query), 1e-4
    for _ in range(max_iterations):
        step, point_step, _ = system.solve(damping)
        moved = query.moved(step)
        trial = replace(structure, values=structure.values + point_step)
        trial.values[:, 2] = np.maximum(trial.values[:, 2], 1e-6)
        trial_system, reference, residual = _normal_equations(tracks, trial, moved)
        trial_cost = _cost(reference, residual, moved)
        if trial_cost < cost:
            done = cost - trial_cost < tolerance * cost
            query, structure, system, cost, damping = moved, trial, trial_system, trial_cost, damping / 5
            if done:
                break
        else:
            damping *= 10
            if damping > 1e4:
                break
    reference, _ = reference_terms(tracks, structure)
    residual = query_terms(tracks, structure, query)[0]
    return Adjusted(query, structure, reference, residual, system.solve(0.0)[2])
