"""Agreement of single matches with a pose: the Sampson distance on the sphere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geonav.pose.tracks import Tracks

Array = NDArray[np.float64]
# Local features bear a change of scale of two or three; five is generous.
_MAX_DEPTH_RATIO = 5.0
_FAR_RAD = np.radians(1.0)  # rays this nearly parallel say little about distances


def epipolar_sigmas(tracks: Tracks, world_rays: Array, center: Array, noise_rad: float) -> Array:
    """Distance (O,) of every match from its epipolar plane, in standard deviations of the match.

    Infinite where the two rays would meet behind a camera, or so much nearer to one than to the other that no
    descriptor would have matched the two views of the point.

    Args:
        tracks: the matches.
        world_rays: unit rays (T, 3) of the query's keypoint of each track, world axes.
        center: of the query, world metres (3,).
        noise_rad: standard deviation of the query's rays.
    """
    q, r = world_rays[tracks.track], tracks.rays
    base = tracks.centers - center
    error = np.einsum("ni,ni->n", base, np.cross(q, r))
    by_q, by_r = np.cross(r, base), np.cross(base, q)
    by_q -= np.einsum("ni,ni->n", by_q, q)[:, None] * q
    by_r -= np.einsum("ni,ni->n", by_r, r)[:, None] * r
    std = np.sqrt((noise_rad**2) * (by_q**2).sum(1) + (tracks.noise_rad**2) * (by_r**2).sum(1))
    sigmas = np.abs(error) / np.maximum(std, 1e-12)
    return np.where(_meet_in_front(q, r, base, tracks.noise_rad + noise_rad), sigmas, np.inf)


def _meet_in_front(q: Array, r: Array, base: Array, slack_rad: Array) -> NDArray[np.bool_]:
    """Whether two rays meet in front of both cameras at like distances, or are parallel within the slack."""
    cosine = np.einsum("ni,ni->n", q, r)
    along_q, along_r = np.einsum("ni,ni->n", base, q), np.einsum("ni,ni->n", base, r)
    sine = np.sqrt(np.maximum(1 - cosine**2, 1e-12))
    # Distances along the rays to where they come nearest, both times the squared sine of their angle.
    depth_q = along_q - cosine * along_r
    depth_r = cosine * along_q - along_r
    # A far point's depth can come out slightly negative by noise alone.
    tolerance = 3 * slack_rad * np.linalg.norm(base, axis=1) * sine + 1e-9
    in_front = (depth_q > -tolerance) & (depth_r > -tolerance)
    ratio = np.maximum(depth_q, tolerance) / np.maximum(depth_r, tolerance)
    alike = (ratio < _MAX_DEPTH_RATIO) & (ratio > 1 / _MAX_DEPTH_RATIO)
    far = (cosine > 0) & (sine < np.maximum(3 * slack_rad, _FAR_RAD))
    nearly_parallel = (cosine > 0) & (sine < 3 * slack_rad)
    plausible: NDArray[np.bool_] = (in_front & (alike | far)) | nearly_parallel
    return plausible
