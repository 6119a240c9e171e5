"""Which frames' poses belong to one motion: the most likely chain, by dynamic programming over pairs of frames.

Every frame on the chain must lie where the two before it on the chain send it (second order, as a velocity needs
two); one left out costs as much as the largest error that is still believed. That is a truncated sum of squares,
minimised exactly. Where the motion is really cut (a film's cut, a tram), a new chain may start, at the price of
several frames: a few wrong frames cannot pay it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from geonav.geometry.pose import rotation_error_deg
from geonav.pose.motion import Array, Gaussian, MotionPrior

# 99.9 % quantile of chi-square with three degrees of freedom.
GATE = 16.27
# A frame left out is bridged by at most this many others left out beside it.
REACH = 10
# Frames that a chain of its own must hold more than it costs: a cut is rarer than a place confused.
_CUT_FRAMES = 5
# Poses of photos share errors of their references that their covariances do not know of.
_FLOOR_M = 0.1
_TURN_SLACK_DEG = 10.0


@dataclass(frozen=True)
class Seen:
    """One frame's own pose.

    Attributes:
        time_s: when.
        place: where.
        rotation: camera_from_world (3, 3).
    """

    time_s: float
    place: Gaussian
    rotation: Array


@dataclass(frozen=True)
class _Path:
    score: float
    previous: tuple[int, int] | None


def chains(frames: Sequence[Seen], prior: MotionPrior) -> list[list[int]]:
    """Indices of the frames that move as one, cut into the pieces between which no motion leads.

    Args:
        frames: in order of time, no two at the same.
        prior: the motion.
    """
    if not frames:
        return []
    paths: dict[tuple[int, int], _Path] = {}
    best_ending: tuple[int, int] | None = None  # the best path among all that end before the frame at hand
    for now in range(len(frames)):
        ending = _paths_to(now, frames, paths, best_ending, prior)
        paths.update(ending)
        top = max(ending, key=lambda key: ending[key].score)
        if best_ending is None or ending[top].score > paths[best_ending].score:
            best_ending = top
    return _walked_back(best_ending, paths)


def _paths_to(
    now: int,
    frames: Sequence[Seen],
    paths: dict[tuple[int, int], _Path],
    before: tuple[int, int] | None,
    prior: MotionPrior,
) -> dict[tuple[int, int], _Path]:
    """The best path to each pair (frame before on the chain, this frame); -1 is none before."""
    fresh = _Path(GATE, None)
    if before is not None and paths[before].score > _CUT_FRAMES * GATE:
        fresh = _Path(paths[before].score + GATE - _CUT_FRAMES * GATE, before)
    found = {(-1, now): fresh}
    for last in range(max(0, now - REACH), now):
        if not linked(frames[last], frames[now], prior):
            continue
        options = [_Path(paths[-1, last].score + GATE, (-1, last))]
        for first in range(max(0, last - REACH), last):
            known = paths.get((first, last))
            if known is not None:
                misfit = _misfit(frames[first], frames[last], frames[now], prior)
                if misfit <= GATE:
                    options.append(_Path(known.score + GATE - misfit, (first, last)))
        found[last, now] = max(options, key=lambda path: path.score)
    return found


def linked(first: Seen, second: Seen, prior: MotionPrior) -> bool:
    """Whether the camera can have gone, and turned, from the one to the other in the time between them."""
    seconds = second.time_s - first.time_s
    apart = second.place.mean - first.place.mean
    slack = 3.0 * float(np.sqrt(np.linalg.eigvalsh(first.place.covariance + second.place.covariance)[-1])) + _FLOOR_M
    turned = rotation_error_deg(first.rotation, second.rotation)
    fast = float(np.linalg.norm(apart)) > prior.max_speed_m_s * seconds + slack
    return not fast and turned <= prior.max_turn_deg_s * seconds + _TURN_SLACK_DEG


def _misfit(first: Seen, second: Seen, third: Seen, prior: MotionPrior) -> float:
    """Squared Mahalanobis distance of the third frame from where the two before send it.

    The residual p3 - p2 - r (p2 - p1), r = dt2 / dt1, of an integrated random walk has the variance
    q dt2^2 (dt1 + dt2) / 3, beside what the three positions bring.
    """
    early, late = second.time_s - first.time_s, third.time_s - second.time_s
    ratio = late / early
    off = third.place.mean - second.place.mean - ratio * (second.place.mean - first.place.mean)
    floor = _FLOOR_M**2 * np.eye(3)
    spread = (
        (third.place.covariance + floor)
        + (1.0 + ratio) ** 2 * (second.place.covariance + floor)
        + ratio**2 * (first.place.covariance + floor)
        + np.diag(prior.spectral_density) * late**2 * (early + late) / 3.0
    )
    return float(off @ np.linalg.solve(spread, off))


def _walked_back(end: tuple[int, int] | None, paths: dict[tuple[int, int], _Path]) -> list[list[int]]:
    pieces: list[list[int]] = []
    piece: list[int] = []
    at = end
    while at is not None:
        before, now = at
        piece.append(now)
        if before == -1:
            pieces.append(piece[::-1])
            piece = []
        at = paths[at].previous
    return pieces[::-1]
