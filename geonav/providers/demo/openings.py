"""Windows, doors, shop fronts and gates as pictures, and what hangs and grows on walls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from geonav.providers.demo.textures import Picture, fractal_noise

if TYPE_CHECKING:
    from geonav.providers.demo.design import Colour, Kind

_SYLLABLES = (
    "ba", "be", "bo", "da", "del", "fan", "ga", "gro", "hu", "in", "ka", "ko", "la", "le",
    "lo", "ma", "mer", "mo", "na", "ne", "nor", "o", "pa", "per", "ra", "ri", "ro", "sa",
    "se", "so", "ta", "ten", "ti", "to", "um", "va", "vel", "wa", "zen", "zo",
)  # fmt: skip


def word(rng: np.random.Generator, syllables: int = 3) -> str:
    """An invented name."""
    return "".join(rng.choice(_SYLLABLES, syllables)).upper()


def paint_opening(
    rng: np.random.Generator, kind: Kind, shape: tuple[int, int], colour: Colour, texel_m: float
) -> Picture:
    """The filling of an opening, seen from the front.

    Args:
        rng: Source of its details.
        kind: What it is.
        shape: (h, w) in texels.
        colour: Of frame or leaf.
        texel_m: Size of a texel, metres.
    """
    painters = {"window": _window, "door": _door, "shop": _shop, "gate": _gate}
    picture = painters[kind](rng, shape, colour, texel_m)
    picture = picture * (1 + 0.035 * fractal_noise(rng, shape, slope=0.7))[..., None]
    # The recess keeps the light out at the top.
    shade = np.clip(0.72 + np.arange(shape[0]) * texel_m / 0.8, 0, 1).astype(np.float32)
    return np.asarray(picture * shade[:, None, None], dtype=np.float32)


def _glass(rng: np.random.Generator, shape: tuple[int, int]) -> Picture:
    """Dark panes with a blurred reflection."""
    tone = rng.uniform(38, 78) + 16 * fractal_noise(rng, shape, slope=1.9)
    tone = tone + np.linspace(rng.uniform(-5, 30), 0, shape[0])[:, None]
    return np.asarray(np.clip(tone, 8, 200)[..., None] * np.array([0.92, 1.0, 1.06]), np.float32)


def _window(rng: np.random.Generator, shape: tuple[int, int], colour: Colour, texel_m: float) -> Picture:
    height, width = shape
    picture = _glass(rng, shape)
    if rng.random() < 0.55:
        _curtain(rng, picture)
    if rng.random() < 0.3:
        blind = int(height * rng.uniform(0.1, 0.8))
        slats = 0.88 + 0.12 * np.sign(np.sin(np.arange(blind) * 2 * np.pi / max(3, 0.06 / texel_m)))
        picture[:blind] = rng.uniform(150, 215) * slats[:, None, None]
    if rng.random() < 0.3:
        _things_on_sill(rng, picture)
    bar = max(2, round(0.06 / texel_m))
    for x in np.linspace(0, width, int(rng.integers(2, 4))):
        left = int(np.clip(x - bar / 2, 0, width - bar))
        picture[:, left : left + bar] = colour
    for y in (0, height * rng.choice([0.28, 0.33, 0.5, 1.0]), height):
        top = int(np.clip(y - bar / 2, 0, height - bar))
        picture[top : top + bar] = colour
    return picture


def _curtain(rng: np.random.Generator, picture: Picture) -> None:
    width = picture.shape[1]
    folds = 1 + 0.14 * np.sin(np.cumsum(rng.uniform(0.15, 0.9, width)))
    tone = rng.uniform(120, 215) * np.array([1, rng.uniform(0.85, 1), rng.uniform(0.7, 1)])
    share = rng.uniform(0.15, 0.5)
    for part in (np.s_[:, : int(width * share)], np.s_[:, width - int(width * share) :]):
        if rng.random() < 0.8:
            picture[part] = 0.25 * picture[part] + 0.75 * (folds[:, None] * tone)[None][part]


def _things_on_sill(rng: np.random.Generator, picture: Picture) -> None:
    height, width = picture.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        size = int(rng.integers(4, max(5, width // 4)))
        left, top = int(rng.integers(0, max(1, width - size))), height - 4 - int(size * 1.4)
        picture[max(0, top) :, left : left + size] = rng.uniform(40, 210, 3)


def _door(rng: np.random.Generator, shape: tuple[int, int], colour: Colour, texel_m: float) -> Picture:
    height, width = shape
    image, draw = canvas(np.broadcast_to(np.asarray(colour, np.float32), (*shape, 3)))
    rows, columns = int(rng.integers(2, 5)), int(rng.integers(1, 3))
    for i in range(rows):
        for j in range(columns):
            box = [
                (j + 0.15) * width / columns, (i + 0.12) * height / rows,
                (j + 0.85) * width / columns, (i + 0.88) * height / rows,
            ]  # fmt: skip
            is_glass = i == 0 and rng.random() < 0.6
            tone = 0.35 if is_glass else rng.uniform(0.72, 1.25)
            draw.rectangle(box, fill=rgb(np.array(colour) * tone), outline=rgb(np.array(colour) * 0.5))
    knob = max(2, round(0.05 / texel_m))
    draw.ellipse([width * 0.84, height * 0.52, width * 0.84 + knob, height * 0.52 + knob], "#c8b060")
    return np.asarray(image, dtype=np.float32)


def _shop(rng: np.random.Generator, shape: tuple[int, int], colour: Colour, texel_m: float) -> Picture:
    height, width = shape
    image, draw = canvas(_glass(rng, shape))
    for _ in range(int(rng.integers(5, 14))):
        w, h = rng.uniform(0.1, 0.6, 2) / texel_m
        x, base = rng.uniform(0, width), height * rng.choice([0.55, 0.8, 0.97])
        box = [x, base - h, x + w, base]
        if rng.random() < 0.5:
            draw.rectangle(box, fill=rgb(rng.uniform(40, 230, 3)), outline=rgb(rng.uniform(0, 90, 3)))
        else:
            draw.ellipse(box, fill=rgb(rng.uniform(40, 230, 3)))
    if rng.random() < 0.6:
        text = word(rng, 2)
        write(draw, (width * 0.1, height * 0.15), text, 0.22 / texel_m, rgb(rng.uniform(190, 255, 3)))
    bar = max(2, round(0.07 / texel_m))
    for x in np.linspace(bar / 2, width - bar / 2, int(rng.integers(2, 4))):
        draw.line([x, 0, x, height], fill=rgb(np.array(colour)), width=bar)
    draw.rectangle([0, 0, width - 1, height - 1], outline=rgb(np.array(colour)), width=bar)
    return np.asarray(image, dtype=np.float32)


def _gate(rng: np.random.Generator, shape: tuple[int, int], colour: Colour, texel_m: float) -> Picture:
    height = shape[0]
    planks = np.floor(np.arange(shape[1]) * texel_m / rng.uniform(0.1, 0.2)).astype(int)
    tone = rng.uniform(0.75, 1.2, planks.max() + 1)[planks]
    tone = np.where(np.diff(planks, prepend=planks[0]) > 0, 0.45, tone)
    picture = np.asarray(colour, np.float32) * np.repeat(tone[None, :, None], height, axis=0)
    for y in rng.uniform(0.1, 0.9, 3):
        picture[int(y * height) : int(y * height) + max(2, round(0.08 / texel_m))] *= 0.6
    return np.asarray(picture, dtype=np.float32)


def canvas(picture: Picture) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A PIL image of a picture and its pen."""
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    return image, ImageDraw.Draw(image)


def rgb(colour: object) -> tuple[int, int, int]:
    """A colour as PIL wants it."""
    red, green, blue = np.clip(np.asarray(colour, float), 0, 255).astype(int)
    return int(red), int(green), int(blue)


def write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size_px: float,
    fill: tuple[int, int, int],
) -> None:
    """Letters of a height, their upper left corner given, in texels."""
    draw.text(at, text, font=ImageFont.load_default(max(5.0, size_px)), fill=fill)
