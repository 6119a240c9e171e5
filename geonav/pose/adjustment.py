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

from geonav.pose.residuals import (
    CAUCHY_SIGMA,
    QueryTerms,
    QueryView,
    ReferenceTerms,
    Structure,
    initial_structure,
    robust_weights,
)
from geonav.pose.tracks import Tracks

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Adjusted:
    """The solution and what it leaves.

    Attributes:
        query: the query as adjusted.
        structure: the points as adjusted.
        reference_residuals: (2, O) in standard deviations of the observation.
        query_residuals: (2, T) in standard deviations of the query's keypoints.
        information: Schur complement (P, P) of the query's parameters, in units of the noise.
    """

    query: QueryView
    structure: Structure
    reference_residuals: Array
    query_residuals: Array
    information: Array


def _cost(reference: Array, query_residual: Array, query: QueryView) -> float:
    square = np.concatenate([(reference**2).sum(0), (query_residual**2).sum(0)])
    cost = 2 * CAUCHY_SIGMA**2 * np.log1p(square / (2 * CAUCHY_SIGMA**2)).sum()
    offset = query.prior_offset()
    cost += offset @ query.prior_information() @ offset
    return float(cost)


@dataclass(frozen=True)
class _System:
    """Normal equations: the query's block (P, P) and gradient (P,), of the points (3, 3, T), (3, T), (P, 3, T)."""

    h_query: Array
    g_query: Array
    h_point: Array
    g_point: Array
    coupling: Array

    def solve(self, damping: float) -> _Step:
        """The step that a damping makes."""
        inverse = _inverse(self.h_point, damping)
        carried = (self.coupling[:, :, None] * inverse).sum(1)
        size = len(self.g_query)
        wide = carried.reshape(size, -1)
        schur = self.h_query - wide @ self.coupling.reshape(size, -1).T
        right = self.g_query - wide @ self.g_point.reshape(-1)
        scale = np.sqrt(np.maximum(np.diag(schur), 1e-12))
        scaled, pull = schur / np.outer(scale, scale), right / scale
        step = -np.linalg.solve(scaled + (damping + 1e-12) * np.eye(size), pull) / scale
        left = pull @ np.linalg.solve(scaled + 1e-12 * np.eye(size), pull)
        pulled = self.g_point + np.tensordot(step, self.coupling, 1)
        return _Step(step, -(inverse * pulled).sum(1), schur, float(left))


@dataclass(frozen=True)
class _Step:
    """A step of the query (P,) and of the points (3, T), and where it starts from.

    ``information`` is the Schur complement (P, P) of the query; ``left`` the square of how far the minimum seems to be,
    in standard deviations: damping makes steps short along what is known least, and says nothing of that.
    """

    query: Array
    points: Array
    information: Array
    left: float


def _inverse(blocks: Array, damping: float) -> Array:
    """Of symmetric matrices (3, 3, N), their diagonals enlarged by a share ``damping``; by cofactors."""
    (a, d, e), (_, b, f), (_, _, c) = blocks
    a, b, c = (diagonal * (1.0 + damping) + 1e-12 for diagonal in (a, b, c))
    aa, bb, cc = b * c - f * f, a * c - e * e, a * b - d * d
    dd, ee, ff = e * f - d * c, d * f - e * b, d * e - a * f
    determinant = a * aa + d * dd + e * ee
    inverse: Array = np.array([[aa, dd, ee], [dd, bb, ff], [ee, ff, cc]]) / determinant
    return inverse


def gram(left: Array, right: Array) -> Array:
    """Per-item products (I, J, N) of (K, I, N) and (K, J, N) summed over K."""
    product: Array = left[0, :, None] * right[0]
    for of_left, of_right in zip(left[1:], right[1:], strict=True):
        product += of_left[:, None] * of_right
    return product


def per_track(tracks: Tracks, values: Array) -> Array:
    """Sums (..., T) over the observations (..., O) of each track, which are stored in order."""
    starts = np.flatnonzero(np.r_[True, np.diff(tracks.track) > 0])
    total: Array = np.add.reduceat(values, starts, axis=-1)
    return total


@dataclass(frozen=True)
class _Problem:
    """The terms of one set of tracks."""

    tracks: Tracks
    by_reference: ReferenceTerms
    by_query: QueryTerms

    def normal_equations(self, structure: Structure, query: QueryView) -> tuple[_System, Array, Array]:
        """The system at one state, and the residuals (2, O) of the references and (2, T) of the query."""
        reference, by_point = self.by_reference.at(structure)
        residual, by_pose, query_by_point = self.by_query.at(structure, query)
        root_r, root_q = np.sqrt(robust_weights(reference)), np.sqrt(robust_weights(residual))
        by_point, weighted_r = by_point * root_r, reference * root_r
        query_by_point, by_pose, weighted_q = query_by_point * root_q, by_pose * root_q, residual * root_q
        of_references = gram(by_point, np.concatenate([by_point, weighted_r[:, None]], axis=1))
        of_point = gram(query_by_point, np.concatenate([query_by_point, weighted_q[:, None]], axis=1))
        of_point += per_track(self.tracks, of_references)
        flat = np.swapaxes(by_pose, 0, 1).reshape(query.num_parameters, -1)
        h_query, g_query = flat @ flat.T, flat @ weighted_q.reshape(-1)
        prior = query.prior_information()
        h_query, g_query = h_query + prior, g_query + prior @ query.prior_offset()
        coupling = gram(by_pose, query_by_point)
        return _System(h_query, g_query, of_point[:, :3], of_point[:, 3], coupling), reference, residual


def adjust(
    tracks: Tracks,
    query: QueryView,
    structure: Structure | None = None,
    max_iterations: int = 30,
    tolerance: float = 0.01,
) -> Adjusted:
    """Minimise the robust sum of all residuals by Levenberg-Marquardt.

    Args:
        tracks: observations that are to be used; gross outliers should be out already.
        query: the start.
        structure: points to start from; found from the start pose if left out.
        max_iterations: of accepted or rejected steps.
        tolerance: distance of the query from the minimum, in its standard deviations, at which it stops. Single points
            whose references disagree may crawl on for long, but the pose does not follow them.
    """
    structure = structure or initial_structure(tracks, query)
    anchor = structure.anchor
    problem = _Problem(tracks, ReferenceTerms(tracks, anchor), QueryTerms(tracks, anchor, query))
    system, reference, residual = problem.normal_equations(structure, query)
    cost, damping = _cost(reference, residual, query), 1e-4
    for _ in range(max_iterations):
        step = system.solve(damping)
        moved = query.moved(step.query)
        trial = replace(structure, values=structure.values + step.points.T)
        trial.values[:, 2] = np.maximum(trial.values[:, 2], 1e-6)
        trial_system, trial_reference, trial_residual = problem.normal_equations(trial, moved)
        trial_cost = _cost(trial_reference, trial_residual, moved)
        if trial_cost < cost:
            done = step.left < tolerance**2
            query, structure, system, cost, damping = moved, trial, trial_system, trial_cost, damping / 5
            reference, residual = trial_reference, trial_residual
            if done:
                break
        else:
            damping *= 10
            if damping > 1e4:
                break
    return Adjusted(query, structure, reference, residual, system.solve(0.0).information)
