"""A house's front as one picture: wall, openings, trim, signs, stains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geonav.providers.demo.openings import canvas, paint_opening, rgb, word, write
from geonav.providers.demo.textures import Picture, courses, fractal_noise, plaster

if TYPE_CHECKING:
    from PIL import ImageDraw

    from geonav.providers.demo.design import Colour, Design, Ledge, Opening

_BLOCKS_M = {"brick": (0.077, 0.25, 0.012, 0.11), "stone": (0.42, 0.8, 0.016, 0.09)}


def paint_elevation(design: Design, texel_m: float, seed: int) -> Picture:
    """Paint a house's front.

    Args:
        design: The house.
        texel_m: Size of a texel, metres.
        seed: Of the wear: two houses of one design with one seed are equal.

    Returns:
        Row 0 at the eaves; the first column at the left corner seen from the street.
    """
    rng = np.random.default_rng([seed, 2])
    shape = (round(design.height_m / texel_m), round(design.width_m / texel_m))
    picture = _walls(rng, design, shape, texel_m)
    for ledge in design.ledges:
        rows, columns = _area(design, ledge, texel_m)
        picture[rows, columns] = _mixed(picture[rows, columns], design.colours[1], 0.8)
    _surrounds(design, picture, texel_m)
    picture = _marked(rng, design, picture, texel_m)
    _stains(rng, design, picture, texel_m)
    for opening in design.openings:
        rows, columns = _area(design, opening, texel_m)
        height, width = picture[rows, columns].shape[:2]
        own = np.random.default_rng([opening.seed, 3])
        colour = design.colours[1] if opening.kind == "window" else design.colours[3]
        picture[rows, columns] = paint_opening(own, opening.kind, (height, width), colour, texel_m)
    return picture


def _walls(rng: np.random.Generator, design: Design, shape: tuple[int, int], texel_m: float) -> Picture:
    wall, _, ground, _ = design.colours
    base = round((design.height_m - design.floors_m[1]) / texel_m)
    own = np.random.default_rng([design.seed, 4])
    picture = np.empty((*shape, 3), np.float32)
    picture[:base] = _wall(rng, design.wall, (base, shape[1]), wall, texel_m)
    ground_wall = ("plaster", "stone", design.wall)[own.integers(3)]
    picture[base:] = _wall(rng, ground_wall, (shape[0] - base, shape[1]), ground, texel_m)
    return picture


def _wall(rng: np.random.Generator, kind: str, shape: tuple[int, int], colour: Colour, texel_m: float) -> Picture:
    if kind == "plaster":
        return plaster(rng, shape, colour)
    height, width, joint, contrast = _BLOCKS_M[kind]
    block_px = (height / texel_m, width / texel_m)
    joint_px = max(0.8, joint / texel_m)
    return courses(rng, shape, colour, block_px=block_px, joint_px=joint_px, contrast=contrast)


def _area(design: Design, part: Opening | Ledge, texel_m: float) -> tuple[slice, slice]:
    """Rows and columns of a part of the front."""
    top, bottom = design.height_m - part.top_m, design.height_m - part.bottom_m
    rows = slice(max(0, round(top / texel_m)), max(0, round(bottom / texel_m)))
    return rows, slice(max(0, round(part.left_m / texel_m)), max(0, round(part.right_m / texel_m)))


def _mixed(picture: Picture, colour: Colour, share: float) -> Picture:
    """The picture's own light and dark in another colour."""
    tone = picture.mean(axis=2, keepdims=True)
    tone = tone / max(float(tone.mean()), 1.0)
    return np.asarray((1 - share) * picture + share * tone * np.asarray(colour), np.float32)


def _surrounds(design: Design, picture: Picture, texel_m: float) -> None:
    """Painted frames and shutters about the windows, in place."""
    rng = np.random.default_rng([design.seed, 5])
    border = round(0.12 / texel_m)
    shutter_colour = design.colours[3]
    for opening in design.openings:
        rows, columns = _area(design, opening, texel_m)
        if design.has_frames:
            frame = np.s_[
                max(0, rows.start - border) : rows.stop + border,
                max(0, columns.start - border) : columns.stop + border,
            ]
            picture[frame] = _mixed(picture[frame], design.colours[1], 0.85)
        if design.has_shutters and opening.kind == "window" and rng.random() < 0.9:
            width = round(0.42 / texel_m)
            slats = 0.85 + 0.15 * np.sign(np.sin(np.arange(rows.stop - rows.start) * 0.9))
            for start in (columns.start - border - width, columns.stop + border):
                area = picture[rows, max(0, start) : max(0, start + width)]
                area[:] = np.asarray(shutter_colour) * slats[:, None, None]


