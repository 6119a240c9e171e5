"""What stands and moves about in a city's streets: trees, lamps, signs, cars, people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geonav.providers.demo.cars import build_car
from geonav.providers.demo.quads import Block, Frame, QuadBuilder, Skin

if TYPE_CHECKING:
    from geonav.providers.demo.city_library import Library

_CLOTHES = (
    (0.2, 0.22, 0.3), (0.6, 0.2, 0.18), (0.25, 0.35, 0.6), (0.8, 0.76, 0.68), (0.15, 0.15, 0.16), (0.5, 0.5, 0.35),
    (0.75, 0.6, 0.2),
)  # fmt: skip
_FACES = ((0.85, 0.66, 0.55), (0.6, 0.44, 0.35), (0.36, 0.26, 0.2))


def _box(builder: QuadBuilder, frame: Frame, block: Block, skin: Skin) -> None:
    builder.front(frame, block, skin)
    builder.back(frame, block, skin)
    builder.sides(frame, block, skin)


def build_tree(rng: np.random.Generator, builder: QuadBuilder, frame: Frame, library: Library) -> None:
    """A trunk and a crown of boxes; frame is on the ground below it."""
    girth, trunk = rng.uniform(0.09, 0.16), rng.uniform(2.9, 3.6)
    _box(
        builder,
        frame,
        Block((-girth, girth), (-girth, girth), (0.0, trunk + 0.3)),
        library.mineral.tinted(0.42, 0.34, 0.26),
    )
    tint = np.array([1.0, 1.0, 1.0]) * rng.uniform(0.75, 1.25) * rng.uniform(0.9, 1.1, 3)
    for _ in range(7):
        x, y = rng.uniform(-0.7, 0.7, 2)
        half, bottom = rng.uniform(0.35, 0.75), trunk + rng.uniform(-0.1, 1.9)
        leaves = library.leaves.tinted(*(tint * rng.uniform(0.8, 1.15))).at(*rng.uniform(0, 256, 2))
        _box(builder, frame, Block((x - half, x + half), (y - half, y + half), (bottom, bottom + 1.5 * half)), leaves)


def build_post(rng: np.random.Generator, builder: QuadBuilder, frame: Frame, library: Library) -> None:
    """A street lamp or a traffic sign; frame is on the pavement, out points to the houses' other side."""
    metal = library.mineral.tinted(0.35, 0.37, 0.36)
    if rng.random() < 0.5:
        height = rng.uniform(4.0, 6.0)
        _box(builder, frame, Block((-0.15, 0.15), (-0.2, 0.9), (height, height + 0.14)), metal.tinted(1.6))
    else:
        height = rng.uniform(2.3, 3.0)
        poster = library.posters[rng.integers(len(library.posters))]
        board = Block((-0.03, 0.03), (-poster.width_m / 2, poster.width_m / 2), (height - poster.height_m, height))
        builder.ends(frame, board, poster.skin)
    _box(builder, frame, Block((-0.05, 0.05), (-0.05, 0.05), (0.0, height)), metal)


def build_person(rng: np.random.Generator, builder: QuadBuilder, frame: Frame, library: Library) -> None:
    """Somebody who stands or walks; frame is on the ground below."""
    tall = rng.uniform(0.88, 1.08)
    coat, trousers = (
        library.mineral.tinted(*(np.array(_CLOTHES[i]) * 1.2)) for i in rng.integers(len(_CLOTHES), size=2)
    )
    skin = library.mineral.tinted(*_FACES[rng.integers(len(_FACES))])
    stride = rng.uniform(0.0, 0.3)
    parts = [
        (Block((-stride - 0.08, -stride + 0.08), (-0.19, -0.02), (0.0, 0.84)), trousers),
        (Block((stride - 0.08, stride + 0.08), (0.02, 0.19), (0.0, 0.84)), trousers),
        (Block((-0.13, 0.13), (-0.22, 0.22), (0.8, 1.42)), coat),
        (Block((-0.06, 0.06), (-0.31, -0.23), (0.75, 1.4)), coat.tinted(0.9)),
        (Block((-0.06, 0.06), (0.23, 0.31), (0.75, 1.4)), coat.tinted(0.9)),
        (Block((-0.1, 0.1), (-0.09, 0.09), (1.44, 1.72)), skin),
        (Block((-0.11, 0.08), (-0.1, 0.1), (1.64, 1.76)), library.mineral.tinted(*rng.uniform(0.1, 0.45, 3))),
    ]
    for block, cover in parts:
        scaled = Block(block.right, block.out, (block.up[0] * tall, block.up[1] * tall))
        _box(builder, frame, scaled, cover)


def turned(frame: Frame, angle_rad: float) -> Frame:
    """The frame turned about the vertical."""
    sin, cos = np.sin(angle_rad), np.cos(angle_rad)
    return Frame(frame.origin, cos * frame.right + sin * frame.out, cos * frame.out - sin * frame.right)


__all__ = ["build_car", "build_person", "build_post", "build_tree", "turned"]
