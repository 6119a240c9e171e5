"""Rows of houses along a city's street: some as elsewhere in the city, some unlike all others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geonav.providers.demo.design import Design, draw_design
from geonav.providers.demo.elevation import paint_elevation
from geonav.providers.demo.quads import Block, Frame, QuadBuilder, Skin
from geonav.providers.demo.relief import HOUSE_DEPTH_M, HouseSkins, build_house

if TYPE_CHECKING:
    from geonav.providers.demo.atlas import AtlasBuilder
    from geonav.providers.demo.city_library import Library, Poster
    from geonav.providers.demo.city_plan import CityPlan

_LEAST_WIDTH_M, _USUAL_WIDTH_M = 5.0, (7.0, 12.0)
_GABLE_STEPS = 4
_POSTERS_A_HOUSE = 4


@dataclass(frozen=True)
class House:
    """A house in its row.

    Attributes:
        start_m: Of its left corner, seen from the street, along the row.
        setback_m: Behind the row's line.
        design: What it looks like.
        look: Which of the library's looks it has; None for one of its own.
        seed: Of what tells it from others of its look.
    """

    start_m: float
    setback_m: float
    design: Design
    look: int | None
    seed: int


def plan_houses(plan: CityPlan, rng: np.random.Generator, library: Library, length_m: float) -> list[House]:
    """Fill a row with houses from its left end to its right.

    Looks stand side by side in the same order wherever they stand, so that whole stretches are alike.
    """
    houses: list[House] = []
    at, run = 0.0, 0
    look = int(rng.integers(1 << 30))
    while length_m - at >= _LEAST_WIDTH_M:
        if run == 0 and rng.random() < plan.repetition / (3 - 2 * plan.repetition):
            run, look = 3, int(rng.integers(1 << 30))
        number = look % len(library.looks) if run and library.looks else None
        run, look = max(0, run - 1), look + 1
        seed = int(rng.integers(1 << 30))
        is_row_end = False
        if number is not None:
            design = library.looks[number][0]
            is_row_end = at + design.width_m > length_m - _LEAST_WIDTH_M and at + design.width_m != length_m
        if number is None or is_row_end:
            width = rng.uniform(*_USUAL_WIDTH_M)
            if length_m - at - width < _LEAST_WIDTH_M:
                width = length_m - at
            number, design = None, draw_design(seed, float(width))
        gap = 2.0 if number is None and rng.random() < 0.08 and design.width_m > 9 else 0.0
        if gap:
            design = draw_design(seed, design.width_m - gap)
        setback = 0.0 if rng.random() < 0.6 else float(rng.uniform(0.05, 0.5))
        houses.append(House(at, setback, design, number, seed))
        at += design.width_m + gap
    return houses


@dataclass(frozen=True)
class Mason:
    """Builds houses.

    Attributes:
        library: What the city's streets share.
        atlas: Takes the fronts of houses unlike all others.
        texel_m: Of those fronts.
        individuality: See CityPlan.
    """

    library: Library
    atlas: AtlasBuilder
    texel_m: float
    individuality: float

    def front(self, house: House) -> Skin:
        """The house's painted front."""
        rng = np.random.default_rng([house.seed, 30])
        if house.look is not None:
            return self.library.looks[house.look][1].tinted(*rng.uniform(0.94, 1.05, 3))
        number = self.atlas.add(paint_elevation(house.design, self.texel_m, house.seed))
        return Skin(len(self.library) + number, self.texel_m)

    def build(self, house: House, row: Frame) -> tuple[QuadBuilder, QuadBuilder]:
        """The house seen from near and from far; row is at the row's left end, seen from the street."""
        frame = row.moved(house.start_m, -house.setback_m, 0.0)
        front = self.front(house)
        near, far = QuadBuilder(), QuadBuilder()
        build_house(near, house.design, frame, HouseSkins(front, self.library.mineral, self.library.tiles))
        self._gables(near, house.design, frame)
        self._posters(near, house, frame)
        self._awnings(near, house, frame)
        self._body(far, house.design, frame, front)
        return near, far

    def _body(self, builder: QuadBuilder, design: Design, frame: Frame, front: Skin) -> None:
        """Front, sides, back and roof without any relief."""
        width, eaves = design.width_m, design.height_m
        walls = self.library.mineral.tinted(*(0.85 * channel / 200 for channel in design.colours[0]))
        builder.front(frame, Block((0.0, width), (0.0, 0.0), (0.0, eaves)), front.at(0.0, 0.0))
        builder.ends(frame, Block((0.0, width), (-HOUSE_DEPTH_M, 0.0), (0.0, eaves)), walls)
        tiles = self.library.tiles.tinted(*(channel / 150 for channel in design.roof_colour))
        ridge, middle, point = eaves + design.roof_rise_m, -HOUSE_DEPTH_M / 2, frame.point
        builder.corners(point(0, middle, ridge), point(width, middle, ridge), point(0, 0.25, eaves), tiles)
        for block in _steps(design, (0.0, width)):
            builder.ends(frame, block, walls)

    def _gables(self, builder: QuadBuilder, design: Design, frame: Frame) -> None:
        """Stepped gables, which close the roof at both ends."""
        walls = self.library.mineral.tinted(*(0.9 * channel / 200 for channel in design.colours[0]))
        for across in ((0.0, 0.3), (design.width_m - 0.3, design.width_m)):
            for block in _steps(design, across):
                builder.front(frame, block, walls)
                builder.sides(frame, block, walls)

    def _posters(self, builder: QuadBuilder, house: House, frame: Frame) -> None:
        """Small things on the wall that are this house's own, and a sign that stands out from it."""
        rng = np.random.default_rng([house.seed, 31])
        metal = self.library.mineral.tinted(0.4)
        for _ in range(int(rng.poisson(_POSTERS_A_HOUSE * self.individuality))):
            poster = self._any(rng)
            bottom = (
                rng.uniform(0.5, 2.3) if rng.random() < 0.7 else rng.uniform(3.0, max(3.1, house.design.height_m - 2))
            )
            left = rng.uniform(0.1, max(0.2, house.design.width_m - poster.width_m - 0.1))
            block = Block((left, left + poster.width_m), (0.0, 0.03), (bottom, bottom + poster.height_m))
            if not _is_on_wall(house.design, block):
                continue
            builder.front(frame, block, poster.skin)
            builder.sides(frame, block, metal)
        if rng.random() < 0.3 * self.individuality:
            poster, left, bottom = self._any(rng), rng.uniform(0.3, house.design.width_m - 0.3), rng.uniform(2.7, 3.6)
            block = Block((left, left + 0.06), (0.25, 0.25 + poster.width_m), (bottom, bottom + poster.height_m))
            builder.ends(frame, block, poster.skin)
            builder.front(frame, block, metal)
            builder.levels(frame, block, metal)

    def _any(self, rng: np.random.Generator) -> Poster:
        posters = self.library.posters
        return posters[rng.integers(len(posters))]

    def _awnings(self, builder: QuadBuilder, house: House, frame: Frame) -> None:
        """Cloth over shop windows."""
        rng = np.random.default_rng([house.seed, 32])
        cloth = self.library.mineral.tinted(*rng.uniform(0.4, 1.2, 3))
        if rng.random() < 0.5:
            return
        point = frame.point
        for opening in house.design.openings:
            if opening.kind != "shop":
                continue
            left, right, high, low = opening.left_m - 0.1, opening.right_m + 0.1, opening.top_m + 0.3, opening.top_m
            reach = 0.9
            builder.corners(point(left, 0.0, high), point(right, 0.0, high), point(left, reach, low), cloth)
            below = cloth.tinted(0.6)
            builder.corners(point(left, reach, low), point(right, reach, low), point(left, 0.0, high), below)


