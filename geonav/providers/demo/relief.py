"""A house in depth: wall with holes, reveals, ledges, balconies, pipes, side walls, roof."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from geonav.providers.demo.quads import Block, Frame, QuadBuilder, Skin

if TYPE_CHECKING:
    from geonav.providers.demo.design import Colour, Design, Ledge

HOUSE_DEPTH_M = 9.0


@dataclass(frozen=True)
class HouseSkins:
    """What a house is covered with.

    Attributes:
        front: Its elevation, painted for this house.
        mineral: Neutral, tiling; tinted for reveals, slabs and side walls.
        tiles: Roof tiles, tiling.
    """

    front: Skin
    mineral: Skin
    tiles: Skin


def build_house(builder: QuadBuilder, design: Design, frame: Frame, skins: HouseSkins) -> None:
    """Add a house's surfaces.

    Args:
        builder: Takes them.
        design: The house.
        frame: At the house's left corner on the ground, seen from the street.
        skins: What covers it.
    """
    house = _House(builder, design, frame, skins)
    house.wall()
    house.fillings()
    house.ledges()
    house.balconies()
    house.pipes()
    house.body()


@dataclass(frozen=True)
class _House:
    builder: QuadBuilder
    design: Design
    frame: Frame
    skins: HouseSkins

    def front_skin(self, left_m: float, top_m: float) -> Skin:
        """The elevation's picture from a place on the front."""
        texel_m = self.skins.front.texel_m
        return self.skins.front.at(left_m / texel_m, (self.design.height_m - top_m) / texel_m)

    def mineral(self, colour: Colour, left_m: float = 0.0, top_m: float = 0.0) -> Skin:
        """The neutral material in a colour."""
        skin = self.skins.mineral.tinted(*(channel / 200 for channel in colour))
        return skin.at(left_m / skin.texel_m, top_m / skin.texel_m)

    def wall(self) -> None:
        """The front without its openings, in bands between their upper and lower edges."""
        openings, width = self.design.openings, self.design.width_m
        levels = sorted({0.0, self.design.height_m}.union(*((o.bottom_m, o.top_m) for o in openings)))
        for bottom, top in pairwise(levels):
            holes = [o for o in openings if o.bottom_m < top and o.top_m > bottom]
            edges = [0.0, *(x for o in sorted(holes, key=lambda o: o.left_m) for x in (o.left_m, o.right_m)), width]
            for left, right in zip(edges[::2], edges[1::2], strict=True):
                block = Block((left, right), (0.0, 0.0), (bottom, top))
                self.builder.front(self.frame, block, self.front_skin(left, top))

    def fillings(self) -> None:
        """Windows and doors behind the wall, and the reveals that lead to them."""
        for o in self.design.openings:
            block = Block((o.left_m, o.right_m), (-o.recess_m, 0.0), (o.bottom_m, o.top_m))
            reveal = self.mineral(self.design.colours[1], o.left_m, o.top_m)
            self.builder.reveal(self.frame, block, reveal.tinted(0.9))
            back = Block(block.right, (0.0, -o.recess_m), block.up)
            self.builder.front(self.frame, back, self.front_skin(o.left_m, o.top_m))

    def _box(self, ledge: Ledge, sides: Skin) -> None:
        block = Block((ledge.left_m, ledge.right_m), (0.0, ledge.depth_m), (ledge.bottom_m, ledge.top_m))
        self.builder.front(self.frame, block, self.front_skin(ledge.left_m, ledge.top_m))
        self.builder.sides(self.frame, block, sides)

    def ledges(self) -> None:
        """Cornices and sills."""
        for ledge in self.design.ledges:
            self._box(ledge, self.mineral(self.design.colours[1], ledge.left_m, ledge.top_m))

    def balconies(self) -> None:
        """Slab, posts and rail; seen through between the posts."""
        rng = np.random.default_rng([self.design.seed, 6])
        for place in self.design.balconies:
            stone = self.mineral(self.design.colours[1], place.left_m, place.top_m)
            rail = self.mineral(self.design.colours[3], place.left_m, place.top_m)
            slab_top = place.bottom_m + 0.14
            across, out = (place.left_m, place.right_m), (0.0, place.depth_m)
            edge = (place.depth_m - 0.05, place.depth_m)
            solid = rng.random() < 0.4
            parts = [(Block(across, out, (place.bottom_m, slab_top)), stone)]
            parts.append((Block(across, edge, (place.top_m, place.top_m + 0.06)), rail))
            if solid:
                parts.append((Block(across, edge, (slab_top, place.top_m)), stone.tinted(0.9)))
            else:
                count = max(4, round((place.right_m - place.left_m) / 0.16))
                posts = np.linspace(place.left_m, place.right_m - 0.03, count).tolist()
                parts += [(Block((x, x + 0.03), edge, (slab_top, place.top_m)), rail) for x in posts]
            for block, skin in parts:
                self.builder.front(self.frame, block, skin)
                self.builder.sides(self.frame, block, skin)

    def pipes(self) -> None:
        """Rain pipes, square for simplicity's sake."""
        skin = self.mineral((118.0, 112.0, 104.0))
        for x in self.design.pipes_m:
            block = Block((x - 0.05, x + 0.05), (0.03, 0.13), (0.0, self.design.height_m - 0.3))
            self.builder.front(self.frame, block, skin)
            self.builder.sides(self.frame, block, skin)

    def body(self) -> None:
        """Side walls, back, two slopes of the roof, chimneys."""
        design, point = self.design, self.frame.point
        width, eaves, ridge = design.width_m, design.height_m, design.height_m + design.roof_rise_m
        walls = self.mineral(tuple(0.85 * c for c in design.colours[0]))  # type: ignore[arg-type]
        block = Block((0.0, width), (-HOUSE_DEPTH_M, 0.0), (0.0, eaves))
        self.builder.sides(self.frame, block, walls)
        self.builder.back(self.frame, block, walls)
        tiles = self.skins.tiles.tinted(*(channel / 150 for channel in design.roof_colour))
        middle, overhang = -HOUSE_DEPTH_M / 2, 0.25
        for out, (left, right) in ((overhang, (0.0, width)), (-HOUSE_DEPTH_M - overhang, (width, 0.0))):
            self.builder.corners(
                point(left, middle, ridge), point(right, middle, ridge), point(left, out, eaves), tiles
            )
        rng = np.random.default_rng([design.seed, 7])
        brick = self.mineral((140.0, 86.0, 70.0))
        for _ in range(int(rng.integers(0, 3))):
            x, depth = rng.uniform(0.5, width - 1.2), rng.uniform(-6.0, -2.0)
            chimney = Block((x, x + 0.7), (depth - 0.5, depth), (eaves, ridge + rng.uniform(0.4, 1.2)))
            self.builder.front(self.frame, chimney, brick)
            self.builder.back(self.frame, chimney, brick)
            self.builder.sides(self.frame, chimney, brick)
