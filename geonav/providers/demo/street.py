"""Houses, ground and street furniture of a StreetScene put together; parked cars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geonav.providers.demo import textures
from geonav.providers.demo.atlas import Atlas, AtlasBuilder
from geonav.providers.demo.cars import CarSkins, build_car, paint_cars
from geonav.providers.demo.design import Design, draw_design
from geonav.providers.demo.elevation import paint_elevation
from geonav.providers.demo.openings import canvas, rgb, word, write
from geonav.providers.demo.quads import Block, Frame, QuadBuilder, Quads, Skin
from geonav.providers.demo.relief import HOUSE_DEPTH_M, HouseSkins, build_house

if TYPE_CHECKING:
    from geonav.providers.demo.scene import StreetScene

KERB_M = 0.12
_SQUARE_M = 16.0
_GROUND_M = 400.0


@dataclass(frozen=True)
class Plot:
    """A house's place in its row.

    Attributes:
        start_m: Along the row.
        width_m: Of the house.
        design_seed: Of the house's design.
        wear_seed: Of its wear.
        setback_m: Behind the row's line.
    """

    start_m: float
    width_m: float
    design_seed: int
    wear_seed: int
    setback_m: float


def plan_row(street: StreetScene, side: int, count: int) -> list[Plot]:
    """Lay out one row of houses.

    Args:
        street: Settings.
        side: 0 left, 1 right.
        count: Houses in the row.
    """
    rng = np.random.default_rng([street.seed, 10, side])
    copies = rng.random(count) < street.repetition
    usual = street.length_m / count
    widths = np.where(copies, usual, usual * rng.uniform(0.75, 1.3, count))
    if not copies.all():
        free = street.length_m - usual * copies.sum()
        widths[~copies] *= free / widths[~copies].sum()
    starts = np.concatenate([[0.0], np.cumsum(widths)[:-1]])
    plots = []
    for i in range(count):
        own, wear = (int(x) for x in rng.integers(1 << 30, size=2))
        gap = 0.0 if copies[i] or rng.random() < 0.85 else min(2.2, 0.25 * widths[i])
        setback = 0.0 if copies[i] else float(rng.choice([0.0, rng.uniform(0.0, 0.5)]))
        prototype = street.seed * 1009 + i % street.num_prototypes
        plots.append(
            Plot(
                float(starts[i]),
                float(widths[i] - gap),
                prototype if copies[i] else own,
                wear if street.individual_wear or not copies[i] else prototype,
                setback,
            )
        )
    return plots


def build_standing(street: StreetScene) -> tuple[Quads, Atlas, CarSkins]:
    """All that does not move, every texture, and what cars are covered with."""
    site = _Site(street, QuadBuilder(), AtlasBuilder())
    site.ground()
    site.houses()
    site.furniture()
    cars = paint_cars(np.random.default_rng([street.seed, 13]), site.atlas)
    return site.builder.build(), site.atlas.build(), cars


def build_cars(street: StreetScene, skins: CarSkins) -> Quads | None:
    """Cars parked along both kerbs; None where there are none."""
    rng = np.random.default_rng([street.seed, 14, street.clutter_seed])
    builder = QuadBuilder()
    count = 0
    for side in (1, -1):
        along = rng.uniform(0, 6)
        while along < street.length_m - 5:
            if rng.random() < street.cars_per_100_m * 6 / 100:
                left = side * (street.road_width_m / 2 - 1.0) + rng.normal(0, 0.06)
                frame = Frame(street.point(along, left, 0.0), street.direction, -street.left)
                build_car(rng, builder, frame, skins)
                count += 1
            along += rng.uniform(5.2, 7.0)
    return builder.build() if count else None


@dataclass(frozen=True)
class _Site:
    street: StreetScene
    builder: QuadBuilder
    atlas: AtlasBuilder

    def rng(self, part: int) -> np.random.Generator:
        return np.random.default_rng([self.street.seed, part])

    def flat(self, along: tuple[float, float], left: tuple[float, float], up_m: float, skin: Skin) -> None:
        """A level rectangle; left[0] > left[1]."""
        point = self.street.point
        self.builder.corners(
            point(along[0], left[0], up_m), point(along[1], left[0], up_m), point(along[0], left[1], up_m), skin
        )

    def ground(self) -> None:
        street, rng = self.street, self.rng(11)
        half, kerb = street.half_width_m, street.road_width_m / 2
        around = self.atlas.add(textures.asphalt(rng, (512, 512)), wraps=True)
        far = self.atlas.add(textures.foliage(rng, (256, 256)), wraps=True)
        ends = (-_SQUARE_M, street.length_m + _SQUARE_M)
        reach = _GROUND_M / 2
        # Below everything, so that what looks through a gap sees land up to the horizon.
        self.flat((ends[0] - reach, ends[1] + reach), (reach, -reach), -0.15, Skin(far, 0.05))
        for along in ((ends[0], 0.0), (street.length_m, ends[1])):
            self.flat(along, (25.0, -25.0), 0.0, Skin(around, 0.02))
        road = self.atlas.add(paint_road(rng, street.road_width_m, street.length_m))
        self.flat((0.0, street.length_m), (kerb, -kerb), 0.0, Skin(road, 0.02))
        for outer, inner in ((half, kerb), (-kerb, -half)):
            picture = textures.courses(
                rng,
                (round(street.pavement_width_m / 0.02), round(street.length_m / 0.02)),
                (158.0, 154.0, 148.0),
                block_px=(20.0, 30.0),
                joint_px=1.0,
                contrast=0.07,
            )
            slabs = Skin(self.atlas.add(picture), 0.02)
            self.flat((0.0, street.length_m), (outer, inner), KERB_M, slabs)
        stone = Skin(self.atlas.add(textures.rendered_stone(rng, (256, 256)), wraps=True), 0.015)
        for side in (1, -1):
            frame = Frame(street.point(0.0, side * kerb, 0.0), street.direction * side, -street.left * side)
            along = (0.0, street.length_m) if side == 1 else (-street.length_m, 0.0)
            self.builder.front(frame, Block(along, (0.0, 0.0), (0.0, KERB_M)), stone)

    def houses(self) -> None:
        street, rng = self.street, self.rng(12)
        mineral = Skin(self.atlas.add(textures.rendered_stone(rng, (512, 512)), wraps=True), 0.012)
        tiles = Skin(self.atlas.add(paint_tiles(rng), wraps=True), 0.02)
        counts = (street.num_buildings // 2, street.num_buildings - street.num_buildings // 2)
        fronts: dict[tuple[int, float, int], Skin] = {}
        for side, frame in enumerate(self._rows()):
            for plot in plan_row(street, side, counts[side]):
                design = draw_design(plot.design_seed, plot.width_m)
                front = self._front(design, plot.wear_seed, fronts)
                place = frame.moved(plot.start_m, -plot.setback_m, 0.0)
                build_house(self.builder, design, place, HouseSkins(front, mineral, tiles))
        width = 2 * street.half_width_m + 10
        for i, frame in enumerate(self._ends(width)):
            design = draw_design(int(rng.integers(1 << 30)), width)
            build_house(self.builder, design, frame, HouseSkins(self._front(design, i, fronts), mineral, tiles))

    def _front(self, design: Design, wear_seed: int, fronts: dict[tuple[int, float, int], Skin]) -> Skin:
        """The painted front; houses that are equal share it."""
        key = (design.seed, design.width_m, wear_seed)
        if key not in fronts:
            picture = paint_elevation(design, self.street.texel_m, wear_seed)
            fronts[key] = Skin(self.atlas.add(picture), self.street.texel_m)
        return fronts[key]

    def _rows(self) -> tuple[Frame, Frame]:
        """Left and right row, each from its left end seen from the street."""
        street, half = self.street, self.street.half_width_m
        return (
            Frame(street.point(0.0, half, 0.0), street.direction, -street.left),
            Frame(street.point(street.length_m, -half, 0.0), -street.direction, street.left),
        )

    def _ends(self, width_m: float) -> tuple[Frame, Frame]:
        """The houses that close the view at both ends."""
        street = self.street
        return (
            Frame(street.point(-_SQUARE_M, -width_m / 2, 0.0), street.left, street.direction),
            Frame(street.point(street.length_m + _SQUARE_M, width_m / 2, 0.0), -street.left, -street.direction),
        )

    def furniture(self) -> None:
        """Lamp posts and sign posts on the pavements."""
        street, rng = self.street, self.rng(15)
        metal = Skin(self.atlas.add(textures.rendered_stone(rng, (64, 64)), wraps=True), 0.01, (0.35, 0.37, 0.36))
        for side in (1, -1):
            along = rng.uniform(2, 12)
            while along < street.length_m:
                left = side * (street.road_width_m / 2 + rng.uniform(0.3, 0.5))
                frame = Frame(street.point(along, left, KERB_M), street.direction, -street.left)
                height = rng.uniform(4.0, 6.0) if rng.random() < 0.5 else rng.uniform(2.2, 2.8)
                parts = [(Block((-0.05, 0.05), (-0.05, 0.05), (0.0, height)), metal, metal)]
                parts.append(self._post_head(rng, height, metal))
                for block, face, sides in parts:
                    self.builder.front(frame, block, face)
                    self.builder.back(frame, block, face)
                    self.builder.sides(frame, block, sides)
                along += rng.uniform(9, 18)

    def _post_head(self, rng: np.random.Generator, height: float, metal: Skin) -> tuple[Block, Skin, Skin]:
        """A lamp on a tall post, a sign that faces along the street on a short one."""
        if height > 3:
            return Block((-0.15, 0.15), (-0.2, 0.9), (height, height + 0.14)), metal.tinted(1.6), metal
        image, draw = canvas(textures.flat(tuple(rng.uniform(40, 240, 3)), (56, 56)))
        draw.rectangle([3, 3, 52, 52], outline=rgb(rng.uniform(0, 255, 3)), width=3)
        draw.ellipse([14, 6, 42, 34], fill=rgb(rng.uniform(0, 255, 3)))
        write(draw, (6, 36), word(rng, 2), 13, rgb(rng.uniform(0, 80, 3)))
        face = Skin(self.atlas.add(np.asarray(image, np.float32)), 0.0125)
        return Block((-0.03, 0.03), (-0.35, 0.35), (height - 0.7, height)), metal, face


def paint_road(rng: np.random.Generator, width_m: float, length_m: float) -> textures.Picture:
    """Asphalt, a dashed line in the middle, covers of drains and manholes; texels of 0.02 m."""
    shape = (round(width_m / 0.02), round(length_m / 0.02))
    picture = textures.asphalt(rng, shape)
    middle = shape[0] // 2
    worn = 0.55 + 0.2 * textures.fractal_noise(rng, (8, shape[1]), slope=0.5)[..., None]
    for start in range(0, shape[1], 300):
        dash = np.s_[middle - 4 : middle + 4, start : start + 150]
        picture[dash] += (225 - picture[dash]) * np.clip(worn[:, start : start + 150], 0, 1)
    image, draw = canvas(picture)
    for _ in range(max(2, int(length_m / 8))):
        x, y, r = rng.uniform(0, shape[1]), rng.uniform(20, shape[0] - 20), rng.uniform(12, 20)
        draw.ellipse([x - r, y - r, x + r, y + r], fill=rgb([70, 68, 66]), outline=rgb([40, 40, 40]), width=2)
        for k in np.linspace(-0.6, 0.6, 5):
            draw.line([x - 0.6 * r, y + k * r, x + 0.6 * r, y + k * r], fill=rgb([45, 44, 44]))
    return np.asarray(image, np.float32)


def paint_tiles(rng: np.random.Generator) -> textures.Picture:
    """Roof tiles, tiling; texels of 0.02 m."""
    shape = (256, 256)
    return textures.courses(rng, shape, (150.0, 150.0, 150.0), block_px=(16.0, 16.0), joint_px=1.5, contrast=0.1)


__all__ = ["HOUSE_DEPTH_M", "Plot", "build_cars", "build_standing", "paint_road", "paint_tiles", "plan_row"]
