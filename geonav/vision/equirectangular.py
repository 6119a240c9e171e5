"""Perspective views cut out of an equirectangular panorama.

A panorama of W x H pixels (W = 2 H) shows the whole sphere: in its own camera frame (x right, y down, z forward, z
through the middle of the picture) the direction at longitude ``lon = atan2(x, z)`` and latitude ``lat = asin(-y)``
lies at ``u = (lon / 2 pi + 1/2) W``, ``v = (1/2 - lat / pi) H``, pixel centres at (0.5, 0.5). Its camera's azimuth,
pitch and roll are those of :mod:`geonav.geometry.orientation`.

Where the panorama is denser than the view, sampling it at points would alias. Each pixel of a view is therefore
interpolated in two neighbouring levels of a pyramid of block averages, weighed by how many pixels of the panorama it
covers (Williams, "Pyramidal parametrics", SIGGRAPH 1983). Blocks share their outer edges with the pixels they
average, so no level is shifted against another. Rows near the poles, where a pixel of the panorama is far narrower
than high, are averaged along the row first, so that a pyramid with square blocks suffices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from geonav.data.survey import ViewSpec
from geonav.errors import ImageError
from geonav.geometry.camera import Camera
from geonav.geometry.orientation import rotation_from_angles
from geonav.vision.base import Pixels

# Levels that would get less weight than this are left out: it cannot be seen, and each level costs a pass.
_LEAST_WEIGHT = 0.05
# Rows whose pixels are at least this much narrower than high are averaged along the row.
_NARROW = 1.5
_ROWS_AT_ONCE = 64
# Whole spheres are stored with a row or column more or less where their sides were odd.
_ASPECT_TOLERANCE_PX = 2
_MIN_HEIGHT_PX = 16


@dataclass(frozen=True)
class _Share:
    """The pixels of a view that take part of their colour from one level.

    Attributes:
        level: of the pyramid; 0 is the panorama itself.
        index: numbers (N,) of the pixels, row by row.
        weight: the part (N,), in (0, 1].
    """

    level: int
    index: torch.Tensor
    weight: torch.Tensor


@dataclass(frozen=True)
class _ViewShape:
    """What all views of one shape share, whatever their azimuth.

    Attributes:
        rays: (3, N) float32 unit vectors of the pixel centres in the view's camera frame, row by row.
        lon: (N,) radians of the rays in a level panorama whose middle has the view's azimuth.
        lat: (N,) radians, likewise.
        shares: which levels each pixel is taken from.
    """

    rays: torch.Tensor
    lon: torch.Tensor
    lat: torch.Tensor
    shares: tuple[_Share, ...]


@dataclass(frozen=True)
class _Level:
    """Some rows of one level of the pyramid.

    Attributes:
        pixels: (3, rows, width + 2) float32; the columns beyond each side repeat the other side's.
        first_row: number of the first of them; below 0 where they go beyond the pole.
        width: of the whole level in pixels.
        height: of the whole level in pixels.
    """

    pixels: torch.Tensor
    first_row: int
    width: int
    height: int


def cut_views(
    picture: Pixels, views: Sequence[ViewSpec], *, heading_deg: float, pitch_deg: float, roll_deg: float
) -> list[Pixels]:
    """Cut perspective views out of an equirectangular panorama, antialiased.

    What depends on the shape of the views and the height of the panorama alone is kept from call to call.

    Args:
        picture: (H, W, 3) uint8, the whole sphere.
        views: what to cut; their azimuths are true ones.
        heading_deg: azimuth of the middle of the picture, clockwise from true north.
        pitch_deg: of the picture, up positive.
        roll_deg: of the picture, clockwise positive as seen from behind the camera.

    Returns:
        One (h, w, 3) uint8 picture for each view, in their order.

    Raises:
        ImageError: the picture is not a whole sphere.
        InputError: a field of view that no perspective view has.
    """
    _check_sphere(picture)
    cut: list[Pixels] = []
    shape: _ViewShape | None = None
    levels: dict[int, _Level] = {}
    with _one_thread():
        for view in views:
            wanted = _shape(view.fov_deg, view.pitch_deg, view.width, view.height, picture.shape[0])
            if wanted is not shape:
                shape = wanted
                levels = _pyramid(picture, shape, tilt_rad=_tilt_rad(pitch_deg, roll_deg))
            lon, lat = _longitude_latitude(shape, view, (heading_deg, pitch_deg, roll_deg))
            cut.append(_sampled(levels, shape.shares, lon, lat).reshape(view.height, view.width, 3))
    return cut


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to the calling thread.

    Whoever fetches cuts several panoramas side by side. Sharing out each of the many small steps of one of them over
    cores that are busy with the others takes several times as long as going alone.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _check_sphere(picture: Pixels) -> None:
    """Refuse what is no whole sphere: where its pixels look is not known."""
    height, width = picture.shape[:2]
    if height < _MIN_HEIGHT_PX or abs(width - 2 * height) > _ASPECT_TOLERANCE_PX:
        msg = f"panorama is {width}x{height} pixels: a whole sphere is twice as wide as high; leave it out"
        raise ImageError(msg)


@lru_cache(maxsize=2)
def _shape(fov_deg: float, pitch_deg: float, width: int, height: int, panorama_height: int) -> _ViewShape:
    focal_px = Camera.from_fov(width, height, fov_deg).focal_px
    x = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / focal_px
    y = (np.arange(height, dtype=np.float32) + 0.5 - height / 2) / focal_px
    xyz = np.stack([*np.meshgrid(x, y), np.ones((height, width), np.float32)]).reshape(3, -1).astype(np.float32)
    rays = torch.from_numpy(xyz / np.linalg.norm(xyz, axis=0))
    lon, lat = _angles(rotation_from_angles(0.0) @ rotation_from_angles(0.0, pitch_deg).T, rays)
    # A pixel at theta off the axis covers cos^3(theta) / f^2 steradians, one of the panorama's equator (pi / H)^2.
    covered = rays[2] ** 1.5 * (panorama_height / (np.pi * focal_px))
    return _ViewShape(rays, lon, lat, _shares(torch.log2(covered), panorama_height))


def _shares(fineness: torch.Tensor, panorama_height: int) -> tuple[_Share, ...]:
    """Weights of the levels for pixels that are as wide as ``2 ** fineness`` pixels of the panorama."""
    coarsest = int(np.log2(panorama_height / _MIN_HEIGHT_PX))
    wanted = fineness.clamp(0, coarsest)
    nearest = wanted.round()
    wanted = torch.where((wanted - nearest).abs() < _LEAST_WEIGHT, nearest, wanted)
    shares = []
    for level in range(int(wanted.min()), int(wanted.max().ceil()) + 1):
        weight = 1 - (wanted - level).abs()
        index = torch.nonzero(weight > 0)[:, 0]
        if len(index):
            shares.append(_Share(level, index, weight[index]))
    return tuple(shares)


def _longitude_latitude(
    shape: _ViewShape, view: ViewSpec, panorama_deg: tuple[float, float, float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the pixels of a view lie in a panorama of some heading, pitch and roll, in radians (N,)."""
    heading_deg, pitch_deg, roll_deg = panorama_deg
    if pitch_deg == 0 and roll_deg == 0:
        return shape.lon + float(np.radians(view.azimuth_deg - heading_deg)), shape.lat
    panorama_from_enu = rotation_from_angles(heading_deg, pitch_deg, roll_deg)
    return _angles(panorama_from_enu @ rotation_from_angles(view.azimuth_deg, view.pitch_deg).T, shape.rays)


