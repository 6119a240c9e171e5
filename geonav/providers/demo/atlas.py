"""All textures of a scene with their mip pyramids in one array, and filtered lookup in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

MAX_LEVEL = 7


class Texels(Protocol):
    """Textures that can be looked up."""

    def sample(self, texture: Ints, u: Floats, v: Floats, level: Floats) -> Floats:
        """See Atlas.sample."""


@dataclass(frozen=True)
class Atlas:
    """Frozen set of textures.

    Attributes:
        texels: (N,) uint32, RGBA packed; all levels of all textures one after another.
        offsets: (T, MAX_LEVEL + 1) index of the first texel of each level.
        heights: (T, MAX_LEVEL + 1) texels.
        widths: (T, MAX_LEVEL + 1) texels.
        levels: (T,) highest level of each texture.
        wraps: (T,) whether the texture tiles; the others are continued by their border.
    """

    texels: NDArray[np.uint32]
    offsets: Ints
    heights: Ints
    widths: Ints
    levels: Ints
    wraps: NDArray[np.bool_]

    def sample(self, texture: Ints, u: Floats, v: Floats, level: Floats) -> Floats:
        """Trilinear lookup.

        Args:
            texture: (N,) texture numbers.
            u: (N,) column in texels of level 0; the first texel's centre is 0.5.
            v: (N,) row, likewise.
            level: (N,) mip level, fractions allowed; clipped to what exists.

        Returns:
            (N, 3) RGB, 0 to 255.
        """
        level = np.clip(level, 0, self.levels[texture]).astype(np.float32)
        lower = np.floor(level).astype(np.int64)
        fraction = (level - lower)[:, None]
        colour = self._bilinear(texture, u, v, lower)
        between = np.flatnonzero(fraction[:, 0] > 0)
        if len(between):
            upper = self._bilinear(texture[between], u[between], v[between], lower[between] + 1)
            colour[between] += fraction[between] * (upper - colour[between])
        return colour[:, :3]

    def _bilinear(self, texture: Ints, u: Floats, v: Floats, level: Ints) -> Floats:
        """(N, 4) colours at one whole level per sample."""
        scale = np.exp2(-level.astype(np.float32))
        x, y = u * scale - np.float32(0.5), v * scale - np.float32(0.5)
        left, top = np.floor(x), np.floor(y)
        fx, fy = (x - left)[:, None], (y - top)[:, None]
        width, height = self.widths[texture, level], self.heights[texture, level]
        wraps, offset = self.wraps[texture], self.offsets[texture, level]
        columns = [_inside(left.astype(np.int64) + k, width, wraps) for k in (0, 1)]
        rows = [offset + width * _inside(top.astype(np.int64) + k, height, wraps) for k in (0, 1)]
        upper = self._fetch(rows[0] + columns[0]) * (1 - fx) + self._fetch(rows[0] + columns[1]) * fx
        lower = self._fetch(rows[1] + columns[0]) * (1 - fx) + self._fetch(rows[1] + columns[1]) * fx
        return np.asarray(upper * (1 - fy) + lower * fy, dtype=np.float32)

    def _fetch(self, index: Ints) -> Floats:
        texels = self.texels.take(index).view(np.uint8).reshape(-1, 4)
        return texels.astype(np.float32)


def _inside(index: Ints, size: Ints, wraps: NDArray[np.bool_]) -> Ints:
    """Bring indices into [0, size): by tiling (sizes are powers of two) or by the border."""
    return np.where(wraps, index & (size - 1), np.clip(index, 0, size - 1))


class AtlasBuilder:
    """Collects textures; `build` freezes them."""

    def __init__(self) -> None:
        self._textures: list[list[NDArray[np.uint8]]] = []
        self._wraps: list[bool] = []

    def add(self, picture: NDArray[np.float32], *, wraps: bool = False) -> int:
        """Store a picture and its pyramid.

        Args:
            picture: (h, w, 3) RGB, 0 to 255.
            wraps: Whether it tiles; both sides must then be powers of two.

        Returns:
            The texture's number.

        Raises:
            ValueError: A tiling picture has a side that is not a power of two.
        """
        sides = picture.shape[:2]
        if wraps and any(side & (side - 1) for side in sides):
            msg = f"a tiling texture needs sides that are powers of two, got {sides}"
            raise ValueError(msg)
        self._textures.append(_pyramid(picture))
        self._wraps.append(wraps)
        return len(self._textures) - 1

    def build(self) -> Atlas:
        """Freeze the textures."""
        count = len(self._textures)
        offsets, heights, widths = (np.zeros((count, MAX_LEVEL + 1), np.int64) for _ in range(3))
        levels = np.array([len(t) - 1 for t in self._textures], np.int64)
        position = 0
        for i, pyramid in enumerate(self._textures):
            for j, level in enumerate(pyramid):
                offsets[i, j], heights[i, j], widths[i, j] = position, *level.shape[:2]
                position += level.shape[0] * level.shape[1]
        texels = np.concatenate([level.reshape(-1, 4).view(np.uint32)[:, 0] for t in self._textures for level in t])
        return Atlas(texels, offsets, heights, widths, levels, np.array(self._wraps))


def _pyramid(picture: NDArray[np.float32]) -> list[NDArray[np.uint8]]:
    """RGBA levels; sides are padded so that each level is an exact half of the one before."""
    height, width = picture.shape[:2]
    num_levels = min(MAX_LEVEL, max(0, int(np.log2(max(1, min(height, width))))))
    multiple = 1 << num_levels
    padding = ((0, -height % multiple), (0, -width % multiple), (0, 0))
    level = np.pad(np.asarray(picture, np.float32), padding, mode="edge")
    pyramid = [_rgba(level)]
    for _ in range(num_levels):
        # Average of 2 x 2, in float, so that rounding does not add up over the levels.
        level = (level[::2] + level[1::2]) * np.float32(0.5)
        level = (level[:, ::2] + level[:, 1::2]) * np.float32(0.5)
        pyramid.append(_rgba(level))
    return pyramid


def _rgba(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    out = np.full((*picture.shape[:2], 4), 255, np.uint8)
    out[..., :3] = np.clip(np.rint(picture), 0, 255)
    return out
