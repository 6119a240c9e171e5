"""The surfaces of a city's streets: each piece between two crossings by itself, and the crossings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geonav.providers.demo import textures
from geonav.providers.demo.atlas import Atlas, AtlasBuilder
from geonav.providers.demo.city_clutter import build_car, build_person, build_post, build_tree, turned
from geonav.providers.demo.city_houses import House, Mason, closing_house, plan_houses
from geonav.providers.demo.quads import Block, Frame, QuadBuilder, Quads, Skin
from geonav.providers.demo.street import KERB_M, paint_road

if TYPE_CHECKING:
    from geonav.providers.demo.city_library import Library
    from geonav.providers.demo.city_plan import Layout, Segment

Floats = NDArray[np.float64]

# More than any recess: two rows meet at a corner, and no window may look into the other row's wall.
_CORNER_GAP_M = 0.75
_GROUND_MARGIN_M = 800.0
_CAR_STEP_M, _PERSON_STEP_M = (5.2, 7.0), (3.0, 22.0)


@dataclass(frozen=True)
class Placed:
    """Surfaces, and for each the place of what it belongs to.

    Attributes:
        quads: Surfaces in ENU.
        places: (Q, 2) east and north.
    """

    quads: Quads
    places: Floats

    def within(self, center: Floats, least_m: float, most_m: float) -> Quads:
        """Those that belong to something at a distance from a place (2,)."""
        distance = np.linalg.norm(self.places - center[:2], axis=1)
        return self.quads.chosen((distance >= least_m) & (distance < most_m))


@dataclass(frozen=True)
class Site:
    """A piece of street.

    Attributes:
        ground: Road and pavements.
        near: Houses in full and what stands before them.
        far: Houses without relief.
        atlas: The textures that are its own; the surfaces number them after the library's.
    """

    ground: Quads
    near: Placed
    far: Placed
    atlas: Atlas

    @property
    def num_bytes(self) -> int:
        """Memory it takes."""
        sets = (self.ground, self.near.quads, self.far.quads)
        return self.atlas.texels.nbytes + sum(quads.num_bytes for quads in sets)


@dataclass(frozen=True)
class Ground:
    """Where a piece of street lies; along from 0 to its length, left seen along it, before the slope."""

    layout: Layout
    segment: Segment

    @property
    def length_m(self) -> float:
        """From end to end."""
        return self.segment.end_m - self.segment.begin_m

    @property
    def direction(self) -> Floats:
        """(3,) along the street."""
        return np.asarray(self.layout.axes[int(self.segment.line.is_cross)])

    @property
    def left(self) -> Floats:
        """(3,) to its left."""
        return np.asarray(-self.layout.axes[0] if self.segment.line.is_cross else self.layout.axes[1])

    def point(self, along_m: float, left_m: float, up_m: float = 0.0) -> Floats:
        """(3,) level coordinates."""
        place = self.layout.place(self.segment.line, self.segment.begin_m + along_m, left_m)
        return np.asarray(place @ self.layout.axes[:2] + [0.0, 0.0, up_m])

    def frame(self, along_m: float, left_m: float, up_m: float = 0.0) -> Frame:
        """A place to put something; out is to the right."""
        return Frame(self.point(along_m, left_m, up_m), self.direction, -self.left)


def sloped(quads: Quads, slope: tuple[float, float]) -> Quads:
    """Surfaces on level ground moved up with a slope; upright edges stay upright."""
    rise = np.array([slope[0], slope[1], 0.0])
    parts = {}
    for name in ("origin", "edge_u", "edge_v"):
        part = getattr(quads, name).copy()
        part[:, 2] += part @ rise
        parts[name] = part
    return replace(quads, **parts)


def joined(parts: list[Quads]) -> Quads:
    """All of several sets."""
    names = Quads.__dataclass_fields__
    return Quads(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def build_site(layout: Layout, segment: Segment, library: Library) -> Site:
    """Build a piece of street; takes a second or two."""
    plan, ground = layout.plan, Ground(layout, segment)
    atlas = AtlasBuilder()
    flat = QuadBuilder()
    _lay_road(ground, flat, atlas, library, plan.rng(40, segment.number))
    mason = Mason(library, atlas, plan.texel_m, plan.individuality)
    near: list[tuple[Quads, Floats]] = []
    far: list[tuple[Quads, Floats]] = []
    for house, row in _houses(ground, library):
        full, rough = (builder.build() for builder in mason.build(house, row))
        place = row.point(house.start_m + house.design.width_m / 2, 0.0, 0.0)[:2]
        near.append((full, place))
        far.append((rough, place))
    near += _furniture(ground, library)
    return Site(sloped(flat.build(), plan.slope), _placed(near, plan.slope), _placed(far, plan.slope), atlas.build())


def _placed(parts: list[tuple[Quads, Floats]], slope: tuple[float, float]) -> Placed:
    places = np.concatenate([np.repeat(place[None], len(quads), axis=0) for quads, place in parts])
    return Placed(sloped(joined([quads for quads, _ in parts]), slope), places)


def _houses(ground: Ground, library: Library) -> list[tuple[House, Frame]]:
    """Both rows, and the houses that close dead ends, each with the frame of its row."""
    plan, segment, half = ground.layout.plan, ground.segment, ground.segment.line.half_width_m
    begin, end = (0.0 if dead else _CORNER_GAP_M for dead in segment.is_dead_end)
    rows = [
        Frame(ground.point(begin, half), ground.direction, -ground.left),
        Frame(ground.point(ground.length_m - end, -half), -ground.direction, ground.left),
    ]
    built: list[tuple[House, Frame]] = []
    for side, row in enumerate(rows):
        rng = plan.rng(41, segment.number, side)
        houses = plan_houses(plan, rng, library, ground.length_m - begin - end)
        houses[0], houses[-1] = (replace(house, setback_m=0.0) for house in (houses[0], houses[-1]))
        built += [(house, row) for house in houses]
    wide = half + 3.0
    ends = (
        Frame(ground.point(0.0, -wide), ground.left, ground.direction),
        Frame(ground.point(ground.length_m, wide), -ground.left, -ground.direction),
    )
    for k, row in enumerate(ends):
        if segment.is_dead_end[k]:
            seed = int(plan.rng(42, segment.number, k).integers(1 << 30))
            built.append((closing_house(seed, 2 * wide), row))
    return built


def _level(builder: QuadBuilder, ground: Ground, along: tuple[float, float], left: tuple[float, float], up_m: float,
           skin: Skin) -> None:  # fmt: skip
    """A level rectangle; left[0] > left[1]."""
    point = ground.point
    builder.corners(
        point(along[0], left[0], up_m), point(along[1], left[0], up_m), point(along[0], left[1], up_m), skin
    )


def _lay_road(
    ground: Ground, builder: QuadBuilder, atlas: AtlasBuilder, library: Library, rng: np.random.Generator
) -> None:
    line, length = ground.segment.line, ground.length_m
    kerb, half = line.road_width_m / 2, line.half_width_m
    road = Skin(len(library) + atlas.add(paint_road(rng, line.road_width_m, length)), 0.02)
    _level(builder, ground, (0.0, length), (kerb, -kerb), 0.0, road)
    shape = (round(line.pavement_width_m / 0.02), round(length / 0.02))
    grey = (158.0, 154.0, 148.0)
    picture = textures.courses(rng, shape, grey, block_px=(20.0, 30.0), joint_px=1.0, contrast=0.07)
    slabs = Skin(len(library) + atlas.add(picture), 0.02)
    for outer, inner in ((half, kerb), (-kerb, -half)):
        _level(builder, ground, (0.0, length), (outer, inner), KERB_M, slabs)
    for side in (1, -1):
        frame = Frame(ground.point(0.0, side * kerb), ground.direction * side, -ground.left * side)
        along = (0.0, length) if side == 1 else (-length, 0.0)
        builder.front(frame, Block(along, (0.0, 0.0), (0.0, KERB_M)), library.mineral)


def _furniture(ground: Ground, library: Library) -> list[tuple[Quads, Floats]]:
    """Lamps, signs, and in some streets trees, along both kerbs."""
    plan, line = ground.layout.plan, ground.segment.line
    rng = plan.rng(43, ground.segment.number)
    has_trees = plan.rng(44, line.number).random() < 0.4
    parts = []
    for side in (1, -1):
        along = rng.uniform(2, 9)
        while along < ground.length_m - 1:
            frame = ground.frame(along, side * (line.road_width_m / 2 + rng.uniform(0.35, 0.55)), KERB_M)
            builder = QuadBuilder()
            build = build_tree if has_trees and rng.random() < 0.6 else build_post
            build(rng, builder, frame, library)
            parts.append((builder.build(), frame.origin[:2]))
            along += rng.uniform(8, 16)
    return parts


def build_clutter(layout: Layout, segment: Segment, library: Library, clutter_seed: int) -> Placed | None:
    """Cars along both kerbs and people on the pavements, as on one day; None where there are none."""
    ground, line = Ground(layout, segment), segment.line
    rng = layout.plan.rng(45, segment.number, clutter_seed)
    parts: list[tuple[Quads, Floats]] = []
    for side in (1, -1):
        along = rng.uniform(1, 6)
        while along < ground.length_m - 3:
            if rng.random() < 0.25:
                frame = ground.frame(along, side * (line.road_width_m / 2 - 1.0) + rng.normal(0, 0.06))
                builder = QuadBuilder()
                build_car(rng, builder, frame, library.cars)
                parts.append((builder.build(), frame.origin[:2]))
            along += rng.uniform(*_CAR_STEP_M)
        along = rng.uniform(*_PERSON_STEP_M)
        while along < ground.length_m:
            left = side * rng.uniform(line.road_width_m / 2 + 0.3, line.half_width_m - 0.3)
            frame = turned(ground.frame(along, left, KERB_M), float(rng.uniform(0, 2 * np.pi)))
            builder = QuadBuilder()
            build_person(rng, builder, frame, library)
            parts.append((builder.build(), frame.origin[:2]))
            along += rng.uniform(*_PERSON_STEP_M)
    return _placed(parts, layout.plan.slope) if parts else None


def build_crossings(layout: Layout, library: Library) -> Placed | None:
    """The ground of all crossings; None where there are none."""
    parts: list[tuple[Quads, Floats]] = []
    for along, cross in layout.crossings:
        builder = QuadBuilder()
        center = np.append(np.array([cross.offset_m, along.offset_m]) @ layout.axes[:2, :2], 0.0)
        frame = Frame(center, layout.axes[0], -layout.axes[1])
        reach = (cross.half_width_m, along.half_width_m)
        kerb = (cross.road_width_m / 2, along.road_width_m / 2)
        square = Block((-reach[0], reach[0]), (-reach[1], reach[1]), (-0.5, 0.0))
        builder.levels(frame, square, library.asphalt)
        for a in (1, -1):
            for b in (1, -1):
                first, second = sorted((a * kerb[0], a * reach[0])), sorted((b * kerb[1], b * reach[1]))
                corner = Block((first[0], first[1]), (second[0], second[1]), (0.0, KERB_M))
                builder.front(frame, corner, library.mineral)
                builder.back(frame, corner, library.mineral)
                builder.sides(frame, corner, library.slabs)
        parts.append((builder.build(), center[:2]))
    return _placed(parts, layout.plan.slope) if parts else None


def build_land(layout: Layout, library: Library) -> Quads:
    """What lies around the streets, up to the horizon; just below them."""
    reach = max(line.length_m for line in layout.lines) + _GROUND_MARGIN_M
    builder = QuadBuilder()
    frame = Frame(np.zeros(3), layout.axes[0], -layout.axes[1])
    builder.levels(frame, Block((-reach, reach), (-reach, reach), (-1.0, -0.15)), library.grass)
    return sloped(builder.build(), layout.plan.slope)
