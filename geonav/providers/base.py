"""What every provider of street-level imagery offers to the fetching pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from shapely.geometry.base import BaseGeometry

from geonav.data.survey import Panorama, SamplePoint, SearchQuery, ViewSpec


@runtime_checkable
class Provider(Protocol):
    """Finds panoramas of an area and fetches their pictures; safe to call from several threads at once.

    Every call may raise:

    * AuthError: the key is missing, wrong or expired; nothing else will work either.
    * QuotaError: the quota is used up; what is left is fetched by a later run.
    * NetworkError: this call failed after all its tries; others may work.
    * MissingError: the provider has not, or no longer, what was asked for; asking again will not help.
    """

    name: str
    # What one picture is billed as: "street_view", or None where pictures are free.
    paid_as: str | None
    # What one call of `search` covers; a point provider needs a sampling, a box provider an area alone.
    searches: str  # "points" or "boxes"

    def queries(self, area: BaseGeometry | None, points: Sequence[SamplePoint]) -> list[SearchQuery]:
        """The calls that find all there is in an area (lng, lat polygons in degrees) or around points."""

    def search(self, query: SearchQuery) -> list[Panorama]:
        """What one call finds; empty where there is nothing."""

    def picture(self, panorama: Panorama, view: ViewSpec | None) -> bytes:
        """The encoded picture of a panorama, or of one view of it where the provider cuts views."""


@runtime_checkable
class HeightSource(Protocol):
    """Gives the ground's height; safe to call from several threads at once. Raises what a provider raises."""

    name: str
    datum: str
    paid_as: str | None
    # Points that one call takes.
    batch_size: int

    def heights(self, points: Sequence[tuple[float, float]]) -> list[float | None]:
        """Heights in metres of (lat, lng) points, by index; None where the source has none."""
