"""Parts that overlap, brought together: each is moved as a whole so that what they share stands at one place.

A part's own place on Earth is known to what its sources' errors average to; the references that it shares with its
neighbours tell how it lies against them a hundred times better. All parts of an area are moved at once, by the steps of
least squares; each part is tied to few others, so that the cost grows with the number of parts and not faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geonav.data.map_store import MapPart
from geonav.geometry.pose import camera_center, pose_from_center, rotations_from_vectors
from geonav.pose.alignment import Similarity

Array = NDArray[np.float64]
# How well the same reference is placed against its surroundings by two parts.
_TIE_M, _TIE_RAD = 0.03, 1e-3
# Parts whose shared references do not fit each other to this are not tied: one of them is wrong in itself.
_MAX_MISFIT_M = 0.5
_MIN_SHARED = 2
_NUM_STEPS = 4
_MAX_ITERATIONS = 1000


@dataclass(frozen=True)
class _Tie:
    """References that two parts share: the parts, and the rows (N,) in each."""

    first: int
    second: int
    rows: NDArray[np.int64]
    others: NDArray[np.int64]


def joined(parts: Sequence[MapPart]) -> list[MapPart]:
    """The parts, moved as wholes: those that share references with others, by a turn, a growth and a shift."""
    ties = [tie for tie in _ties(parts) if _fit(parts, tie)]
    if not ties:
        return list(parts)
    anchors = [_gauge_information(part) for part in parts]
    moves = np.zeros((len(parts), 7))
    current = list(parts)
    for _ in range(_NUM_STEPS):
        moves += _step(current, ties, anchors, moves)
        current = [transformed(part, move) for part, move in zip(parts, moves, strict=True)]
    return current


def _ties(parts: Sequence[MapPart]) -> list[_Tie]:
    holders: dict[str, list[int]] = {}
    for number, part in enumerate(parts):
        for uid in part.uids:
            holders.setdefault(uid, []).append(number)
    shared: dict[tuple[int, int], list[str]] = {}
    for uid, numbers in holders.items():
        for i, a in enumerate(numbers):
            for b in numbers[i + 1 :]:
                shared.setdefault((a, b), []).append(uid)
    return [
        _Tie(a, b, np.array([parts[a].row_of[uid] for uid in uids]), np.array([parts[b].row_of[uid] for uid in uids]))
        for (a, b), uids in shared.items()
        if len(uids) >= _MIN_SHARED
    ]


def _fit(parts: Sequence[MapPart], tie: _Tie) -> bool:
    """Whether what two parts share differs by no more than a turn, a growth and a shift."""
    a = camera_center(parts[tie.first].poses[tie.rows])
    b = camera_center(parts[tie.second].poses[tie.others])
    a, b = a - a.mean(0), b - b.mean(0)
    turn = parts[tie.second].poses[tie.others, :3, :3].swapaxes(1, 2) @ parts[tie.first].poses[tie.rows, :3, :3]
    u, _, vt = np.linalg.svd(turn.sum(0))
    laid = a @ (u @ vt).T
    growth = (laid * b).sum() / max((laid * laid).sum(), 1e-12)
    return bool(np.median(np.linalg.norm(growth * laid - b, axis=1)) <= _MAX_MISFIT_M and 0.5 < growth < 2.0)


def _step(parts: Sequence[MapPart], ties: Sequence[_Tie], anchors: Sequence[Array], moves: Array) -> Array:
    """Moves (N, 7) to be added to those made so far."""
    diagonal = np.array(anchors)
    right = -np.einsum("nij,nj->ni", diagonal, moves)
    coupled: list[tuple[int, int, Array]] = []
    for tie in ties:
        first, second = _by_move(parts[tie.first], tie.rows), _by_move(parts[tie.second], tie.others)
        apart = _apart(parts, tie)
        diagonal[tie.first] += np.einsum("nki,nkj->ij", first, first)
        diagonal[tie.second] += np.einsum("nki,nkj->ij", second, second)
        right[tie.first] += np.einsum("nki,nk->i", first, apart)
        right[tie.second] -= np.einsum("nki,nk->i", second, apart)
        coupled.append((tie.first, tie.second, np.einsum("nki,nkj->ij", first, second)))

    def product(x: Array) -> Array:
        y: Array = np.einsum("nij,nj->ni", diagonal, x)
        for a, b, block in coupled:
            y[a] -= block @ x[b]
            y[b] -= block.T @ x[a]
        return y

    return _conjugate_gradients(product, right, np.asarray(np.linalg.inv(diagonal), np.float64))


def _by_move(part: MapPart, rows: NDArray[np.int64]) -> Array:
    """(N, 6, 7): what moves of a part do to the turn and centre of some references, in standard deviations of a tie."""
    arms = camera_center(part.poses[rows]) - _middle(part)
    slopes = np.zeros((len(rows), 6, 7))
    slopes[:, range(3), range(3)] = 1.0 / _TIE_RAD
    for axis in range(3):
        slopes[:, 3:, axis] = np.cross(np.eye(3)[axis], arms) / _TIE_M
    slopes[:, 3:, 3] = arms / _TIE_M
    slopes[:, range(3, 6), range(4, 7)] = 1.0 / _TIE_M
    return slopes


def _apart(parts: Sequence[MapPart], tie: _Tie) -> Array:
    """(N, 6): how the second part has the shared references turned and placed against the first, in such deviations."""
    a, b = parts[tie.first].poses[tie.rows], parts[tie.second].poses[tie.others]
    turned = b[:, :3, :3].swapaxes(1, 2) @ a[:, :3, :3]
    vector = np.stack([turned[:, 2, 1], turned[:, 0, 2], turned[:, 1, 0]], axis=1)
    vector = (vector - np.stack([turned[:, 1, 2], turned[:, 2, 0], turned[:, 0, 1]], axis=1)) / 2
    return np.concatenate([vector / _TIE_RAD, (camera_center(b) - camera_center(a)) / _TIE_M], axis=1)


def _conjugate_gradients(product: Callable[[Array], Array], right: Array, inverse: Array) -> Array:
    """Solve ``product(x) = right`` (N, 7), with the inverses (N, 7, 7) of its diagonal blocks to begin from."""
    x, rest = np.zeros_like(right), right.copy()
    eased = np.einsum("nij,nj->ni", inverse, rest)
    direction, energy = eased, float((rest * eased).sum())
    first = energy
    for _ in range(_MAX_ITERATIONS):
        if energy <= 1e-14 * first:
            break
        ahead = product(direction)
        length = energy / float((direction * ahead).sum())
        x, rest = x + length * direction, rest - length * ahead
        eased = np.einsum("nij,nj->ni", inverse, rest)
        before, energy = energy, float((rest * eased).sum())
        direction = eased + energy / before * direction
    return x


def _middle(part: MapPart) -> Array:
    return np.asarray(camera_center(part.poses).mean(0), np.float64)


def _modes(part: MapPart) -> Array:
    """(6F, 7): what a turn, a growth and a shift of the part about its middle do to its frames."""
    lead = np.array([int(np.flatnonzero(part.frames == frame)[0]) for frame in range(int(part.frames.max()) + 1)])
    arms = camera_center(part.poses[lead]) - _middle(part)
    modes = np.zeros((len(lead), 6, 7))
    modes[:, range(3), range(3)] = 1.0
    for axis in range(3):
        modes[:, 3:, axis] = np.cross(np.eye(3)[axis], arms)
    modes[:, 3:, 3] = arms
    modes[:, range(3, 6), range(4, 7)] = 1.0
    return modes.reshape(-1, 7)


def _gauge_information(part: MapPart) -> Array:
    """(7, 7): how well the part's sources know its turn, growth and shift; inverse of their covariance."""
    modes = _modes(part)
    backwards = np.linalg.pinv(modes)
    covariance = backwards @ part.covariance.astype(float) @ backwards.T
    return np.asarray(np.linalg.pinv(covariance, hermitian=True), np.float64)


def transformed(part: MapPart, step: Array) -> MapPart:
    """The part after a turn (radians, about the world's axes), a growth and a shift (metres) about its middle, (7,)."""
    turn, growth, middle = rotations_from_vectors(step[:3])[0], float(np.exp(step[3])), _middle(part)
    move = Similarity(turn, growth, middle + step[4:] - growth * turn @ middle)
    centers = move.points(camera_center(part.poses))
    poses = np.array([pose_from_center(pose[:3, :3] @ turn.T, c) for pose, c in zip(part.poses, centers, strict=True)])
    return replace(part, poses=poses, points=move.points(part.points))
