"""Parts that overlap, brought together: each is moved as a whole so that what they share stands at one place.

A part's own place on Earth is known to what its sources' errors average to; the references that it shares with its
neighbours tell how it lies against them a hundred times better. Each part in turn is put where its neighbours and its
own sources want it, until nothing moves (Gauss-Seidel), so that the cost grows with the number of parts and not faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from geonav.data.map_store import MapPart
from geonav.geometry.pose import camera_center, pose_from_center, rotations_from_vectors
from geonav.pose.alignment import Similarity

Array = NDArray[np.float64]
# How well the same reference is placed against its surroundings by two parts.
_TIE_M, _TIE_RAD = 0.03, 1e-3
_MAX_SWEEPS = 100
_STILL_M = 1e-3
_MIN_SHARED = 2


def joined(parts: Sequence[MapPart], fixed: Sequence[bool] | None = None) -> list[MapPart]:
    """The parts, moved as wholes.

    Args:
        parts: those that share references with others are moved, by a turn, a growth and a shift.
        fixed: which parts must stay where they are; none if None.
    """
    held = list(fixed or [False] * len(parts))
    current = list(parts)
    ties = _ties(parts)
    anchors = [_gauge_information(part) for part in parts]
    for _ in range(_MAX_SWEEPS):
        moved = 0.0
        for number, part in enumerate(parts):
            if held[number] or not ties[number]:
                continue
            step = _wanted(part, anchors[number], [(current[other], rows) for other, rows in ties[number]])
            trial = transformed(part, step)
            moved = max(moved, float(np.abs(camera_center(trial.poses) - camera_center(current[number].poses)).max()))
            current[number] = trial
        if moved < _STILL_M:
            break
    return current


def _ties(parts: Sequence[MapPart]) -> list[list[tuple[int, list[tuple[int, int]]]]]:
    """Of each part, the others that share references with it, and the rows of these in both."""
    holders: dict[str, list[int]] = {}
    for number, part in enumerate(parts):
        for uid in part.uids:
            holders.setdefault(uid, []).append(number)
    shared: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for uid, numbers in holders.items():
        for a in numbers:
            for b in numbers:
                if a != b:
                    shared.setdefault((a, b), []).append((parts[a].row_of[uid], parts[b].row_of[uid]))
    found: list[list[tuple[int, list[tuple[int, int]]]]] = [[] for _ in parts]
    for (a, b), rows in shared.items():
        if len(rows) >= _MIN_SHARED:
            found[a].append((b, rows))
    return found


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


def _wanted(part: MapPart, anchor: Array, neighbours: list[tuple[MapPart, list[tuple[int, int]]]]) -> Array:
    """Turn, growth and shift (7,) of a part as solved, that fit its sources and its neighbours best."""
    information, right = anchor.copy(), np.zeros(7)
    middle = _middle(part)
    for other, rows in neighbours:
        # However many references two parts share, they tell no more of where the other lies than the other knows.
        for own, theirs in rows:
            arm = camera_center(part.poses[own]) - middle
            by = np.zeros((3, 7))
            by[:, :3] = np.stack([np.cross(axis, arm) for axis in np.eye(3)], axis=1)
            by[:, 3], by[:, 4:] = arm, np.eye(3)
            away = camera_center(other.poses[theirs]) - camera_center(part.poses[own])
            information += by.T @ by / _TIE_M**2
            right += by.T @ away / _TIE_M**2
            turned = other.poses[theirs][:3, :3].T @ part.poses[own][:3, :3]
            vector = (
                np.array([turned[2, 1] - turned[1, 2], turned[0, 2] - turned[2, 0], turned[1, 0] - turned[0, 1]]) / 2
            )
            information[:3, :3] += np.eye(3) / _TIE_RAD**2
            right[:3] += vector / _TIE_RAD**2
    return np.asarray(np.linalg.solve(information, right), np.float64)


def transformed(part: MapPart, step: Array) -> MapPart:
    """The part after a turn (radians, about the world's axes), a growth and a shift (metres) about its middle, (7,)."""
    turn, growth, middle = rotations_from_vectors(step[:3])[0], float(np.exp(step[3])), _middle(part)
    move = Similarity(turn, growth, middle + step[4:] - growth * turn @ middle)
    centers = move.points(camera_center(part.poses))
    poses = np.array([pose_from_center(pose[:3, :3] @ turn.T, c) for pose, c in zip(part.poses, centers, strict=True)])
    return replace(part, poses=poses, points=move.points(part.points))
