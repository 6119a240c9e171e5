"""Residuals of references and query against inverse-depth points, with their derivatives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.pose import rotation_from_vector
from geonav.pose.tracks import Tracks, tangent_bases

Array = NDArray[np.float64]
CAUCHY_SIGMA = 2.0  # residuals beyond twice the noise lose weight as 1 / (1 + (r / 2 sigma)^2)


@dataclass(frozen=True)
class QueryView:
    """What is known and sought of the query.

    Attributes:
        rotation: camera_from_world (3, 3).
        center: world metres (3,).
        pixels: keypoints (N, 2) of the upright photo.
        rays: unit rays (N, 3) of the keypoints in the camera frame, used while the intrinsics are fixed.
        noise_px: standard deviation of the keypoints in its pixels.
        intrinsics: focal length and principal point in pixels, aspect (fy / fx - 1) and radial distortion
            k1 (5,); all but the first are used while they are free.
        intrinsics_std: standard deviations (5,) of what is known of them; None holds them fixed.
        intrinsics_prior: the values (5,) that those standard deviations are about.
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
        """Six for the pose, five more while the intrinsics are free."""
        return 6 if self.intrinsics_std is None else 11

    def prior_information(self) -> Array:
        """What is known of the parameters (P, P) before any match is looked at."""
        diagonal = np.zeros(self.num_parameters)
        if self.position_prior is not None:
            diagonal[3:6] = self.position_prior[1] ** -2.0
        if self.intrinsics_std is not None:
            diagonal[6:] = self.intrinsics_std**-2.0
        return np.diag(diagonal)

    def prior_offset(self) -> Array:
        """How far the parameters (P,) are from what was expected of them; zero where nothing was."""
        offset = np.zeros(self.num_parameters)
        if self.position_prior is not None:
            offset[3:6] = self.center - self.position_prior[0]
        if self.intrinsics_std is not None and self.intrinsics_prior is not None:
            offset[6:] = self.intrinsics - self.intrinsics_prior
        return offset

    def moved(self, step: Array) -> QueryView:
        """The view after a step: rotation vector (camera axes), centre, then intrinsics."""
        view = replace(
            self,
            rotation=rotation_from_vector(step[:3]) @ self.rotation,
            center=self.center + step[3:6],
        )
        return view if self.intrinsics_std is None else replace(view, intrinsics=self.intrinsics + step[6:])


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
    by_y = (np.swapaxes(tracks.bases, 1, 2) - (flat / along[:, None])[:, :, None] * tracks.rays[:, None, :]) * scale[
        :, None, None
    ]
    by_point = np.concatenate([tracks.bases[anchor], shift[:, :, None]], axis=2)
    residual[along <= 0] = 1e3
    return residual, by_y @ by_point


def query_terms(tracks: Tracks, structure: Structure, query: QueryView) -> tuple[Array, Array, Array]:
    """Residuals (T, 2) of the query and Jacobians by its parameters (T, 2, P) and points (T, 2, 3)."""
    world = structure.seen_from(tracks, query.center)
    v = world @ query.rotation.T
    by_intrinsics = None
    if query.intrinsics_std is None:
        residual, by_v = _ray_residual(v, query.rays[tracks.keypoint], query.noise_px / query.intrinsics[0])
    else:
        residual, by_v, by_intrinsics = _pixel_residual(v, query.pixels[tracks.keypoint], query)
    by_world = by_v @ query.rotation
    by_pose = np.empty((len(v), 2, query.num_parameters))
    by_pose[:, :, :3] = np.cross(v[:, None, :], by_v)  # d(exp(w) v) = w x v
    by_pose[:, :, 3:6] = -structure.values[:, 2, None, None] * by_world
    if by_intrinsics is not None:
        by_pose[:, :, 6:] = by_intrinsics
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


def _pixel_residual(v: Array, pixels: Array, query: QueryView) -> tuple[Array, Array, Array]:
    """Residual (N, 2) with the current intrinsics, by ``v`` (N, 2, 3) and by the intrinsics (N, 2, 5).

    The camera is a pinhole with nearly square pixels and one radial term: what an uncalibrated lens needs.
    """
    focal, cx, cy, aspect, k1 = query.intrinsics
    depth = np.where(np.abs(v[:, 2]) < 1e-9, 1e-9, v[:, 2])
    xy = v[:, :2] / depth[:, None]
    square = (xy**2).sum(1)
    bent = xy * (1.0 + k1 * square)[:, None]
    scale = focal * np.array([1.0, 1.0 + aspect])
    residual = (bent * scale + [cx, cy] - pixels) / query.noise_px
    by_xy = (1.0 + k1 * square)[:, None, None] * np.eye(2) + 2 * k1 * xy[:, :, None] * xy[:, None, :]
    by_xy *= scale[:, None] / query.noise_px
    by_v = np.concatenate([by_xy, -by_xy @ xy[:, :, None]], axis=2) / depth[:, None, None]
    by_intrinsics = np.zeros((len(v), 2, 5))
    by_intrinsics[:, :, 0] = bent * [1.0, 1.0 + aspect]
    by_intrinsics[:, 0, 1] = by_intrinsics[:, 1, 2] = 1.0
    by_intrinsics[:, 1, 3] = focal * bent[:, 1]
    by_intrinsics[:, :, 4] = scale * xy * square[:, None]
    residual[v[:, 2] <= 0] = 1e3
    return residual, by_v, by_intrinsics / query.noise_px


def robust_weights(residuals: Array) -> Array:
    """Cauchy weights (N,) of residuals (N, 2) given in standard deviations."""
    weights: Array = 1.0 / (1.0 + (residuals**2).sum(1) / (2 * CAUCHY_SIGMA**2))
    return weights
