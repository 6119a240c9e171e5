"""What one house looks like, drawn from a seed: sizes, openings, balconies, colours."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

Wall = Literal["plaster", "brick", "stone"]
Kind = Literal["window", "door", "shop", "gate"]
Colour = tuple[float, float, float]

WALL_COLOURS: dict[Wall, list[Colour]] = {
    "plaster": [
        (214, 204, 184), (226, 214, 170), (196, 170, 150), (176, 186, 178), (205, 196, 200),
        (222, 190, 150), (180, 190, 205), (230, 226, 216), (198, 150, 128), (170, 178, 150),
    ],
    "brick": [(150, 82, 64), (168, 104, 80), (128, 74, 62), (178, 140, 104)],
    "stone": [(178, 168, 150), (160, 156, 150), (196, 182, 154), (150, 140, 132)],
}  # fmt: skip
TRIM_COLOURS: list[Colour] = [
    (235, 232, 224), (180, 172, 160), (120, 70, 50), (70, 92, 80), (60, 66, 84), (150, 140, 122),
    (110, 50, 48), (205, 196, 176),
]  # fmt: skip


@dataclass(frozen=True)
class Opening:
    """A hole in the front: window, door, shop window or gate.

    Attributes:
        kind: What fills it.
        left_m: From the house's left corner, seen from the street.
        right_m: likewise.
        bottom_m: Above the ground.
        top_m: likewise.
        recess_m: How far its filling lies behind the wall.
        seed: Of its own details.
    """

    kind: Kind
    left_m: float
    right_m: float
    bottom_m: float
    top_m: float
    recess_m: float
    seed: int


@dataclass(frozen=True)
class Ledge:
    """A box before the wall, painted as the wall's picture is there."""

    left_m: float
    right_m: float
    bottom_m: float
    top_m: float
    depth_m: float


@dataclass(frozen=True)
class Design:
    """One house.

    Attributes:
        seed: What it was drawn from.
        width_m: Along the street.
        height_m: Of the wall, up to the eaves.
        floors_m: Heights of the floors above the ground, the ground's own first.
        wall: Material of the upper floors.
        colours: Of wall, trim, ground floor and door.
        openings: Windows and doors; none overlap.
        ledges: Cornices, pilasters and bays.
        balconies: Ledges that are balconies: slab and railing.
        pipes_m: Where rain pipes run down, from the left corner.
        roof_rise_m: Height of the ridge over the eaves.
        roof_colour: Of the tiles.
        has_shutters: Whether windows have shutters.
        has_frames: Whether windows have a painted surround.
        clutter: Number of signs, stains, cables and the like.
    """

    seed: int
    width_m: float
    height_m: float
    floors_m: tuple[float, ...]
    wall: Wall
    colours: tuple[Colour, Colour, Colour, Colour]
    openings: tuple[Opening, ...]
    ledges: tuple[Ledge, ...]
    balconies: tuple[Ledge, ...]
    pipes_m: tuple[float, ...]
    roof_rise_m: float
    roof_colour: Colour
    has_shutters: bool
    has_frames: bool
    clutter: int


def draw_design(seed: int, width_m: float) -> Design:
    """Draw a house that is width_m wide."""
    rng = np.random.default_rng([seed, 1])
    floors = _floors(rng)
    columns = _columns(rng, width_m)
    openings = _upper_openings(rng, floors, columns) + _ground_openings(rng, floors[1], width_m)
    wall: Wall = ("plaster", "brick", "stone")[rng.choice(3, p=[0.55, 0.27, 0.18])]
    ledges, balconies = _relief(rng, floors, width_m, openings)
    return Design(
        seed=seed,
        width_m=width_m,
        height_m=floors[-1],
        floors_m=tuple(floors),
        wall=wall,
        colours=_colours(rng, wall),
        openings=tuple(openings),
        ledges=tuple(ledges),
        balconies=tuple(balconies),
        pipes_m=tuple(x for x in (0.12, width_m - 0.12) if rng.random() < 0.5),
        roof_rise_m=float(rng.uniform(1.5, 4.0)),
        roof_colour=((150, 84, 66), (112, 92, 84), (92, 94, 100), (164, 104, 74))[rng.integers(4)],
        has_shutters=bool(rng.random() < 0.35),
        has_frames=bool(rng.random() < 0.6),
        clutter=int(rng.integers(6, 16)),
    )


def _floors(rng: np.random.Generator) -> list[float]:
    """Heights of the floors' bottoms and, last, of the eaves."""
    ground, upper = rng.uniform(3.2, 4.3), rng.uniform(2.7, 3.5)
    count = int(rng.integers(2, 5))
    eaves = rng.uniform(0.1, 0.8)
    return [0.0, *(ground + upper * np.arange(count)).tolist(), ground + upper * count - 0.3 + eaves]


