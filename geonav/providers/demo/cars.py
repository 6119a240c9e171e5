"""Parked cars: two boxes, four wheels, a shadow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geonav.providers.demo import textures
from geonav.providers.demo.openings import canvas, rgb
from geonav.providers.demo.quads import Block, Frame, QuadBuilder, Skin

if TYPE_CHECKING:
    from geonav.providers.demo.atlas import AtlasBuilder

_COLOURS = (
    (0.95, 0.95, 0.93), (0.2, 0.2, 0.22), (0.5, 0.52, 0.55), (0.6, 0.15, 0.14), (0.18, 0.26, 0.5),
    (0.3, 0.4, 0.3), (0.75, 0.72, 0.62),
)  # fmt: skip
_TEXEL_M = 0.02
_LENGTH_M, _WIDTH_M, _CABIN_M = 4.2, 1.76, 2.3


@dataclass(frozen=True)
class CarSkins:
    """Light grey, to be tinted.

    Attributes:
        side: Lower body from the side.
        end: Lower body from front and back.
        cabin: Windows.
        plain: Bonnet, roof, wheels, shadow.
    """

    side: Skin
    end: Skin
    cabin: Skin
    plain: Skin


def paint_cars(rng: np.random.Generator, atlas: AtlasBuilder) -> CarSkins:
    """Paint what cars are covered with into an atlas."""

    def grey(width_m: float, height_m: float) -> textures.Picture:
        shape = (round(height_m / _TEXEL_M), round(width_m / _TEXEL_M))
        fade = np.linspace(1.05, 0.8, shape[0])[:, None, None]
        return np.asarray(textures.flat((225.0, 225.0, 225.0), shape) * fade, np.float32)

    side, draw = canvas(grey(_LENGTH_M, 0.65))
    for x in (62, 115, 150):
        draw.line([x, 0, x, 26], fill=rgb([60, 60, 60]))
    draw.rectangle([92, 7, 99, 9], fill=rgb([90, 90, 90]))
    draw.rectangle([0, 26, 210, 32], fill=rgb([70, 70, 72]))
    end, draw = canvas(grey(_WIDTH_M, 0.65))
    for x in (2, 72):
        draw.rectangle([x, 6, x + 14, 13], fill=rgb([240, 120, 100]), outline=rgb([50, 50, 50]))
    draw.rectangle([32, 14, 56, 20], fill=rgb([250, 250, 250]), outline=rgb([20, 20, 20]))
    draw.rectangle([0, 25, 88, 32], fill=rgb([60, 60, 62]))
    cabin, draw = canvas(grey(_CABIN_M, 0.55))
    draw.rectangle([3, 4, 111, 25], fill=rgb([48, 56, 62]))
    draw.rectangle([56, 4, 60, 25], fill=rgb([215, 215, 215]))
    plain = textures.rendered_stone(rng, (128, 128)) + 25
    sides = [Skin(atlas.add(np.asarray(p, np.float32)), _TEXEL_M) for p in (side, end, cabin)]
    return CarSkins(sides[0], sides[1], sides[2], Skin(atlas.add(plain, wraps=True), _TEXEL_M))


def build_car(rng: np.random.Generator, builder: QuadBuilder, frame: Frame, skins: CarSkins) -> None:
    """Add a car.

    Args:
        rng: Source of size and colour.
        builder: Takes the surfaces.
        frame: On the ground under the middle of the car; right is the car's length.
        skins: What covers it.
    """
    half, wide = _LENGTH_M / 2, _WIDTH_M / 2
    tint = np.asarray(_COLOURS[rng.integers(len(_COLOURS))]) * rng.uniform(0.85, 1.05)
    roof = rng.uniform(1.38, 1.6)
    shift = rng.uniform(-0.5, 0.3)
    lower = Block((-half, half), (-wide, wide), (0.24, 0.88))
    _box(builder, frame, lower, (skins.side.tinted(*tint), skins.end.tinted(*tint), skins.plain.tinted(*tint)))
    cabin = Block((shift - _CABIN_M / 2, shift + _CABIN_M / 2), (0.12 - wide, wide - 0.12), (0.88, roof))
    glass = skins.cabin.tinted(*tint)
    _box(builder, frame, cabin, (glass, glass, skins.plain.tinted(*tint)))
    rubber = skins.plain.tinted(0.16)
    for x in (-1.3, 1.3):
        for low, high in ((-wide - 0.02, -wide + 0.2), (wide - 0.2, wide + 0.02)):
            _box(builder, frame, Block((x - 0.31, x + 0.31), (low, high), (0.0, 0.6)), (rubber,) * 3)
    shadow, point = skins.plain.tinted(0.17), frame.point
    builder.corners(
        point(-half, -wide - 0.1, 0.012), point(half, -wide - 0.1, 0.012), point(-half, wide + 0.15, 0.012), shadow
    )


def _box(builder: QuadBuilder, frame: Frame, block: Block, skins: tuple[Skin, Skin, Skin]) -> None:
    """A box with one skin for its long sides, one for its ends, one for its top and bottom."""
    along, ends, level = skins
    builder.front(frame, block, along)
    builder.back(frame, block, along)
    builder.ends(frame, block, ends)
    builder.levels(frame, block, level)
