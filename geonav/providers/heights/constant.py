"""The source ``constant``: one height everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from geonav.config import GeonavConfig


class ConstantHeights:
    """Gives ``[elevation] constant_m`` for every point."""

    name: str = "constant"
    paid_as: str | None = None
    batch_size: int = 100_000

    def __init__(self, height_m: float, datum: str) -> None:
        """``height_m`` above the zero of ``datum``."""
        self.datum = datum
        self._height_m = height_m

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """The source as configured."""
        return cls(config.elevation.constant_m, config.elevation.datum)

    def heights(self, points: Sequence[tuple[float, float]]) -> list[float | None]:
        """The one height, once for each point."""
        return [self._height_m] * len(points)
