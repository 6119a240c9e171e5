"""Rigid poses as 4x4 matrices ``camera_from_world``."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def pose_matrix(rotation: ArrayLike, translation: ArrayLike) -> Array:
    """``E`` (4, 4) from ``camera_from_world`` rotation (3, 3) and translation (3,) in metres."""
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = translation
    return pose


def pose_from_center(rotation: ArrayLike, center_m: ArrayLike) -> Array:
    """``E`` (4, 4) of a camera with its centre at ``center_m`` (3,) in the world."""
    rot = np.asarray(rotation, float)
    return pose_matrix(rot, -rot @ np.asarray(center_m, float))


def camera_center(pose: ArrayLike) -> Array:
    """Centre(s) ``(..., 3)`` in world metres of poses ``camera_from_world`` ``(..., 4, 4)``."""
    mat = np.asarray(pose, float)
    center: Array = -np.einsum("...ji,...j->...i", mat[..., :3, :3], mat[..., :3, 3])
    return center


def is_rotation(matrix: ArrayLike, tolerance: float = 1e-4) -> bool:
    """Whether a (3, 3) matrix is orthonormal with determinant +1 to ``tolerance``."""
    mat = np.asarray(matrix, float)
    if mat.shape != (3, 3) or not np.isfinite(mat).all():
        return False
    return bool(np.abs(mat @ mat.T - np.eye(3)).max() < tolerance and np.linalg.det(mat) > 0)


def nearest_rotation(matrix: ArrayLike) -> Array:
    """The rotation (3, 3) closest to ``matrix`` in the Frobenius norm."""
    u, _, vt = np.linalg.svd(np.asarray(matrix, float))
    rotation: Array = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    return rotation


def rotation_error_deg(rotation0: ArrayLike, rotation1: ArrayLike) -> float:
    """Angle in degrees between two rotations (3, 3); exact for small angles too."""
    delta = np.asarray(rotation0, float) @ np.asarray(rotation1, float).T
    sine = np.linalg.norm([delta[2, 1] - delta[1, 2], delta[0, 2] - delta[2, 0], delta[1, 0] - delta[0, 1]])
    return float(np.degrees(np.arctan2(sine, np.trace(delta) - 1.0)))


def rotation_from_vector(vector: ArrayLike) -> Array:
    """Rotation (3, 3) about ``vector`` (3,) by its length in radians (Rodrigues' formula)."""
    vec = np.asarray(vector, float)
    angle = float(np.linalg.norm(vec))
    skew = np.array([[0, -vec[2], vec[1]], [vec[2], 0, -vec[0]], [-vec[1], vec[0], 0]])
    if angle < 1e-8:
        return nearest_rotation(np.eye(3) + skew)
    rotation: Array = np.eye(3) + np.sin(angle) / angle * skew + (1 - np.cos(angle)) / angle**2 * skew @ skew
    return rotation


def rotations_from_vectors(vectors: ArrayLike) -> Array:
    """Rotations (N, 3, 3) about vectors (N, 3) by their lengths in radians (Rodrigues' formula)."""
    vec = np.asarray(vectors, float).reshape(-1, 3)
    angle = np.linalg.norm(vec, axis=1)
    skew = np.zeros((len(vec), 3, 3))
    skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0] = vec[:, 0], vec[:, 1], vec[:, 2]
    skew -= np.swapaxes(skew, 1, 2)
    sine = np.sinc(angle / np.pi)[:, None, None]  # sin(a) / a
    half = np.sinc(angle / (2 * np.pi))[:, None, None]
    rotations: Array = np.eye(3) + sine * skew + 0.5 * half**2 * skew @ skew
    return rotations
