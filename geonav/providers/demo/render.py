"""What a camera sees of a scene: visible surfaces by ray casting, colours by filtered lookup.

Every sample is the exact intersection of a pixel's ray (of any camera model of COLMAP's that looks
forward) with a parallelogram; nothing is warped or resampled afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geonav.errors import UsageError
from geonav.geometry.pose import camera_center
from geonav.providers.demo.visibility import Projected, project

if TYPE_CHECKING:
    from geonav.geometry.camera import Camera
    from geonav.providers.demo.atlas import Texels
    from geonav.providers.demo.photo import Light
    from geonav.providers.demo.quads import Quads

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Spread = Callable[["Singles", "Singles"], tuple["Singles | np.float32", "Singles | np.float32", "Singles | np.float32"]]
"""From rays x / z and y / z (N,): how much x grows by a column, y by a column, and y by a row."""
Ints = NDArray[np.int64]

SKY = -1
_SAMPLES_AT_ONCE = 1 << 16
_MAX_PROBES = 4


@dataclass(frozen=True)
class RayGrid:
    """Rays through a regular grid of points of a picture, as x / z and y / z.

    Attributes:
        x: (h, w), or (1, w) for cameras without distortion.
        y: (h, w), or (h, 1) likewise.
    """

    x: Singles
    y: Singles

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w)."""
        return (max(self.x.shape[0], self.y.shape[0]), max(self.x.shape[1], self.y.shape[1]))

    def full(self) -> tuple[Singles, Singles]:
        """Both x and y as (h, w)."""
        x, y = np.broadcast_arrays(self.x, self.y)
        return x, y


@lru_cache(maxsize=8)
def ray_grid(camera: Camera, per_pixel: int) -> RayGrid:
    """Rays through per_pixel x per_pixel regular points of each pixel.

    Raises:
        UsageError: The camera looks to the side or back at some pixels, as fisheyes can.
    """
    columns = (np.arange(camera.width * per_pixel) + 0.5) / per_pixel
    rows = (np.arange(camera.height * per_pixel) + 0.5) / per_pixel
    if camera.is_pinhole:
        (fx, fy), (cx, cy) = camera.focal_lengths_px, camera.principal_point_px
        x, y = ((columns - cx) / fx)[None], ((rows - cy) / fy)[:, None]
    else:
        pixels = np.stack(np.meshgrid(columns, rows), axis=-1)
        rays = camera.rays_from_pixels(pixels.reshape(-1, 2)).reshape(*pixels.shape[:2], 3)
        if not np.all(rays[..., 2] > 0.05):
            msg = (
                f"the demo renders cameras whose every pixel looks forward, {camera.model} here does "
                "not: use a narrower field of view"
            )
            raise UsageError(msg)
        x, y = rays[..., 0] / rays[..., 2], rays[..., 1] / rays[..., 2]
    return RayGrid(x.astype(np.float32), y.astype(np.float32))


def visible_surfaces(projected: Projected, grid: RayGrid) -> Ints:
    """Index into `projected` of the nearest surface at each point of the grid, or SKY; (h, w)."""
    nearest = np.full(grid.shape, SKY, np.int64)
    inverse_depth = np.zeros(grid.shape, np.float32)
    boxes = _boxes(projected, grid)
    for i in np.flatnonzero((boxes[:, 0] < boxes[:, 1]) & (boxes[:, 2] < boxes[:, 3])):
        top, bottom, left, right = boxes[i]
        window = np.s_[top:bottom, left:right]
        x = grid.x[:, left:right] if len(grid.x) == 1 else grid.x[window]
        y = grid.y[top:bottom] if grid.y.shape[1] == 1 else grid.y[window]
        a, b, w = (m[0] * x + m[1] * y + m[2] for m in projected.rows[i].astype(np.float32))
        # A hair of overlap, so that no ray slips through between two neighbours.
        slack = w * np.float32(1e-5)
        hit = (w > inverse_depth[window]) & (a >= -slack) & (b >= -slack)
        hit &= (a <= w + slack) & (b <= w + slack)
        inverse_depth[window][hit] = w[hit]
        nearest[window][hit] = i
    return nearest


