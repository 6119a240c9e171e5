"""How far a pose may be off: the keypoints' noise, the references' own errors and the camera's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.orientation import angles_from_rotation
from geonav.geometry.pose import rotation_from_vector
from geonav.pose.adjustment import Adjusted, gram, per_track
from geonav.pose.residuals import QueryTerms, ReferenceTerms, robust_weights
from geonav.pose.tracks import Ints, Tracks, View

Array = NDArray[np.float64]
CHI2_95_2D = 5.991  # 95 % quantile of chi-square with two degrees of freedom


@dataclass(frozen=True)
class PoseCovariance:
    """Covariance (6, 6) of a pose: rotation vector in camera axes (radians), then centre (metres).

    ``focal_std_px`` is that of the focal length where it was solved for, else None. ``own`` is the part of the matrix
    that the photo's and the references' keypoints are to blame for: more references would make it smaller.
    """

    matrix: Array
    rotation: Array
    focal_std_px: float | None = None
    own: Array | None = None

    @property
    def position(self) -> Array:
        """Covariance (3, 3) of the centre in the world's axes, square metres."""
        return self.matrix[3:6, 3:6]

    def scaled(self, factor: float) -> PoseCovariance:
        """All standard deviations times ``factor``."""
        focal_std = None if self.focal_std_px is None else self.focal_std_px * factor
        own = None if self.own is None else self.own * factor**2
        return PoseCovariance(self.matrix * factor**2, self.rotation, focal_std, own)

    def azimuth_std_deg(self) -> float:
        """Standard deviation of the azimuth in degrees."""
        step = 1e-5
        nominal = angles_from_rotation(self.rotation)[0]
        slope = np.empty(3)
        for axis in range(3):
            turned = rotation_from_vector(step * np.eye(3)[axis]) @ self.rotation
            change = (angles_from_rotation(turned)[0] - nominal + 180.0) % 360.0 - 180.0
            slope[axis] = change / step
        return float(np.sqrt(max(float(slope @ self.matrix[:3, :3] @ slope), 0.0)))


def ellipse_95(horizontal: Array) -> tuple[float, float, float]:
    """Semi-axes in metres, and azimuth in [0, 180) of the major one, of a covariance (2, 2) east, north."""
    values, vectors = np.linalg.eigh(horizontal)
    minor, major = (float(np.sqrt(max(float(value), 0.0) * CHI2_95_2D)) for value in values)
    east, north = vectors[:, 1]
    return float(major), float(minor), float(np.degrees(np.arctan2(east, north)) % 180.0)


def reduced_chi2(tracks: Tracks, adjusted: Adjusted) -> float:
    """Robust variance factor: squared residuals over what the noise promises."""
    square = np.concatenate([(adjusted.reference_residuals**2).sum(0), (adjusted.query_residuals**2).sum(0)])
    count = 2 * len(square)
    freedom = max(count - 3 * tracks.num_tracks - adjusted.query.num_parameters, 1)
    # The median of chi-square with two degrees of freedom is 1.386: gross residuals do not move it.
    robust = np.median(square) / 1.386 * count / freedom
    return float(robust)


def pose_covariance(
    tracks: Tracks, views: Sequence[View], adjusted: Adjusted, intrinsics_std: Array | None
) -> PoseCovariance:
    """Covariance of the query's pose, first order about the solution.

    Adds three independent parts: the keypoints' noise, scaled by how large the residuals really are;
    the references' own errors, pushed through the solution; and the calibration's errors where it was
    held fixed (where it was solved for, the first part has them).

    Args:
        tracks: the observations used.
        views: the references; their standard deviations are those of :class:`View`.
        adjusted: the solution.
        intrinsics_std: standard deviations (3,) in pixels of a focal length and principal point that
            were held fixed.
    """
    system = _Sensitivity(tracks, adjusted)
    factor = max(reduced_chi2(tracks, adjusted), 0.25)
    prior = adjusted.query.prior_information()
    # The residuals tell how noisy the keypoints are, and nothing of how good the priors are.
    data = (adjusted.information - prior) / factor
    total = np.asarray(np.linalg.pinv(data + prior, hermitian=True), np.float64)
    own = np.asarray(total[:6, :6], np.float64)
    total = total + _from_references(system, tracks, views)
    if intrinsics_std is not None and adjusted.query.intrinsics_std is None:
        slope = system.by_intrinsics()
        total = total + slope * intrinsics_std**2 @ slope.T
    focal_std = None if adjusted.query.intrinsics_std is None else float(np.sqrt(max(total[6, 6], 0.0)))
    return PoseCovariance(np.asarray(total[:6, :6], np.float64), adjusted.query.rotation, focal_std, own)


