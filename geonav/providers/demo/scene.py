"""StreetScene: the settings of a street, and its surfaces and textures, made on first use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from geonav.errors import UsageError

if TYPE_CHECKING:
    from geonav.providers.demo.atlas import Atlas, Texels
    from geonav.providers.demo.cars import CarSkins
    from geonav.providers.demo.quads import Quads

Floats = NDArray[np.float64]


class Scene(Protocol):
    """Anything that can be photographed."""

    @property
    def quads(self) -> Quads:
        """Surfaces."""

    @property
    def atlas(self) -> Texels:
        """Their textures."""


@dataclass(frozen=True)
class StreetScene:
    """A straight street between two rows of houses; equal settings give equal streets.

    The street's middle is the world's origin; `along_m` runs from 0 to `length_m`, `left_m` to the
    left of that direction.

    Attributes:
        seed: What houses, road and street furniture are drawn from.
        length_m: Between the ends of the rows of houses.
        num_buildings: Houses in the two rows together.
        repetition: Share of the houses that are copies: 0 no two houses are alike, 1 all are.
        num_prototypes: How many different houses the copies are of, in turn along each row.
        individual_wear: Whether copies differ in stains, signs, posters and grain; if not, they
            are identical to the texel.
        azimuth_deg: Direction of the street, clockwise from north.
        road_width_m: Between the kerbs.
        pavement_width_m: From kerb to houses.
        texel_m: Size of a texel on the houses.
        cars_per_100_m: Parked cars per 100 m of kerb.
        clutter_seed: What the cars are drawn from; see `with_clutter`.
    """

    seed: int
    length_m: float = 80.0
    num_buildings: int = 18
    repetition: float = 0.0
    num_prototypes: int = 1
    individual_wear: bool = True
    azimuth_deg: float = 70.0
    road_width_m: float = 7.0
    pavement_width_m: float = 2.6
    texel_m: float = 0.012
    cars_per_100_m: float = 6.0
    clutter_seed: int = 0

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            UsageError: A street that cannot be built.
        """
        if self.num_buildings < 2 or not 4 <= 2 * self.length_m / self.num_buildings <= 30:
            msg = f"{self.num_buildings} houses on {self.length_m} m of street: give each house 4 to 30 m of its row"
            raise UsageError(msg)
        if not 0 <= self.repetition <= 1 or self.num_prototypes < 1:
            msg = "repetition must be 0 to 1 and num_prototypes at least 1"
            raise UsageError(msg)

    @property
    def direction(self) -> Floats:
        """(3,) unit vector along the street."""
        azimuth = np.radians(self.azimuth_deg)
        return np.array([np.sin(azimuth), np.cos(azimuth), 0.0])

    @property
    def left(self) -> Floats:
        """(3,) unit vector to the left of the street's direction."""
        east, north, _ = self.direction
        return np.array([-north, east, 0.0])

    @property
    def half_width_m(self) -> float:
        """From the middle of the road to the houses."""
        return self.road_width_m / 2 + self.pavement_width_m

    def point(self, along_m: float, left_m: float, up_m: float) -> Floats:
        """(3,) ENU of a place given in the street's own directions."""
        return np.asarray(
            (along_m - self.length_m / 2) * self.direction + left_m * self.left + np.array([0.0, 0.0, up_m])
        )

    def place(self, enu: Floats) -> tuple[float, float, float]:
        """(along_m, left_m, up_m) of a point (3,) in ENU."""
        along = float(enu @ self.direction) + self.length_m / 2
        return along, float(enu @ self.left), float(enu[2])

    def with_clutter(self, clutter_seed: int) -> StreetScene:
        """The same street on another day: other parked cars. Houses and textures are shared."""
        return replace(self, clutter_seed=clutter_seed)

    @cached_property
    def quads(self) -> Quads:
        """Surfaces."""
        from geonav.providers.demo.street import build_cars

        standing, _, skins = _standing(replace(self, clutter_seed=0))
        cars = build_cars(self, skins)
        return standing.joined(cars) if cars else standing

    @property
    def atlas(self) -> Atlas:
        """Textures of all surfaces."""
        return _standing(replace(self, clutter_seed=0))[1]


@lru_cache(maxsize=3)
def _standing(street: StreetScene) -> tuple[Quads, Atlas, CarSkins]:
    """What stands in a street whatever the day; kept, as painting it takes seconds."""
    from geonav.providers.demo.street import build_standing

    return build_standing(street)
