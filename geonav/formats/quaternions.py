"""Unit quaternions ``w x y z`` (Hamilton), as COLMAP, the long-term benchmark and kapture write rotations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geonav.geometry.pose import nearest_rotation, pose_matrix

Array = NDArray[np.float64]
# A quaternion that is further from length 1 than this was not meant as a rotation.
_LENGTH_TOLERANCE = 1e-3


def quaternion_from_rotation(rotation: ArrayLike) -> tuple[float, float, float, float]:
    """``w x y z`` with ``w >= 0`` of a rotation (3, 3).

    Each component is divided by the largest, which keeps all digits near half turns (Shepperd 1978).
    """
    r = nearest_rotation(rotation)
    # 4 q q^T, from sums and differences of the entries of the matrix
    products = np.array(
        [
            [1 + r[0, 0] + r[1, 1] + r[2, 2], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], 1 + r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0]],
            [r[0, 2] - r[2, 0], r[0, 1] + r[1, 0], 1 - r[0, 0] + r[1, 1] - r[2, 2], r[1, 2] + r[2, 1]],
            [r[1, 0] - r[0, 1], r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], 1 - r[0, 0] - r[1, 1] + r[2, 2]],
        ]
    )
    row = products[int(np.argmax(np.diag(products)))]
    quaternion = row / np.linalg.norm(row) * (-1.0 if row[0] < 0 else 1.0)
    w, x, y, z = (float(value) for value in quaternion)
    return w, x, y, z


def rotation_from_quaternion(quaternion_wxyz: Sequence[float]) -> Array:
    """Rotation (3, 3) of a quaternion, which is brought to length 1 first.

    Raises:
        ValueError: it is not finite, or its length is far from 1.
    """
    quaternion = np.asarray(quaternion_wxyz, float)
    length = float(np.linalg.norm(quaternion))
    if not abs(length - 1) <= _LENGTH_TOLERANCE:
        msg = f"quaternion {' '.join(f'{value:g}' for value in quaternion)} is not of length 1"
        raise ValueError(msg)
    w, x, y, z = quaternion / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def pose_numbers(pose: ArrayLike) -> tuple[float, ...]:
    """``qw qx qy qz tx ty tz`` of ``camera_from_world`` (4, 4)."""
    matrix = np.asarray(pose, float)
    return (*quaternion_from_rotation(matrix[:3, :3]), *(float(value) for value in matrix[:3, 3]))


def pose_from_numbers(numbers: Sequence[float]) -> Array:
    """``camera_from_world`` (4, 4) of ``qw qx qy qz tx ty tz``.

    Raises:
        ValueError: not seven finite numbers, or no rotation.
    """
    if len(numbers) != 7 or not np.isfinite(numbers).all():
        msg = "a pose is seven finite numbers qw qx qy qz tx ty tz"
        raise ValueError(msg)
    return pose_matrix(rotation_from_quaternion(numbers[:4]), numbers[4:])
