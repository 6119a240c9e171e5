"""Azimuth, pitch and roll of a camera, and the rotation they stand for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def _level_axes(azimuth_rad: float, pitch_rad: float) -> tuple[Array, Array, Array]:
    """Right, down and forward axes in ENU of a camera without roll."""
    sin_a, cos_a = np.sin(azimuth_rad), np.cos(azimuth_rad)
    sin_p, cos_p = np.sin(pitch_rad), np.cos(pitch_rad)
    forward = np.array([sin_a * cos_p, cos_a * cos_p, sin_p])
    right = np.array([cos_a, -sin_a, 0.0])
    return right, np.cross(forward, right), forward


def rotation_from_angles(azimuth_deg: float, pitch_deg: float = 0.0, roll_deg: float = 0.0) -> Array:
    """Rotation ``camera_from_enu`` (3, 3).

    Args:
        azimuth_deg: of the optical axis, clockwise from true north.
        pitch_deg: positive when the camera looks up.
        roll_deg: positive when the camera is turned clockwise as seen from behind it.
    """
    right, down, forward = _level_axes(np.radians(azimuth_deg), np.radians(pitch_deg))
    sin_r, cos_r = np.sin(np.radians(roll_deg)), np.cos(np.radians(roll_deg))
    return np.stack([cos_r * right + sin_r * down, cos_r * down - sin_r * right, forward])


def angles_from_rotation(camera_from_enu: Array) -> tuple[float, float, float]:
    """Azimuth in [0, 360), pitch in [-90, 90] and roll in (-180, 180], all in degrees.

    A camera that looks straight up or down has no azimuth; it then gets the one of its upper edge's
    projection that makes the roll zero.
    """
    right, forward = camera_from_enu[0], camera_from_enu[2]
    pitch = np.arctan2(forward[2], np.hypot(forward[0], forward[1]))
    if np.hypot(forward[0], forward[1]) < 1e-9:
        azimuth = np.arctan2(-right[1], right[0])
    else:
        azimuth = np.arctan2(forward[0], forward[1])
    level_right, level_down, _ = _level_axes(azimuth, pitch)
    roll = np.arctan2(right @ level_down, right @ level_right)
    azimuth_deg = float(np.degrees(azimuth) % 360.0)
    return (0.0 if azimuth_deg >= 360.0 else azimuth_deg), float(np.degrees(pitch)), float(np.degrees(roll))
