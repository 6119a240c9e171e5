"""Whole-sphere pictures of a scene: exact rays for every pixel, as for any other camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center
from geonav.providers.demo.photo import exposed
from geonav.providers.demo.render import RayGrid, View, grid_radiance
from geonav.providers.demo.visibility import project

if TYPE_CHECKING:
    from geonav.providers.demo.photo import Conditions
    from geonav.providers.demo.scene import Scene

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

_QUARTERS_DEG = (-135.0, -45.0, 45.0, 135.0)
_PER_PIXEL = 2
# Straight below, the ground lies at depth 0 of every quarter; it must be met up to the last pixel's middle.
_NEAR_M = 1e-4


def render_equirectangular(
    scene: Scene, center: Floats, heading_deg: float, width: int, conditions: Conditions, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Photograph a scene in all directions; the camera is upright.

    Each pixel's ray is exact: the middle column looks along the heading, columns grow clockwise,
    the first row looks up. A quarter turn at a time is cast like a picture whose rays lie within
    45 degrees to both sides of its axis, which is true of all heights.

    Args:
        scene: What stands there.
        center: (3,) of the camera, ENU.
        heading_deg: Of the picture's middle, clockwise from north.
        width: Pixels, a multiple of 8; the height is half of it.
        conditions: Light and exposure.
        rng: Source of the sensor noise.

    Returns:
        (width / 2, width, 3) uint8 RGB.
    """
    step = 2 * np.pi / width
    shade = conditions.light.shade(scene.quads.normal)

    def spread(x: Singles, y: Singles) -> tuple[Singles, Singles, Singles]:
        # x = tan(a), y = -tan(h) / cos(a) for a direction a to the right of the axis and h above level.
        secant = 1 + x * x
        root = np.sqrt(secant)
        return secant * np.float32(step), x * y * np.float32(step), (1 + y * y / secant) * root * np.float32(step)

    parts = []
    for turn_deg in _QUARTERS_DEG:
        pose = pose_from_center(rotation_from_angles(heading_deg + turn_deg), center)
        view = View(project(scene.quads, shade, pose, _NEAR_M), spread, scene.atlas, conditions.light, pose[:3, :3].T)
        parts.append(grid_radiance(view, _quarter(width, 1), _quarter(width, _PER_PIXEL)))
    return exposed(np.concatenate(parts, axis=1), conditions.exposure, rng)


def _quarter(width: int, per_pixel: int) -> RayGrid:
    """Rays of a quarter of the sphere, (width / 2, width / 4) pixels."""
    columns, rows = width // 4 * per_pixel, width // 2 * per_pixel
    aside = (np.arange(columns) + 0.5) / columns * (np.pi / 2) - np.pi / 4
    above = np.pi / 2 - (np.arange(rows) + 0.5) / rows * np.pi
    x = np.broadcast_to(np.tan(aside), (rows, columns))
    y = -np.tan(above)[:, None] / np.cos(aside)
    return RayGrid(x.astype(np.float32), y.astype(np.float32))
