"""Building materials as pictures: noise at several scales, plaster, brick, stone, tiles, asphalt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
"""(h, w, 3) RGB, 0 to 255, row 0 at the top."""

Colour = tuple[float, float, float]

_FFT_MULTIPLE = 64


def fractal_noise(rng: np.random.Generator, shape: tuple[int, int], *, slope: float = 1.0) -> NDArray[np.float32]:
    """Noise whose amplitude falls with the given power of the frequency.

    It is periodic where both sides are multiples of 64, so such pictures tile without a seam.

    Args:
        rng: Source of randomness.
        shape: (h, w) in texels.
        slope: 0 is white noise, 1 looks like weathered plaster, 2 like clouds.

    Returns:
        (h, w) with mean 0 and standard deviation 1.
    """
    height, width = (-(-side // _FFT_MULTIPLE) * _FFT_MULTIPLE for side in shape)
    spectrum = np.fft.rfft2(rng.standard_normal((height, width), dtype=np.float32))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(spectrum * frequency.astype(np.float32) ** -slope, s=(height, width))
    noise = noise[: shape[0], : shape[1]]
    return np.asarray((noise - noise.mean()) / max(noise.std(), 1e-9), dtype=np.float32)


def flat(colour: Colour, shape: tuple[int, int]) -> Picture:
    """One colour, (h, w, 3)."""
    return np.broadcast_to(np.asarray(colour, np.float32), (*shape, 3)).copy()


def plaster(rng: np.random.Generator, shape: tuple[int, int], colour: Colour) -> Picture:
    """Rendered wall: blotches, grain, a little dirt that grows towards the ground."""
    blotches = fractal_noise(rng, shape, slope=1.5)
    grain = fractal_noise(rng, shape, slope=0.6)
    dirt = np.clip(fractal_noise(rng, shape, slope=1.2) - 0.9, 0, 2)
    low = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None] ** 3
    tone = 1 + 0.045 * blotches + 0.05 * grain - 0.13 * dirt - 0.12 * low
    picture: Picture = flat(colour, shape) * tone[..., None]
    return picture


def courses(
    rng: np.random.Generator,
    shape: tuple[int, int],
    colour: Colour,
    *,
    block_px: tuple[float, float],
    joint_px: float,
    contrast: float,
) -> Picture:
    """Masonry in courses: bricks, ashlar, paving slabs or roof tiles, by the size of the block.

    Args:
        rng: Source of randomness.
        shape: (h, w) in texels.
        colour: Mean colour of a block.
        block_px: (height, width) of a block in texels.
        joint_px: Width of the joints in texels.
        contrast: Standard deviation of the blocks' brightness.
    """
    rows, columns = np.arange(shape[0]) / block_px[0], np.arange(shape[1]) / block_px[1]
    row = np.floor(rows).astype(int)
    num_rows, num_columns = row[-1] + 1, int(columns[-1]) + 3
    shift = 0.5 * (np.arange(num_rows) % 2) + rng.uniform(-0.12, 0.12, num_rows)
    along = columns[None] + 0.5 + shift[row][:, None]
    column = np.clip(np.floor(along).astype(int), 0, num_columns - 1)
    tone = 1 + contrast * rng.standard_normal((num_rows, num_columns))
    hue = 1 + 0.35 * contrast * rng.standard_normal((num_rows, num_columns, 3))
    blocks = (tone[..., None] * hue).astype(np.float32)[row[:, None], column]
    joint = ((rows - row) * block_px[0] < joint_px)[:, None] | ((along - column) * block_px[1] < joint_px)
    grain = 1 + 0.06 * fractal_noise(rng, shape, slope=0.7)
    weather = 1 + 0.05 * fractal_noise(rng, shape, slope=1.5)
    joints = flat((150.0, 145.0, 138.0), shape)
    picture = np.where(joint[..., None], joints, flat(colour, shape) * blocks)
    return np.asarray(picture * (grain * weather)[..., None], dtype=np.float32)


def asphalt(rng: np.random.Generator, shape: tuple[int, int]) -> Picture:
    """Road surface: grain, worn tracks, repair patches and cracks."""
    tone = 92 + 7 * fractal_noise(rng, shape, slope=0.35) + 5 * fractal_noise(rng, shape, slope=1.4)
    picture = np.repeat(tone[..., None], 3, axis=2).astype(np.float32)
    for _ in range(max(2, shape[0] * shape[1] // 60_000)):
        height, width = rng.integers(20, 90, 2)
        top, left = rng.integers(0, max(1, shape[0] - height)), rng.integers(0, shape[1])
        picture[top : top + height, left : left + width] *= rng.uniform(0.72, 1.18)
    for _ in range(max(3, shape[0] * shape[1] // 25_000)):
        _crack(rng, picture)
    return picture


def _crack(rng: np.random.Generator, picture: Picture) -> None:
    """Darken a random walk, in place."""
    steps = int(rng.integers(40, 250))
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.25, steps))
    rows = rng.integers(picture.shape[0]) + np.cumsum(np.sin(heading))
    columns = rng.integers(picture.shape[1]) + np.cumsum(np.cos(heading))
    inside = (rows >= 0) & (rows < picture.shape[0]) & (columns >= 0) & (columns < picture.shape[1])
    picture[rows[inside].astype(int), columns[inside].astype(int)] *= 0.6


def foliage(rng: np.random.Generator, shape: tuple[int, int]) -> Picture:
    """Grass or leaves."""
    tone = 1 + 0.28 * fractal_noise(rng, shape, slope=0.8)
    return np.asarray(flat((78.0, 98.0, 52.0), shape) * tone[..., None], dtype=np.float32)


def rendered_stone(rng: np.random.Generator, shape: tuple[int, int]) -> Picture:
    """Neutral mineral surface for tinted parts: reveals, slabs, side walls."""
    tone = 1 + 0.05 * fractal_noise(rng, shape, slope=0.6) + 0.05 * fractal_noise(rng, shape, slope=1.4)
    return np.asarray(flat((200.0, 200.0, 200.0), shape) * tone[..., None], dtype=np.float32)
