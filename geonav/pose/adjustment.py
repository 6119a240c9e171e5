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
    QueryView,
    Structure,
    initial_structure,
    query_terms,
    reference_terms,
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
        reference_residuals: (O, 2) in standard deviations of the observation.
        query_residuals: (T, 2) in standard deviations of the query's keypoints.
        information: Schur complement (P, P) of the query's parameters, in units of the noise.
    """

    query: QueryView
    structure: Structure
    reference_residuals: Array
    query_residuals: Array
    information: Array


def _cost(reference: Array, query_residual: Array, query: QueryView) -> float:
    square = np.concatenate([(reference**2).sum(1), (query_residual**2).sum(1)])
    cost = 2 * CAUCHY_SIGMA**2 * np.log1p(square / (2 * CAUCHY_SIGMA**2)).sum()
    offset = query.prior_offset()
    cost += offset @ query.prior_information() @ offset
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
    prior = query.prior_information()
    h_query, g_query = h_query + prior, g_query + prior @ query.prior_offset()
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