def _columns(rng: np.random.Generator, width_m: float) -> list[float]:
    """Middles of the windows' columns."""
    count = max(2, int(width_m / rng.uniform(1.9, 3.0)))
    margin = rng.uniform(0.9, 1.3)
    middles = np.linspace(margin, width_m - margin, count)
    if count > 2 and rng.random() < 0.6:
        middles[1:-1] += rng.uniform(-0.25, 0.25)
    return [float(x) for x in middles]


def _upper_openings(rng: np.random.Generator, floors: list[float], columns: list[float]) -> list[Opening]:
    pitch = float(np.min(np.diff(columns)))
    width = min(rng.uniform(0.9, 1.5), pitch - 0.55)
    height, sill, recess = rng.uniform(1.3, 1.9), rng.uniform(0.6, 0.95), rng.uniform(0.12, 0.4)
    openings = []
    for floor, top in pairwise(floors[1:]):
        height = min(height * rng.uniform(0.9, 1.05), top - floor - sill - 0.3)
        for middle in columns:
            if rng.random() < 0.06:
                continue
            narrow = width * (0.6 if rng.random() < 0.07 else 1.0)
            openings.append(
                Opening(
                    "window",
                    middle - narrow / 2,
                    middle + narrow / 2,
                    floor + sill,
                    floor + sill + height,
                    recess,
                    int(rng.integers(1 << 30)),
                )
            )
    return openings


def _ground_openings(rng: np.random.Generator, ceiling: float, width_m: float) -> list[Opening]:
    """Doors, shop windows, gates and windows side by side on the ground floor."""
    sizes: dict[Kind, tuple[float, float]] = {
        "window": (1.0, 1.6), "door": (1.0, 1.4), "shop": (1.8, 3.4), "gate": (2.4, 3.0),
    }  # fmt: skip
    is_shop = rng.random() < 0.5
    weights = [0.1, 0.2, 0.65, 0.05] if is_shop else [0.6, 0.25, 0.0, 0.15]
    openings: list[Opening] = []
    left = rng.uniform(0.4, 0.8)
    has_door = False
    while True:
        kind: Kind = ("window", "door", "shop", "gate")[rng.choice(4, p=weights)]
        if not has_door and left > width_m / 2:
            kind = "door"
        width = rng.uniform(*sizes[kind])
        if left + width > width_m - 0.35:
            return openings
        bottom = {"window": rng.uniform(0.9, 1.1), "shop": rng.uniform(0.3, 0.6)}.get(kind, 0.0)
        top = min(ceiling - 0.55, bottom + 1.5 if kind == "window" else rng.uniform(2.3, 2.8))
        has_door |= kind == "door"
        recess = rng.uniform(0.1, 0.6 if kind in ("door", "gate") else 0.3)
        seed = int(rng.integers(1 << 30))
        openings.append(Opening(kind, left, left + width, bottom, top, recess, seed))
        left += width + rng.uniform(0.35, 1.2)


def _relief(
    rng: np.random.Generator, floors: list[float], width_m: float, openings: list[Opening]
) -> tuple[list[Ledge], list[Ledge]]:
    """Cornices and sills (painted ledges), and balconies."""
    ledges = [Ledge(0.0, width_m, floors[-1] - 0.28, floors[-1], float(rng.uniform(0.2, 0.5)))]
    if rng.random() < 0.7:
        ledges.append(Ledge(0.0, width_m, floors[1] - 0.12, floors[1] + 0.1, rng.uniform(0.08, 0.2)))
    if rng.random() < 0.3:
        ledges += [Ledge(0.0, width_m, z - 0.06, z + 0.08, 0.07) for z in floors[2:-1]]
    upper = [o for o in openings if o.bottom_m > floors[1]]
    balconies = []
    share = rng.choice([0.0, 0.15, 0.35])
    for o in upper:
        if rng.random() < share:
            side = rng.uniform(0.15, 0.3)
            balconies.append(
                Ledge(
                    max(0.05, o.left_m - side),
                    min(width_m - 0.05, o.right_m + side),
                    o.bottom_m - 0.45,
                    o.bottom_m + 0.35,
                    float(rng.uniform(0.6, 1.1)),
                )
            )
        else:
            sill = Ledge(o.left_m - 0.08, o.right_m + 0.08, o.bottom_m - 0.1, o.bottom_m, 0.12)
            ledges.append(sill)
    return ledges, balconies


def _colours(rng: np.random.Generator, wall: Wall) -> tuple[Colour, Colour, Colour, Colour]:
    walls = WALL_COLOURS[wall]
    base = np.array(walls[rng.integers(len(walls))]) * rng.uniform(0.9, 1.06)
    trim, door = (TRIM_COLOURS[i] for i in rng.choice(len(TRIM_COLOURS), 2, replace=False))
    ground = base * rng.uniform(0.7, 1.05) if rng.random() < 0.5 else np.array([168.0, 160, 148])
    return tuple(map(float, base)), trim, tuple(map(float, ground)), door  # type: ignore[return-value]
