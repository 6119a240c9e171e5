"""Which entries may be found at all: where, when, by whom and looking which way they were taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from geonav.data.places import UNKNOWN_DAY, Places, day_range
from geonav.errors import InputError, UsageError
from geonav.geometry.geodesy import GeoPoint, ecef_from_geo
from geonav.settings.search import SearchConfig

Flags = NDArray[np.bool_]
Test = Callable[[Places], Flags]


@dataclass(frozen=True)
class Filter:
    """One condition.

    Attributes:
        words: what it lets pass, to be read after "references".
        test: which entries (N,) of a table pass; what is not known does not.
    """

    words: str
    test: Test

    def __call__(self, places: Places) -> Flags:
        """Which entries (N,) pass."""
        return self.test(places)


def around(center: GeoPoint, radius_m: float, source: str = "") -> Filter:
    """Entries within a radius of a point, also across the antimeridian and at the poles.

    The distance is the straight line on the ellipsoid at height zero, which differs from the geodesic by less than
    a millimetre up to five kilometres and by less than one part in a thousand up to five hundred.

    Args:
        center: the middle; its height does not count.
        radius_m: in metres, the rim belongs to it.
        source: where the point comes from, for the words.
    """
    middle = ecef_from_geo(center.lat_deg, center.lng_deg, 0.0)

    def test(places: Places) -> Flags:
        offset = places.ecef_m - middle
        return np.asarray(np.einsum("ni,ni->n", offset, offset) <= radius_m**2, np.bool_)

    words = f"within {radius_m:g} m of {center.lat_deg:.6f} {center.lng_deg:.6f}{source}"
    return Filter(words, test)


def captured(after: str | None, before: str | None) -> Filter:
    """Entries taken on certain days; both ends belong to them.

    Raises:
        UsageError: one is no date, or the range is empty.
    """
    try:
        first = day_range(after)[0] if after is not None else UNKNOWN_DAY + 1
        last = day_range(before)[1] if before is not None else np.iinfo(np.int32).max
    except InputError as error:
        raise UsageError(str(error)) from error
    if first > last:
        msg = f"no day is after {after} and before {before}: swap the two dates"
        raise UsageError(msg)

    def test(places: Places) -> Flags:
        return (places.first_day >= first) & (places.last_day <= last)

    words = [f"{name} {day}" for name, day in (("after", after), ("before", before)) if day is not None]
    return Filter(f"captured {' and '.join(words)}", test)


def provided_by(name: str) -> Filter:
    """Entries of one provider."""
    return Filter(f"of provider {name}", lambda places: places.provider.are(name))


def looking_between(first_deg: float, second_deg: float) -> Filter:
    """Entries whose azimuth lies in the sector from the first angle clockwise to the second."""
    turn = second_deg - first_deg
    width = 360.0 if turn and turn % 360.0 == 0 else turn % 360.0

    def test(places: Places) -> Flags:
        return (places.azimuth - first_deg) % 360.0 <= width

    return Filter(f"looking from {first_deg:g} to {second_deg:g} degrees", test)


@dataclass(frozen=True)
class Filters:
    """Conditions that must all hold."""

    filters: tuple[Filter, ...]

    @classmethod
    def of(cls, settings: SearchConfig) -> Self:
        """Those that ``[search]`` asks for.

        Raises:
            UsageError: a date that is none.
        """
        found = []
        if settings.near is not None and settings.within_m is not None:
            found.append(around(GeoPoint(*settings.near), settings.within_m))
        if settings.captured_after is not None or settings.captured_before is not None:
            found.append(captured(settings.captured_after, settings.captured_before))
        if settings.provider is not None:
            found.append(provided_by(settings.provider))
        if settings.heading is not None:
            found.append(looking_between(*settings.heading))
        return cls(tuple(found))

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.filters)

    def __add__(self, other: Filter) -> Filters:
        """One condition more."""
        return Filters((*self.filters, other))

    @property
    def words(self) -> str:
        """What passes, to be read after "references"."""
        return ", ".join(item.words for item in self.filters)

    def __call__(self, places: Places) -> Flags:
        """Which entries (N,) pass."""
        passing = np.ones(len(places), np.bool_)
        for item in self.filters:
            passing &= item(places)
        return passing
