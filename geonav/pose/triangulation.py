"""Robust triangulation of many tracks at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geonav.pose.tracks import Ints, Tracks

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """Triangulated tracks.

    Attributes:
        track: track of each point (P,).
        xyz: world metres (P, 3).
        parallax_rad: largest angle (P,) between two of the rays that agree on the point.
        observation_agrees: whether each observation (O,) of the tracks agrees with its point.
    """

    track: Ints
    xyz: Array
    parallax_rad: Array
    observation_agrees: NDArray[np.bool_]


def intersect_rays(centers: Array, rays: Array, weights: Array, group: Ints, num_groups: int) -> Array:
    """Least-squares points (G, 3) nearest to the weighted rays of each group; NaN if degenerate.

    Minimises the summed squared distance to the lines ``centers + s * rays``.
    """
    projector = (np.eye(3) - rays[:, :, None] * rays[:, None, :]) * weights[:, None, None]
    normal = np.zeros((num_groups, 3, 3))
    right = np.zeros((num_groups, 3))
    np.add.at(normal, group, projector)
    np.add.at(right, group, np.einsum("nij,nj->ni", projector, centers))
    trace = np.trace(normal, axis1=1, axis2=2)
    solvable = np.linalg.det(normal) > 1e-12 * np.maximum(trace, 1e-30) ** 3
    points = np.full((num_groups, 3), np.nan)
    points[solvable] = np.linalg.solve(normal[solvable], right[solvable][..., None])[..., 0]
    return points


def angles_to_points(centers: Array, rays: Array, points: Array) -> Array:
    """Angles (N,) in radians between rays and the directions to points; pi where not finite."""
    to_point = points - centers
    norm = np.linalg.norm(to_point, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = to_point / norm[:, None]
        angle = 2 * np.arcsin(np.clip(np.linalg.norm(unit - rays, axis=1) / 2, 0, 1))
    return np.where(np.isfinite(angle), angle, np.pi)


def _pairs(tracks: Tracks) -> tuple[Ints, Ints]:
    """All pairs of observations that belong to one track."""
    count = tracks.views_per_track()
    first = np.concatenate([[0], np.cumsum(count)])[:-1]
    left, right = [], []
    for size in np.unique(count[count >= 2]):
        i, j = np.triu_indices(size, 1)
        start = first[count == size]
        left.append((start[:, None] + i).ravel())
        right.append((start[:, None] + j).ravel())
    if not left:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate(left), np.concatenate(right)


def triangulate(tracks: Tracks, max_error_sigma: float, min_parallax_rad: float) -> Points:
    """Triangulate every track that at least two references with a baseline agree on.

    Every pair of a track's rays proposes a point; the point that most rays see within
    ``max_error_sigma`` standard deviations wins, ties going to the wider parallax, and is solved for
    again from all rays that agree. Views cut from one panorama share a centre: their pairs have no
    parallax and propose nothing.
    """
    agrees = np.zeros(len(tracks.track), bool)
    empty = Points(np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0), agrees)
    left, right = _pairs(tracks)
    parallax = _pair_parallax(tracks, left, right)
    wide = parallax >= min_parallax_rad
    left, right, parallax = left[wide], right[wide], parallax[wide]
    if not len(left):
        return empty
    proposal = np.arange(len(left))
    both = np.concatenate([left, right])
    xyz = intersect_rays(tracks.centers[both], tracks.rays[both], np.ones(len(both)), np.tile(proposal, 2), len(left))
    votes = _votes(tracks, tracks.track[left], xyz, max_error_sigma)
    own = _agree(tracks, left, xyz, max_error_sigma) & _agree(tracks, right, xyz, max_error_sigma)
    quality = np.where(own, votes + np.minimum(parallax, 1.0) / 10, -1.0)
    order = np.lexsort((quality, tracks.track[left]))
    last = np.flatnonzero(np.r_[np.diff(tracks.track[left][order]) > 0, True])
    best = order[last]
    best = best[quality[best] >= 2]
    return _solve_again(tracks, tracks.track[left][best], xyz[best], max_error_sigma, min_parallax_rad)


def _pair_parallax(tracks: Tracks, left: Ints, right: Ints) -> Array:
    """Angle between the rays of each pair; zero where the two centres coincide."""
    chord = np.linalg.norm(tracks.rays[left] - tracks.rays[right], axis=1)
    baseline = np.linalg.norm(tracks.centers[left] - tracks.centers[right], axis=1)
    return np.where(baseline > 1e-6, 2 * np.arcsin(np.clip(chord / 2, 0, 1)), 0.0)


def _agree(tracks: Tracks, observation: Ints, xyz: Array, max_error_sigma: float) -> NDArray[np.bool_]:
    angle = angles_to_points(tracks.centers[observation], tracks.rays[observation], xyz)
    agree: NDArray[np.bool_] = angle <= max_error_sigma * tracks.noise_rad[observation]
    return agree


def _votes(tracks: Tracks, proposal_track: Ints, xyz: Array, max_error_sigma: float) -> Array:
    """How many rays of its track agree with each proposed point."""
    count = tracks.views_per_track()
    first = np.concatenate([[0], np.cumsum(count)])[:-1]
    votes = np.zeros(len(xyz))
    for offset in range(int(count.max(initial=0))):
        has = count[proposal_track] > offset
        observation = first[proposal_track[has]] + offset
        votes[has] += _agree(tracks, observation, xyz[has], max_error_sigma)
    return votes


def _solve_again(tracks: Tracks, track: Ints, xyz: Array, max_error_sigma: float, min_parallax_rad: float) -> Points:
    """Points from all rays that agree with the winning proposals."""
    point_of_track = np.full(tracks.num_tracks, -1)
    point_of_track[track] = np.arange(len(track))
    observation = np.flatnonzero(point_of_track[tracks.track] >= 0)
    point = point_of_track[tracks.track[observation]]
    keep = _agree(tracks, observation, xyz[point], max_error_sigma)
    observation, point = observation[keep], point[keep]
    # Far views see a point less sharply: weigh each line by the distance it looks over.
    distance = np.linalg.norm(xyz[point] - tracks.centers[observation], axis=1)
    weight = 1.0 / np.maximum(distance * tracks.noise_rad[observation], 1e-9) ** 2
    weight /= weight.max(initial=1e-30)
    better = intersect_rays(tracks.centers[observation], tracks.rays[observation], weight, point, len(track))
    xyz = np.where(np.isfinite(better), better, xyz)
    agrees = np.zeros(len(tracks.track), bool)
    agrees[observation] = True
    parallax = _largest_parallax(tracks, observation, point, len(track))
    good = parallax >= min_parallax_rad
    agrees[observation] = good[point]
    return Points(track[good], xyz[good], parallax[good], agrees)


def _largest_parallax(tracks: Tracks, observation: Ints, point: Ints, num_points: int) -> Array:
    """Twice the widest angle between a ray and the mean ray of each point: a bound that is tight."""
    mean = np.zeros((num_points, 3))
    np.add.at(mean, point, tracks.rays[observation])
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    chord = np.linalg.norm(tracks.rays[observation] - mean[point], axis=1)
    largest = np.zeros(num_points)
    np.maximum.at(largest, point, 2 * np.arcsin(np.clip(chord / 2, 0, 1)))
    return 2 * largest
