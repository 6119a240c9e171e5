"""What the streets of a city share: house looks, materials, cars, people, trees, posters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geonav.providers.demo import textures
from geonav.providers.demo.atlas import Atlas, AtlasBuilder
from geonav.providers.demo.cars import CarSkins, paint_cars
from geonav.providers.demo.design import Design, draw_design
from geonav.providers.demo.elevation import paint_elevation
from geonav.providers.demo.openings import canvas, rgb, word, write
from geonav.providers.demo.quads import Skin
from geonav.providers.demo.street import paint_tiles

if TYPE_CHECKING:
    from geonav.providers.demo.city_plan import CityPlan

_NUM_POSTERS = 40
_POSTER_TEXEL_M = 0.008


@dataclass(frozen=True)
class Poster:
    """A small picture to hang on a wall.

    Attributes:
        skin: The picture.
        width_m: Of it.
        height_m: Of it.
    """

    skin: Skin
    width_m: float
    height_m: float


@dataclass(frozen=True)
class Library:
    """Textures that all streets share.

    Attributes:
        atlas: All of them.
        looks: Houses that stand more than once, each with its painted front.
        mineral: Neutral, tiling.
        tiles: Of roofs, tiling.
        asphalt: Tiling.
        grass: Tiling.
        leaves: Tiling.
        slabs: Of pavements at corners, tiling.
        posters: To hang on walls.
        cars: What covers cars.
    """

    atlas: Atlas
    looks: tuple[tuple[Design, Skin], ...]
    mineral: Skin
    tiles: Skin
    asphalt: Skin
    grass: Skin
    leaves: Skin
    slabs: Skin
    posters: tuple[Poster, ...]
    cars: CarSkins

    def __len__(self) -> int:
        return len(self.atlas.levels)


def paint_library(plan: CityPlan) -> Library:
    """Paint what a city's streets share; takes seconds."""
    rng, atlas = plan.rng(20), AtlasBuilder()
    looks = []
    for i in range(plan.num_prototypes if plan.repetition > 0 else 0):
        seed = int(plan.rng(21, i).integers(1 << 30))
        design = draw_design(seed, float(plan.rng(22, i).uniform(8.0, 11.0)))
        picture = paint_elevation(design, plan.texel_m, seed)
        looks.append((design, Skin(atlas.add(picture), plan.texel_m)))

    def tiling(picture: textures.Picture, texel_m: float) -> Skin:
        return Skin(atlas.add(picture, wraps=True), texel_m)

    return Library(
        looks=tuple(looks),
        mineral=tiling(textures.rendered_stone(rng, (512, 512)), 0.012),
        tiles=tiling(paint_tiles(rng), 0.02),
        asphalt=tiling(textures.asphalt(rng, (512, 512)), 0.02),
        grass=tiling(textures.foliage(rng, (256, 256)), 0.05),
        leaves=tiling(textures.foliage(rng, (256, 256)), 0.02),
        slabs=tiling(textures.rendered_stone(rng, (256, 256)) * np.float32(0.78), 0.015),
        posters=tuple(_paint_poster(rng, atlas) for _ in range(_NUM_POSTERS)),
        cars=paint_cars(rng, atlas),
        atlas=atlas.build(),
    )


def _paint_poster(rng: np.random.Generator, atlas: AtlasBuilder) -> Poster:
    width, height = float(rng.uniform(0.25, 0.8)), float(rng.uniform(0.25, 1.0))
    shape = (round(height / _POSTER_TEXEL_M), round(width / _POSTER_TEXEL_M))
    image, draw = canvas(textures.flat(tuple(rng.uniform(50, 245, 3)), shape))
    for _ in range(int(rng.integers(3, 8))):
        left, right = sorted(rng.uniform(0, shape[1], 2))
        top, bottom = sorted(rng.uniform(0, shape[0], 2))
        if rng.random() < 0.5:
            draw.rectangle([left, top, right, bottom], fill=rgb(rng.uniform(0, 255, 3)))
        else:
            draw.ellipse([left, top, right, bottom], fill=rgb(rng.uniform(0, 255, 3)))
    for share in (0.08, 0.55):
        text = word(rng, int(rng.integers(1, 4)))
        write(draw, (0.06 * shape[1], share * shape[0]), text, 0.22 * shape[0], rgb(rng.uniform(0, 255, 3)))
    draw.rectangle([0, 0, shape[1] - 1, shape[0] - 1], outline=rgb(rng.uniform(0, 120, 3)), width=2)
    return Poster(Skin(atlas.add(np.asarray(image, np.float32)), _POSTER_TEXEL_M), width, height)
