"""Residuals of references and query against inverse-depth points, with their derivatives.

Arrays over tracks or observations have these last: a thousand small products are then a few large ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.pose import rotation_from_vector
from geonav.pose.tracks import Tracks, tangent_bases

Array = NDArray[np.float64]
# What lies behind a camera has a residual that no gate lets through.
_BEHIND = 1e3
_TINY = 1e-9
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


def carried_structure(tracks: Tracks, query: QueryView, known: tuple[Tracks, Structure]) -> Structure:
    """The structure that was found for some other observations of the same keypoints; of new ones the initial one."""
    fresh, (before, found) = initial_structure(tracks, query), known
    num_views = 1 + max(tracks.view.max(initial=0), before.view.max(initial=0))
    # A keypoint has one observation in a view at most.
    seen = tracks.keypoint[tracks.track] * num_views + tracks.view
    anchors = before.keypoint * num_views + before.view[found.anchor]
    order = np.argsort(seen)
    place = np.searchsorted(seen, anchors, sorter=order).clip(max=len(seen) - 1)
    observation = order[place]
    same = seen[observation] == anchors
    track = tracks.track[observation[same]]
    anchor, values = fresh.anchor.copy(), fresh.values.copy()
    anchor[track], values[track] = observation[same], found.values[same]
    return Structure(anchor, values)


class ReferenceTerms:
    """What the references saw, against the points of the tracks.

    A point's offsets and inverse depth enter every vector towards it linearly, so all that the references' rays and
    places have to do with it is worked out once.
    """

    def __init__(self, tracks: Tracks, anchor: NDArray[np.int64]) -> None:
        """``anchor``: the observation (T,) that each track's point hangs on."""
        own = anchor[tracks.track]
        towards = np.empty((len(own), 3, 4))
        towards[:, :, 0], towards[:, :, 1:3] = tracks.rays[own], tracks.bases[own]
        towards[:, :, 3] = tracks.centers[own] - tracks.centers
        axes = np.concatenate([np.swapaxes(tracks.bases, 1, 2), tracks.rays[:, None]], axis=1)
        self._forms = np.ascontiguousarray(np.moveaxis(axes @ towards, 0, -1))
        self._noise, self._track = tracks.noise_rad, tracks.track

    def at(self, structure: Structure) -> tuple[Array, Array]:
        """Residuals (2, O) of the rays in standard deviations, and their derivatives (2, 3, O) by the track's point."""
        values = structure.values.T[:, self._track]
        seen = self._forms[:, 0] + (self._forms[:, 1:] * values).sum(1)
        residual, scale, behind = _on_tangent_plane(seen, self._noise)
        by_point = (self._forms[:2, 1:] - (residual * self._noise)[:, None] * self._forms[2, 1:]) * scale
        residual[:, behind] = _BEHIND
        return residual, by_point


