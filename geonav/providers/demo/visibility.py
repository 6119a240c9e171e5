"""Surfaces in a camera's frame: which can be seen, where, and the rows that intersect rays with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from geonav.providers.demo.quads import Quads

Floats = NDArray[np.float64]

NEAR_M = 0.05


@dataclass(frozen=True)
class Projected:
    """The surfaces that face a camera, nothing behind it.

    For a ray d = (x, y, 1), rows @ d = (a', b', w): the ray meets the surface's plane at depth 1 / w,
    at the fractions a = a' / w of edge_u and b = b' / w of edge_v.

    Attributes:
        rows: (Q, 3, 3).
        bounds: (Q, 4) least and greatest x / z, least and greatest y / z.
        texture: (Q,)
        texel_origin: (Q, 2)
        texel_span: (Q, 2)
        tint: (Q, 3) with the light's shading.
    """

    rows: Floats
    bounds: Floats
    texture: NDArray[np.int64]
    texel_origin: NDArray[np.float32]
    texel_span: NDArray[np.float32]
    tint: NDArray[np.float32]


def project(quads: Quads, shade: Floats, E: Floats, near_m: float = NEAR_M) -> Projected:
    """Take surfaces into a camera's frame.

    Args:
        quads: Surfaces in ENU.
        shade: (Q, 3) or (Q, 1) light that falls on each.
        E: (4, 4) camera_from_world.
        near_m: Depth from which on surfaces are looked for.
    """
    rotation, translation = E[:3, :3], E[:3, 3]
    origin = quads.origin @ rotation.T + translation
    edge_u, edge_v = quads.edge_u @ rotation.T, quads.edge_v @ rotation.T
    # 6 times the volume spanned by the camera and the surface: > 0 where its front is seen.
    volume = np.einsum("qi,qi->q", np.cross(edge_u, edge_v), origin)
    area = np.linalg.norm(np.cross(edge_u, edge_v), axis=1)
    depths = origin[:, 2:] + edge_u[:, 2:] * [0, 1, 0, 1] + edge_v[:, 2:] * [0, 0, 1, 1]
    keep = (volume > 1e-6 * area) & (depths.max(axis=1) > near_m)
    origin, edge_u, edge_v = origin[keep], edge_u[keep], edge_v[keep]
    return Projected(
        rows=np.linalg.inv(np.stack([edge_u, edge_v, origin], axis=2)),
        bounds=_bounds(origin, edge_u, edge_v, near_m),
        texture=quads.texture[keep],
        texel_origin=quads.texel_origin[keep].astype(np.float32),
        texel_span=quads.texel_span[keep].astype(np.float32),
        tint=(quads.tint[keep] * shade[keep]).astype(np.float32),
    )


def _bounds(origin: Floats, edge_u: Floats, edge_v: Floats, near_m: float) -> Floats:
    """(Q, 4) extent in x / z and y / z of what lies before the near plane."""
    corners = np.stack([origin, origin + edge_u, origin + edge_u + edge_v, origin + edge_v], axis=1)
    following = np.roll(corners, -1, axis=1)
    z0, z1 = corners[..., 2] - near_m, following[..., 2] - near_m
    crosses = (z0 > 0) != (z1 > 0)
    share = np.where(crosses, z0 / np.where(crosses, z0 - z1, 1), 0)[..., None]
    cuts = corners + share * (following - corners)
    points = np.concatenate([corners, cuts], axis=1)
    seen = np.concatenate([z0 > 0, crosses], axis=1)
    flat = points[..., :2] / np.where(seen, points[..., 2], 1)[..., None]
    low = np.where(seen[..., None], flat, np.inf).min(axis=1)
    high = np.where(seen[..., None], flat, -np.inf).max(axis=1)
    return np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)