def _boxes(projected: Projected, grid: RayGrid) -> Ints:
    """(Q, 4) top, bottom, left, right: the part of the grid where a surface can be."""
    # Running extremes make the grid's x monotonous per column whatever the distortion.
    columns = _range(grid.x.min(axis=0), grid.x.max(axis=0), projected.bounds[:, :2])
    rows = _range(grid.y.min(axis=1), grid.y.max(axis=1), projected.bounds[:, 2:])
    return np.concatenate([rows, columns], axis=1)


def _range(lowest: Singles, highest: Singles, bounds: Floats) -> Ints:
    """(Q, 2) first and behind-last index where [lowest, highest] can meet the bounds."""
    highest = np.maximum.accumulate(highest)
    lowest = np.minimum.accumulate(lowest[::-1])[::-1]
    margin = 1e-5
    first = np.searchsorted(highest, bounds[:, 0] - margin, side="left")
    last = np.searchsorted(lowest, bounds[:, 1] + margin, side="right")
    return np.stack([first, last], axis=1)


@dataclass(frozen=True)
class View:
    """A scene's surfaces as one camera at one place sees them, and what colours them."""

    projected: Projected
    spread: Spread
    atlas: Texels
    light: Light
    world_from_camera: Floats

    def colours(self, surface: Ints, x: Singles, y: Singles) -> Singles:
        """(N, 3) colours of rays (N,) that meet the given surfaces, or the sky."""
        out = np.empty((len(surface), 3), np.float32)
        for start in range(0, len(surface), _SAMPLES_AT_ONCE):
            part = slice(start, start + _SAMPLES_AT_ONCE)
            out[part] = self._part(surface[part], x[part], y[part])
        return out

    def _part(self, surface: Ints, x: Singles, y: Singles) -> Singles:
        out = np.empty((len(surface), 3), np.float32)
        sky = surface == SKY
        if sky.any():
            rays = np.stack([x[sky], y[sky], np.ones(sky.sum(), np.float32)], axis=1)
            out[sky] = self.light.sky(rays @ self.world_from_camera.T.astype(np.float32))
        solid = np.flatnonzero(~sky)
        if len(solid):
            out[solid] = self._surface_colours(surface[solid], x[solid], y[solid])
        return out

    def _surface_colours(self, surface: Ints, x: Singles, y: Singles) -> Singles:
        prj = self.projected
        m = prj.rows[surface].astype(np.float32)
        a, b, w = (m[:, k, 0] * x + m[:, k, 1] * y + m[:, k, 2] for k in range(3))
        a, b, depth = a / w, b / w, 1 / w
        origin, span = prj.texel_origin[surface], prj.texel_span[surface]
        texel = [origin[:, k] + span[:, k] * value for k, value in enumerate((a, b))]
        # Derivatives of the texel by the pixel: d(a/w) = (da - (a/w) dw) / w.
        column_x, column_y, row_y = self.spread(x, y)
        slopes = []
        for k, value in enumerate((a, b)):
            by_x, by_y = ((m[:, k, i] - value * m[:, 2, i]) * (depth * span[:, k]) for i in (0, 1))
            slopes.append([np.asarray(each, np.float32) for each in (by_x * column_x + by_y * column_y, by_y * row_y)])
        colour = self._filtered(prj.texture[surface], texel, slopes)
        return np.asarray(colour * prj.tint[surface], dtype=np.float32)

    def _filtered(self, texture: Ints, texel: list[Singles], slopes: list[list[Singles]]) -> Singles:
        """Texture averaged over a pixel's footprint, by several probes along its longer axis."""
        (ux, uy), (vx, vy) = slopes
        uu, uv, vv = ux * ux + uy * uy, ux * vx + uy * vy, vx * vx + vy * vy
        root = np.sqrt(np.maximum((uu - vv) ** 2 + 4 * uv * uv, 0))
        longer = np.sqrt(np.maximum((uu + vv + root) / 2, 1e-12))
        shorter = np.sqrt(np.maximum((uu + vv - root) / 2, 1e-12))
        angle = np.float32(0.5) * np.arctan2(2 * uv, uu - vv)
        along = [longer * np.cos(angle), longer * np.sin(angle)]
        probes = np.clip(np.rint(longer / shorter), 1, _MAX_PROBES)
        level = np.log2(np.maximum(longer / probes, shorter))
        out = np.zeros((len(texture), 3), np.float32)
        for k in range(_MAX_PROBES):
            part = np.flatnonzero(probes > k)
            if not len(part):
                break
            n = probes[part]
            step = ((k + np.float32(0.5)) / n - np.float32(0.5)).astype(np.float32)
            u, v = (texel[i][part] + step * along[i][part] for i in (0, 1))
            colour = self.atlas.sample(texture[part], u, v, level[part])
            out[part] += colour / n[:, None]
        return out