def _steps(design: Design, across: tuple[float, float]) -> list[Block]:
    """Blocks, one upon the other, that fill the space below a roof."""
    depth, rise = HOUSE_DEPTH_M / 2, design.roof_rise_m / _GABLE_STEPS
    blocks = []
    for k in range(_GABLE_STEPS):
        half = depth * (1 - k / _GABLE_STEPS) - 0.02
        bottom = design.height_m + k * rise
        blocks.append(Block(across, (-depth - half, -depth + half), (bottom, bottom + rise)))
    return blocks


def _is_on_wall(design: Design, block: Block) -> bool:
    """Whether a block keeps clear of openings and balconies."""
    for left, right, bottom, top in [
        *((o.left_m, o.right_m, o.bottom_m, o.top_m) for o in design.openings),
        *((b.left_m, b.right_m, b.bottom_m, b.top_m) for b in design.balconies),
    ]:
        beside = left > block.right[1] or right < block.right[0]
        if not beside and bottom < block.up[1] and top > block.up[0]:
            return False
    return block.right[1] < design.width_m and block.up[1] < design.height_m - 0.4


def closing_house(seed: int, width_m: float) -> House:
    """The house that closes a dead end."""
    return replace(House(0.0, 0.0, draw_design(seed, width_m), None, seed))