class QueryTerms:
    """What the query saw, against the points of the tracks."""

    def __init__(self, tracks: Tracks, anchor: NDArray[np.int64], query: QueryView) -> None:
        """``anchor``: the observation (T,) that each track's point hangs on."""
        self._centers = tracks.centers[anchor].T
        directions = np.concatenate([tracks.rays[anchor][:, :, None], tracks.bases[anchor]], axis=2)
        self._directions = np.ascontiguousarray(np.moveaxis(directions, 0, -1))
        rays = query.rays[tracks.keypoint]
        self._axes = np.concatenate([np.moveaxis(tangent_bases(rays), 0, -1), rays.T[:, None]], axis=1).swapaxes(0, 1)
        self._pixels = query.pixels[tracks.keypoint].T

    def at(self, structure: Structure, query: QueryView) -> tuple[Array, Array, Array]:
        """Residuals (2, T) and their derivatives by the query's parameters (2, P, T) and by the points (2, 3, T)."""
        values = structure.values.T
        shift = self._centers - query.center[:, None]
        towards = np.concatenate([self._directions, shift[:, None]], axis=1)
        towards = (query.rotation @ towards.reshape(3, -1)).reshape(towards.shape)
        v = towards[:, 0] + (towards[:, 1:] * values).sum(1)
        by_pose = np.empty((2, query.num_parameters, len(values[0])))
        if query.intrinsics_std is None:
            residual, by_v = self._by_rays(v, query.noise_px / query.intrinsics[0])
        else:
            residual, by_v, by_pose[:, 6:] = _pixel_residual(v, self._pixels, query)
        by_pose[:, :3] = _crossed(v, by_v)  # d(exp(w) v) = w x v
        by_pose[:, 3:6] = -values[2] * (query.rotation.T @ by_v)
        by_point = (by_v[:, :, None] * towards[:, 1:]).sum(1)
        return residual, by_pose, by_point

    def _by_rays(self, v: Array, noise_rad: float) -> tuple[Array, Array]:
        """Gnomonic residual (2, T) on each ray's tangent plane, and its derivative (2, 3, T) by ``v`` (3, T)."""
        seen = (self._axes * v).sum(1)
        residual, scale, behind = _on_tangent_plane(seen, noise_rad)
        by_v = (self._axes[:2] - (residual * noise_rad)[:, None] * self._axes[2]) * scale
        residual[:, behind] = _BEHIND
        return residual, by_v


def _on_tangent_plane(seen: Array, noise_rad: Array | float) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Of vectors (3, N) along two tangents and a ray: residual (2, N), scale (N,) of derivatives, which lie behind."""
    along = seen[2]
    scale = 1.0 / (np.where(np.abs(along) < _TINY, _TINY, along) * noise_rad)
    return seen[:2] * scale, scale, along <= 0


def _pixel_residual(v: Array, pixels: Array, query: QueryView) -> tuple[Array, Array, Array]:
    """Residual (2, N) with the current intrinsics, by ``v`` (2, 3, N) and by the intrinsics (2, 5, N).

    The camera is a pinhole with nearly square pixels and one radial term: what an uncalibrated lens needs.
    """
    focal, cx, cy, aspect, k1 = query.intrinsics
    depth = np.where(np.abs(v[2]) < _TINY, _TINY, v[2])
    xy = v[:2] / depth
    square = (xy**2).sum(0)
    bent = xy * (1.0 + k1 * square)
    scale = focal * np.array([1.0, 1.0 + aspect])[:, None] / query.noise_px
    residual = bent * scale + (np.array([[cx], [cy]]) - pixels) / query.noise_px
    by_xy = 2 * k1 * xy[:, None] * xy
    by_xy[0, 0] += 1.0 + k1 * square
    by_xy[1, 1] += 1.0 + k1 * square
    by_xy *= scale[:, None]
    by_v = np.concatenate([by_xy, -(by_xy * xy).sum(1, keepdims=True)], axis=1) / depth
    by_intrinsics = np.zeros((2, 5, v.shape[1]))
    by_intrinsics[:, 0] = bent * np.array([[1.0], [1.0 + aspect]]) / query.noise_px
    by_intrinsics[0, 1] = by_intrinsics[1, 2] = 1.0 / query.noise_px
    by_intrinsics[1, 3] = focal * bent[1] / query.noise_px
    by_intrinsics[:, 4] = scale * xy * square
    residual[:, v[2] <= 0] = _BEHIND
    return residual, by_v, by_intrinsics


def _crossed(v: Array, others: Array) -> Array:
    """``v`` (3, N) times each of ``others`` (K, 3, N), the vector product."""
    (x, y, z), a, b, c = v, others[:, 0], others[:, 1], others[:, 2]
    return np.stack([y * c - z * b, z * a - x * c, x * b - y * a], axis=1)


def robust_weights(residuals: Array) -> Array:
    """Cauchy weights (N,) of residuals (2, N) given in standard deviations."""
    weights: Array = 1.0 / (1.0 + (residuals**2).sum(0) / (2 * CAUCHY_SIGMA**2))
    return weights
