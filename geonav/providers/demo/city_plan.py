"""The settings of a demo city, and where its streets and crossings lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from geonav.errors import UsageError
from geonav.geometry.geodesy import GeoPoint

Floats = NDArray[np.float64]

ORIGIN = GeoPoint(48.9407, 8.4090, 130.0)
MAX_PANORAMAS = 5000
SPACING_M = 10.0
_BLOCK_M = 90.0
_LEAST_LENGTH_M = 30.0
_NAMES_BEGIN = (
    "Linden", "Markt", "Kirch", "Mühl", "Garten", "Schul", "Berg", "Rosen", "Ufer", "Acker", "Turm", "Brunnen",
    "Weber", "Hafen", "Ring", "Salz",
)  # fmt: skip
_NAMES_END = ("straße", "gasse", "weg", "allee", "zeile")


@dataclass(frozen=True)
class CityPlan:
    """What a city is made from; equal plans give equal cities.

    Attributes:
        seed: Of everything.
        num_panoramas: How many the city has, one about every 10 m of its streets; from 10 on there are
            at least two streets that cross.
        origin: Where on Earth the city's middle is; its height is the ground's there.
        position_noise_m: Standard deviation of the reported positions' error, along east and north.
        heading_noise_deg: Standard deviation of the reported headings' error.
        repetition: Share of the houses that look like houses elsewhere in the city.
        num_prototypes: How many looks those houses have.
        individuality: How much houses of one look differ: their own posters and signs, each 1 is four a house.
        texel_m: Size of a texel on the houses.
        slope: Rise of the ground towards east and north, metres a metre.
        camera_height_m: Of the panoramas above the ground.
    """

    seed: int = 0
    num_panoramas: int = 20
    origin: GeoPoint = ORIGIN
    position_noise_m: float = 0.0
    heading_noise_deg: float = 0.0
    repetition: float = 0.5
    num_prototypes: int = 12
    individuality: float = 1.0
    texel_m: float = 0.016
    slope: tuple[float, float] = (0.02, -0.012)
    camera_height_m: float = 2.5

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            UsageError: A city that cannot be built.
        """
        if not 1 <= self.num_panoramas <= MAX_PANORAMAS:
            msg = f"a demo city of {self.num_panoramas} panoramas: give 1 to {MAX_PANORAMAS}"
            raise UsageError(msg)
        if not 0 <= self.repetition <= 1 or self.num_prototypes < 1 or self.individuality < 0:
            msg = "repetition must be 0 to 1, num_prototypes at least 1 and individuality not negative"
            raise UsageError(msg)
        if min(self.position_noise_m, self.heading_noise_deg) < 0 or self.seed < 0:
            msg = "position_noise_m, heading_noise_deg and the seed must not be negative"
            raise UsageError(msg)
        if not 0.004 <= self.texel_m <= 0.1:
            msg = f"texel_m {self.texel_m} must be 0.004 to 0.1"
            raise UsageError(msg)

    def rng(self, *part: int) -> np.random.Generator:
        """A stream of its own for a part of the city."""
        return np.random.default_rng([self.seed, *part])


@dataclass(frozen=True)
class Line:
    """A straight street of the layout, in the city's own axes.

    Attributes:
        number: Among all lines.
        name: Of the street.
        is_cross: Whether it runs along the second axis instead of the first.
        offset_m: Its place on the axis across it.
        begin_m: Where it begins on its own axis.
        end_m: Where it ends.
        road_width_m: Between the kerbs.
        pavement_width_m: From kerb to houses.
    """

    number: int
    name: str
    is_cross: bool
    offset_m: float
    begin_m: float
    end_m: float
    road_width_m: float
    pavement_width_m: float

    @property
    def length_m(self) -> float:
        """From end to end."""
        return self.end_m - self.begin_m

    @property
    def half_width_m(self) -> float:
        """From the middle of the road to the houses."""
        return self.road_width_m / 2 + self.pavement_width_m


@dataclass(frozen=True)
class Segment:
    """A street between two crossings, or between a crossing and the street's end.

    Attributes:
        number: Among all segments.
        line: The street.
        begin_m: Where the houses begin, on the line's axis.
        end_m: Where they end.
        is_dead_end: Whether a house closes it at its beginning, and at its end.
    """

    number: int
    line: Line
    begin_m: float
    end_m: float
    is_dead_end: tuple[bool, bool]