def shaded(quads: Quads, atlas: Texels, light: Light, camera: Camera, E: Floats) -> View:
    """The scene made ready for one camera.

    Args:
        quads: Surfaces.
        atlas: Their textures.
        light: Sun, sky and clouds.
        camera: Intrinsics.
        E: (4, 4) camera_from_world, world in ENU.
    """
    projected = project(quads, light.shade(quads.normal), E)
    step = np.float32(1 / camera.focal_px)

    def spread(_x: Singles, _y: Singles) -> tuple[np.float32, np.float32, np.float32]:
        return step, np.float32(0), step

    return View(projected, spread, atlas, light, np.asarray(E)[:3, :3].T)


def radiance(view: View, camera: Camera, per_pixel: int = 2) -> Singles:
    """The noise-free picture.

    Pixels that lie on one surface take one filtered sample at their centre; those on an edge
    average per_pixel x per_pixel samples.

    Returns:
        (h, w, 3) RGB, 0 to 255 (and above, where overexposed).
    """
    return grid_radiance(view, ray_grid(camera, 1), ray_grid(camera, per_pixel))


def grid_radiance(view: View, coarse: RayGrid, fine: RayGrid) -> Singles:
    """The same for any picture whose pixels' rays are given.

    Args:
        view: The scene made ready.
        coarse: Rays through the middles of the pixels, (h, w).
        fine: Rays through a whole number of points per pixel along each side.
    """
    (height, width), per_pixel = coarse.shape, fine.shape[0] // coarse.shape[0]
    surfaces = visible_surfaces(view.projected, fine)
    blocks = surfaces.reshape(height, per_pixel, width, per_pixel).swapaxes(1, 2).reshape(height * width, -1)
    edge = (blocks != blocks[:, :1]).any(axis=1)
    out = np.empty((height * width, 3), np.float32)
    x, y = (grid.reshape(-1) for grid in coarse.full())
    out[~edge] = view.colours(blocks[~edge, 0], x[~edge], y[~edge])
    fine_x, fine_y = (
        grid.reshape(height, per_pixel, width, per_pixel).swapaxes(1, 2).reshape(blocks.shape)[edge]
        for grid in fine.full()
    )
    samples = view.colours(blocks[edge].reshape(-1), fine_x.reshape(-1), fine_y.reshape(-1))
    out[edge] = samples.reshape(-1, per_pixel * per_pixel, 3).mean(axis=1)
    return out.reshape(height, width, 3)


def raycast(quads: Quads, camera: Camera, E: ArrayLike, pixels: ArrayLike) -> Floats:
    """Where the rays of pixels meet the scene.

    Args:
        quads: Surfaces.
        camera: Intrinsics.
        E: (4, 4) camera_from_world, world in ENU.
        pixels: (N, 2), the centre of the first pixel is (0.5, 0.5).

    Returns:
        (N, 3) points in ENU metres; NaN where a ray meets nothing.
    """
    pose = np.asarray(E, float)
    projected = project(quads, np.ones((len(quads), 3)), pose)
    rays = camera.rays_from_pixels(pixels)
    points = np.full((len(rays), 3), np.nan)
    center = camera_center(pose)
    for i, ray in enumerate(rays):
        a, b, w = (projected.rows @ (ray / ray[2])).T
        hit = (w > 0) & (a >= 0) & (b >= 0) & (a <= w) & (b <= w)
        if hit.any():
            points[i] = center + pose[:3, :3].T @ (ray / ray[2]) / w[hit].max()
    return points