def _from_references(system: _Sensitivity, tracks: Tracks, views: Sequence[View]) -> Array:
    """What the references' own errors make of the solution (P, P): alone, or jointly as a map knows them."""
    used = np.flatnonzero(np.bincount(tracks.view, minlength=len(views))).tolist()
    slopes = {index: system.by_reference(index, views[index].pose[2, :3]) for index in used}
    size = system.inverse.shape[0]
    total = np.zeros((size, size))
    together: dict[int, list[int]] = {}
    for index, slope in slopes.items():
        view = views[index]
        heading, tilt = np.radians(view.rotation_std_deg)
        variance = np.array([tilt, tilt, heading, *view.position_std_m, view.scale_std]) ** 2
        if view.joint is not None:
            together.setdefault(id(view.joint), []).append(index)
            variance[:6] = 0.0
        total += slope * variance @ slope.T
    for indices in together.values():
        joint = views[indices[0]].joint
        if joint is not None:
            slope = np.concatenate([slopes[index][:, :6] for index in indices], axis=1)
            total += slope @ joint.covariance_of([views[index].row for index in indices]) @ slope.T
    return total


class _Sensitivity:
    """Derivatives of the solution by what it took for granted (implicit function theorem)."""

    def __init__(self, tracks: Tracks, adjusted: Adjusted) -> None:
        self.tracks, self.query, self.structure = tracks, adjusted.query, adjusted.structure
        anchor = self.structure.anchor
        residual, self.r_point = ReferenceTerms(tracks, anchor).at(self.structure)
        query_residual, self.q_pose, self.q_point = QueryTerms(tracks, anchor, self.query).at(
            self.structure, self.query
        )
        self.r_weight, self.q_weight = robust_weights(residual), robust_weights(query_residual)
        blocks = gram(self.q_point * self.q_weight, self.q_point)
        blocks += per_track(tracks, gram(self.r_point * self.r_weight, self.r_point))
        coupling = gram(self.q_pose * self.q_weight, self.q_point)
        inverse = np.linalg.inv(np.moveaxis(blocks, -1, 0) + 1e-9 * np.eye(3))
        self.carried = np.moveaxis(np.moveaxis(coupling, -1, 0) @ inverse, 0, -1)
        self.inverse = np.linalg.pinv(adjusted.information, hermitian=True)

    def by_reference(self, index: int, axis: Array) -> Array:
        """(P, 7): by a turn of one reference about east, north, up (radians), a shift (metres) and its scale.

        Args:
            index: of the reference.
            axis: its optical axis (3,), world.
        """
        held = self.tracks.view[self.structure.anchor] == index
        seen = np.flatnonzero((self.tracks.view == index) | held[self.tracks.track])
        points = np.flatnonzero(held)
        by_seen = self._by_rays(seen, index, axis)
        return self._solution_by(seen, by_seen, points, self._by_points(points, axis))

    def _by_rays(self, seen: Ints, index: int, axis: Array) -> Array:
        """Derivatives (N, 2, 7) of the residuals of some observations, those that a reference made or anchors."""
        tracks, structure, track = self.tracks, self.structure, self.tracks.track[seen]
        anchor, rho = structure.anchor[track], structure.values[track, 2]
        rays, bases = tracks.rays[seen], tracks.bases[seen]
        directions = structure.directions(tracks)[track]
        y = directions + rho[:, None] * (tracks.centers[anchor] - tracks.centers[seen])
        along = np.einsum("ni,ni->n", rays, y)
        flat = (y[:, None, :] @ bases)[:, 0]
        by_y = np.swapaxes(bases, 1, 2) - (flat / along[:, None])[:, :, None] * rays[:, None]
        by_y /= (along * tracks.noise_rad[seen])[:, None, None]
        own, anchored = tracks.view[seen] == index, tracks.view[anchor] == index
        # A turn of the observer moves its measured ray; that of the anchor moves the point.
        turn = _cross_matrix(y) * own[:, None, None]
        turn -= _cross_matrix(directions) * anchored[:, None, None]
        move = (anchored.astype(float) - own)[:, None] * rho[:, None]
        # A picture larger by a share turns each ray away from the optical axis.
        grown = np.cross(y, _turn_by_scale(rays, axis)) * own[:, None]
        grown -= np.cross(directions, _turn_by_scale(tracks.rays[anchor], axis)) * anchored[:, None]
        return np.concatenate([by_y @ turn, by_y * move[:, :, None], by_y @ grown[:, :, None]], axis=2)

    def _by_points(self, points: Ints, axis: Array) -> Array:
        """Derivatives (N, 2, 7) of the query's residuals of some tracks, by the reference that anchors them."""
        anchor = self.structure.anchor[points]
        directions = self.structure.directions(self.tracks)[points]
        by_shift = -np.moveaxis(self.q_pose[:, 3:6, points], -1, 0)
        by_world = by_shift / np.maximum(self.structure.values[points, 2], 1e-9)[:, None, None]
        grown = -np.cross(directions, _turn_by_scale(self.tracks.rays[anchor], axis))[:, :, None]
        return np.concatenate([-by_world @ _cross_matrix(directions), by_shift, by_world @ grown], axis=2)

    def _solution_by(self, seen: Ints, by_seen: Array, points: Ints, by_points: Array) -> Array:
        """Derivative (P, M) of the solution, given those of some residuals: of references (N, 2, M), of the query."""
        by_query = self._carried_to_query(self.q_point * self.q_weight, points, points, by_points)
        by_query += self._carried_to_query(self.r_point * self.r_weight, seen, self.tracks.track[seen], by_seen)
        weighted = (self.q_pose * self.q_weight)[:, :, points]
        by_query -= np.tensordot(weighted, by_points, ((0, 2), (1, 0)))
        derivative: Array = self.inverse @ by_query
        return derivative

    def _carried_to_query(self, by_point: Array, rows: Ints, track: Ints, change: Array) -> Array:
        """What changes (N, 2, M) of some residuals do to the query's gradient (P, M) through the points."""
        pulled = (by_point[:, :, rows][:, :, :, None] * np.swapaxes(change, 0, 1)[:, None]).sum(0)
        return np.tensordot(self.carried[:, :, track], pulled, ((1, 2), (0, 1)))

    def by_intrinsics(self) -> Array:
        """(P, 3): by the focal length and the principal point, in pixels, held fixed in the solution."""
        focal = self.query.intrinsics[0]
        v = self.structure.seen_from(self.tracks, self.query.center) @ self.query.rotation.T
        rays = self.query.rays[self.tracks.keypoint]
        xy = rays[:, :2] / rays[:, 2:]
        # A wrong calibration turns the measured ray; seen from the ray, the prediction turns back.
        shift = np.zeros((len(v), 3, 3))
        shift[:, :2, 0] = xy / focal
        shift[:, 0, 1] = shift[:, 1, 2] = 1.0 / focal
        by_v = np.moveaxis(self.q_pose[:, :3], -1, 0)  # d residual / d rotation: contract with v x shift
        scale = 1.0 / np.einsum("ni,ni->n", v, v)
        turn = np.cross(v[:, :, None], shift * v[:, 2][:, None, None], axis=1) * scale[:, None, None]
        nothing = np.zeros(0, np.int64)
        return self._solution_by(nothing, np.zeros((0, 2, 3)), np.arange(len(v)), by_v @ turn)


def _turn_by_scale(rays: Array, axis: Array) -> Array:
    """Rotation vectors (N, 3) by which unit rays (N, 3) turn when their picture grows by a unit share.

    A ray at the tangent t from the axis goes to t (1 + s), so its angle grows by s sin cos.
    """
    cosine = rays @ axis
    return np.cross(axis, rays) * cosine[:, None]


def _cross_matrix(vectors: Array) -> Array:
    """(N, 3, 3) with ``M @ w == cross(v, w)``."""
    matrix = np.zeros((len(vectors), 3, 3))
    matrix[:, 0, 1], matrix[:, 0, 2], matrix[:, 1, 2] = -vectors[:, 2], vectors[:, 1], -vectors[:, 0]
    return matrix - np.swapaxes(matrix, 1, 2)