@dataclass(frozen=True)
class Layout:
    """Streets on two families of parallel lines; every line of one crosses all of the other.

    Attributes:
        plan: The settings.
        lines: The streets.
    """

    plan: CityPlan
    lines: tuple[Line, ...]

    @cached_property
    def axes(self) -> Floats:
        """(3, 3) rows: the city's first axis, its second (to the left), and up, in ENU without the slope."""
        azimuth = self.plan.rng(1).uniform(0.1, 1.4)
        along = np.array([np.sin(azimuth), np.cos(azimuth), 0.0])
        return np.array([along, [-along[1], along[0], 0.0], [0.0, 0.0, 1.0]])

    @cached_property
    def crossings(self) -> tuple[tuple[Line, Line], ...]:
        """Pairs of a line along the first axis and one along the second."""
        return tuple((a, b) for a in self.lines if not a.is_cross for b in self.lines if b.is_cross)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """All pieces of all streets."""
        segments: list[Segment] = []
        for line in self.lines:
            others = sorted((o for o in self.lines if o.is_cross != line.is_cross), key=lambda o: o.offset_m)
            bounds = [line.begin_m]
            for other in others:
                bounds += [other.offset_m - other.half_width_m, other.offset_m + other.half_width_m]
            bounds.append(line.end_m)
            pieces = list(zip(bounds[::2], bounds[1::2], strict=True))
            for i, (begin, end) in enumerate(pieces):
                segments.append(Segment(len(segments), line, begin, end, (i == 0, i == len(pieces) - 1)))
        return tuple(segments)

    def place(self, line: Line, along_m: float, left_m: float = 0.0) -> Floats:
        """(2,) place on the city's axes of a place on a street; left is seen along the street."""
        if line.is_cross:
            return np.array([line.offset_m - left_m, along_m])
        return np.array([along_m, line.offset_m + left_m])

    def enu(self, place: Floats, up_m: float = 0.0) -> Floats:
        """(3,) ENU of a place (2,) on the city's axes, a height above the ground."""
        level = place @ self.axes[:2]
        rise = float(level[:2] @ np.asarray(self.plan.slope))
        return np.array([level[0], level[1], rise + up_m])

    def azimuth_deg(self, line: Line) -> float:
        """Direction of a street, clockwise from north."""
        east, north, _ = self.axes[int(line.is_cross)]
        return float(np.degrees(np.arctan2(east, north)) % 360)


def lay_out(plan: CityPlan) -> Layout:
    """Place the streets: their lengths add up to 10 m a panorama."""
    rng = plan.rng(2)
    if plan.num_panoramas < 10:
        length = max(_LEAST_LENGTH_M, SPACING_M * plan.num_panoramas)
        return Layout(plan, (_line(rng, 0, 0.0, length, is_cross=False),))
    counts = _counts(plan.num_panoramas)
    block = SPACING_M * plan.num_panoramas / (2 * counts[0] * counts[1])
    lines: list[Line] = []
    for axis in (0, 1):
        spread = (np.arange(counts[axis]) - (counts[axis] - 1) / 2) * block
        spread = spread + rng.uniform(-0.1, 0.1, counts[axis]) * block
        length = counts[1 - axis] * block
        lines += [_line(rng, len(lines) + i, float(at), length, is_cross=axis == 1) for i, at in enumerate(spread)]
    return Layout(plan, tuple(lines))


def _counts(num_panoramas: int) -> tuple[int, int]:
    """How many streets run along each axis, for blocks of a usual size and a city that is not a ribbon."""
    best, least = (1, 1), np.inf
    for first in range(1, 40):
        for second in range(first, min(40, 3 * first + 1)):
            block = SPACING_M * num_panoramas / (2 * first * second)
            score = abs(np.log(block / _BLOCK_M)) + 0.1 * np.log(second / first)
            if score < least:
                best, least = (first, second), score
    return best


def _line(rng: np.random.Generator, number: int, offset_m: float, length_m: float, *, is_cross: bool) -> Line:
    begin, end = _NAMES_BEGIN[number % len(_NAMES_BEGIN)], _NAMES_END[(number // len(_NAMES_BEGIN) + number) % 5]
    turn = number // (len(_NAMES_BEGIN) * len(_NAMES_END))
    return Line(
        number,
        begin + end + (f" {turn + 1}" if turn else ""),
        is_cross,
        offset_m,
        -length_m / 2,
        length_m / 2,
        float(rng.uniform(8.0, 9.6)),
        float(rng.uniform(2.8, 3.6)),
    )