def _marked(rng: np.random.Generator, design: Design, picture: Picture, texel_m: float) -> Picture:
    """Signs, posters, scribbles, boxes, cables and numbers."""
    image, draw = canvas(picture)
    height, width = picture.shape[:2]
    sign_row = (design.height_m - design.floors_m[1] + 0.15) / texel_m
    shops = [o for o in design.openings if o.kind == "shop"]
    if shops:
        left, right = shops[0].left_m / texel_m, shops[-1].right_m / texel_m
        background = rng.uniform(20, 235, 3)
        draw.rectangle([left, sign_row, right, sign_row + 0.38 / texel_m], fill=rgb(background))
        letters = rgb(255 - background if abs(background.mean() - 128) > 30 else [250, 250, 240])
        text = word(rng, int(rng.integers(2, 5)))
        write(draw, (left + 0.2 / texel_m, sign_row), text, 0.32 / texel_m, letters)
    makers = (_poster, _scribble, _fixture, _cable)
    for _ in range(design.clutter):
        x, y = rng.uniform(0, width), height - rng.uniform(0.4, 2.6) / texel_m
        makers[rng.choice(4, p=[0.25, 0.2, 0.4, 0.15])](rng, draw, (x, y), 1 / texel_m)
    for _ in range(design.clutter // 2):
        at = (rng.uniform(0, width), rng.uniform(0, height))
        makers[rng.choice([2, 3])](rng, draw, at, 1 / texel_m)
    # 8-bit only where something was drawn: the wall keeps its fine grain.
    drawn = np.asarray(image, np.float32)
    untouched = np.clip(picture, 0, 255).astype(np.uint8) == np.asarray(image)
    return np.where(untouched, picture, drawn)


def _poster(rng: np.random.Generator, draw: ImageDraw.ImageDraw, at: tuple[float, float], px: float) -> None:
    w, h = rng.uniform(0.3, 0.8) * px, rng.uniform(0.4, 1.0) * px
    x, y = at
    draw.rectangle([x, y, x + w, y + h], fill=rgb(rng.uniform(60, 250, 3)))
    for _ in range(3):
        cx, cy, r = x + rng.uniform(0.2, 0.8) * w, y + rng.uniform(0.2, 0.7) * h, rng.uniform(0.1, 0.25) * w
        draw.ellipse([cx - r, cy - r, cx + r, cy + r], fill=rgb(rng.uniform(0, 255, 3)))
    write(draw, (x + 0.05 * w, y + 0.75 * h), word(rng, 2), 0.2 * h, rgb(rng.uniform(0, 120, 3)))


def _scribble(rng: np.random.Generator, draw: ImageDraw.ImageDraw, at: tuple[float, float], px: float) -> None:
    steps = rng.normal((0.06 * px, 0.0), 0.16 * px, (int(rng.integers(6, 14)), 2))
    points = np.asarray(at) + np.cumsum(steps, axis=0)
    colour = rgb(rng.uniform(0, 200, 3))
    draw.line([tuple(p) for p in points], fill=colour, width=max(1, round(0.03 * px)), joint="curve")


def _fixture(rng: np.random.Generator, draw: ImageDraw.ImageDraw, at: tuple[float, float], px: float) -> None:
    """A letter box, vent, lamp or number plate."""
    x, y = at
    w, h = rng.uniform(0.08, 0.4, 2) * px
    tone = rng.uniform(30, 235, 3)
    box = [x, y, x + w, y + h]
    if rng.random() < 0.3:
        draw.ellipse(box, fill=rgb(tone), outline=rgb(tone * 0.4))
    else:
        draw.rectangle(box, fill=rgb(tone), outline=rgb(tone * 0.4), width=max(1, round(0.015 * px)))
    if rng.random() < 0.5:
        number = str(rng.integers(1, 200))
        write(draw, (x + 0.15 * w, y + 0.1 * h), number, 0.7 * h, rgb(255 - tone))


def _cable(rng: np.random.Generator, draw: ImageDraw.ImageDraw, at: tuple[float, float], px: float) -> None:
    end = (at[0] + rng.normal(0, 2.0) * px, at[1] - rng.uniform(0.5, 3.0) * px)
    corner = (at[0], end[1])
    draw.line([at, corner, end], fill=rgb(rng.uniform(30, 90, 3)), width=max(1, round(0.02 * px)))


def _stains(rng: np.random.Generator, design: Design, picture: Picture, texel_m: float) -> None:
    """Streaks below sills, bare patches and ivy, in place."""
    for opening in design.openings:
        if rng.random() < 0.5:
            rows, columns = _area(design, opening, texel_m)
            left = int(rng.integers(columns.start, columns.stop))
            length, width = int(rng.uniform(0.3, 1.6) / texel_m), int(rng.uniform(0.05, 0.25) / texel_m)
            fade = np.linspace(rng.uniform(0.65, 0.9), 1, length)
            area = picture[rows.stop : rows.stop + length, left : left + max(1, width)]
            area *= fade[: len(area), None, None]
    shape = picture.shape[:2]
    if rng.random() < 0.5:
        bare = fractal_noise(rng, shape, slope=1.6) > 1.9
        picture[bare] = picture[bare] * 0.5 + 0.5 * np.array([140.0, 122.0, 104.0])
    if rng.random() < 0.25:
        reach = np.linspace(-0.6, 1.5, shape[0])[:, None] + np.linspace(0.4, -2.5, shape[1])[None]
        ivy = fractal_noise(rng, shape, slope=1.3) + reach > 0.9
        leaves = 1 + 0.35 * fractal_noise(rng, shape, slope=0.6)[ivy]
        picture[ivy] = np.clip(leaves, 0.2, 2)[:, None] * np.array([58.0, 84.0, 40.0])