def _angles(rotation: NDArray[np.float64], rays: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Longitude and latitude (N,) in radians of ``rotation`` times rays (3, N)."""
    x, y, z = torch.from_numpy(rotation.astype(np.float32)) @ rays
    return torch.atan2(x, z), torch.atan2(-y, torch.hypot(x, z))


def _tilt_rad(pitch_deg: float, roll_deg: float) -> float:
    """How far a camera's vertical axis is off the true vertical, in radians."""
    down = rotation_from_angles(0.0, pitch_deg, roll_deg)[1]
    return float(np.arctan2(np.hypot(down[0], down[1]), -down[2]))


def _pyramid(picture: Pixels, shape: _ViewShape, *, tilt_rad: float) -> dict[int, _Level]:
    """The levels that views of one shape need, as far up and down as any of them can see in a tilted panorama.

    It does not depend on which of the views are cut, so that each comes out alike, to the bit, with and without others.
    """
    highest = min(np.pi / 2, float(shape.lat.max()) + tilt_rad)
    lowest = max(-np.pi / 2, float(shape.lat.min()) - tilt_rad)
    wanted = {share.level for share in shape.shares}
    levels = {}
    averaged = picture
    for level in range(max(wanted) + 1):
        if level:
            averaged = _halved(averaged)
        if level in wanted:
            levels[level] = _level(averaged, (highest, lowest))
    return levels


def _halved(pixels: Pixels) -> Pixels:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    width, height = picture.size
    if width % 2 == 0 and height % 2 == 0:
        return np.asarray(picture.reduce(2))
    return np.asarray(picture.resize((width // 2, height // 2), Image.Resampling.BOX))


def _level(pixels: Pixels, latitudes_rad: tuple[float, float]) -> _Level:
    height, width = pixels.shape[:2]
    # Linear interpolation needs the centre above and the centre below.
    first, last = (int(np.floor((0.5 - lat / np.pi) * height - 0.5)) for lat in latitudes_rad)
    rows = np.arange(max(first, -1), min(last + 1, height) + 1)
    padded = np.empty((3, len(rows), width + 2), np.float32)
    inside = slice(int(rows[0] < 0), len(rows) - int(rows[-1] >= height))
    padded[:, inside, 1:-1] = pixels[rows[inside]].transpose(2, 0, 1)
    planes = torch.from_numpy(padded)
    _average_narrow(planes[:, inside, 1:-1], np.cos((0.5 - (rows[inside] + 0.5) / height) * np.pi))
    # Beyond a pole lies the pole's own row, seen from the other side.
    if rows[0] < 0:
        planes[:, 0, 1:-1] = planes[:, 1, 1:-1].roll(width // 2, dims=1)
    if rows[-1] >= height:
        planes[:, -1, 1:-1] = planes[:, -2, 1:-1].roll(width // 2, dims=1)
    planes[:, :, 0], planes[:, :, -1] = planes[:, :, -2], planes[:, :, 1]
    return _Level(planes, int(rows[0]), width, height)


def _average_narrow(planes: torch.Tensor, narrowness: NDArray[np.float64]) -> None:
    """Average each row of (3, rows, width) planes over ``1 / narrowness`` of its pixels, in place, round the circle."""
    width = planes.shape[2]
    narrow = np.flatnonzero(narrowness * _NARROW < 1)
    for rows in np.array_split(narrow, -(-len(narrow) // _ROWS_AT_ONCE)) if len(narrow) else []:
        part = planes[:, rows]
        mean = part.mean(dim=2, keepdim=True)
        # Without its mean a row's running sum comes back to zero after one turn, so it can be read round the circle.
        sums = torch.cumsum(part - mean, dim=2).roll(1, dims=2)
        sums[:, :, 0] = 0.0
        half = torch.from_numpy(np.minimum(0.5 / narrowness[rows], width / 2)).float()[:, None]
        middle = torch.arange(width) + 0.5
        planes[:, rows] = mean + (_read(sums, middle + half) - _read(sums, middle - half)) / (2 * half)


def _read(sums: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Periodic sums (3, rows, width) at fractional columns (rows, width)."""
    width = sums.shape[2]
    before = at.floor()
    index = before.long().remainder(width).expand(3, -1, -1)
    after = (index + 1).remainder(width)
    return torch.lerp(sums.gather(2, index), sums.gather(2, after), (at - before).expand(3, -1, -1))


def _sampled(
    levels: dict[int, _Level], shares: tuple[_Share, ...], lon: torch.Tensor, lat: torch.Tensor
) -> NDArray[np.uint8]:
    """Colours (N, 3) at longitudes and latitudes (N,) in radians."""
    colours = torch.zeros(3, len(lon))
    for share in shares:
        part = _interpolated(levels[share.level], lon[share.index], lat[share.index])
        colours.index_add_(1, share.index, part * share.weight)
    return colours.add_(0.5).clamp_(0, 255).to(torch.uint8).T.contiguous().numpy()


def _interpolated(level: _Level, lon: torch.Tensor, lat: torch.Tensor) -> torch.Tensor:
    """Colours (3, N) of one level, linear between pixel centres."""
    _, rows, columns = level.pixels.shape
    x = (lon / (2 * np.pi) + 0.5).remainder(1.0) * level.width + 1.0
    y = (0.5 - lat / np.pi) * level.height - level.first_row
    # grid_sample counts from -1 to 1 between the outer edges of the outer pixels.
    grid = torch.stack([2 * x / columns - 1, 2 * y / rows - 1], dim=-1)[None, None]
    return torch.nn.functional.grid_sample(
        level.pixels[None], grid, mode="bilinear", padding_mode="border", align_corners=False
    )[0, :, 0]
