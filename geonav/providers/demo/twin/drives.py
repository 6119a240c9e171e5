"""The panoramas as drives: one a street, in their order; what services that know sequences need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from geonav.providers.demo.twin.city import City, Place


@dataclass(frozen=True)
class Frame:
    """A panorama in its drive.

    Attributes:
        place: the panorama.
        number: among all of the city, from 0.
        drive: number of its drive, from 0.
        rank: within its drive, from 1.
    """

    place: Place
    number: int
    drive: int
    rank: int

    @property
    def taken(self) -> datetime:
        """When; the beginning of the month or day where no more is said."""
        text = self.place.captured_at
        moment = datetime.fromisoformat(text + "-01" if len(text) == len("2024-05") else text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def frames_of(city: City) -> list[Frame]:
    """All panoramas, in the city's order."""
    drives: dict[str, int] = {}
    lengths: dict[str, int] = {}
    frames = []
    for number, place in enumerate(city.panoramas):
        drives.setdefault(place.street, len(drives))
        lengths[place.street] = lengths.get(place.street, 0) + 1
        frames.append(Frame(place, number, drives[place.street], lengths[place.street]))
    return frames
