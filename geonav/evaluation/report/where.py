"""Where references stand: as the page's map and distances need it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from geonav.data.database import Database
from geonav.data.places import Places
from geonav.evaluation.record import RetrievedReference
from geonav.geometry.geodesy import GeoPoint, LocalFrame, distance_m

# Dots on the map.
_SPOTS = 6_000


@dataclass(frozen=True)
class Where:
    """Positions of references.

    Attributes:
        geo_of: latitude and longitude by uid, degrees; only of those that have them.
        frame: that poses are in; None where it is not known.
    """

    geo_of: Mapping[str, tuple[float, float]]
    frame: LocalFrame | None

    @classmethod
    def of(cls, references: Database | None, retrieved: Iterable[RetrievedReference], origin: GeoPoint | None) -> Where:
        """What a database and, where there is none, what was recorded of retrieved references tell.

        Args:
            references: the database; None where it is not at hand.
            retrieved: references of which a run recorded the position.
            origin: of the frame, where there is no database to ask.
        """
        found: dict[str, tuple[float, float]] = {}
        if references is not None:
            places = Places.of(references)
            known = np.flatnonzero(np.isfinite(places.lat) & np.isfinite(places.lng)).tolist()
            found = {places.uids[i]: (float(places.lat[i]), float(places.lng[i])) for i in known}
            origin = references.origin or origin
        for each in retrieved:
            if each.lat is not None and each.lng is not None:
                found.setdefault(each.uid, (each.lat, each.lng))
        return cls(found, None if origin is None else LocalFrame(origin))

    def away_m(self, uid: str, place: GeoPoint | None) -> float | None:
        """Distance of a reference from a place."""
        if place is None or uid not in self.geo_of:
            return None
        return distance_m(place, GeoPoint(*self.geo_of[uid]))

    def in_plan(self, uid: str) -> list[float] | None:
        """East and north of a reference in metres."""
        if self.frame is None or uid not in self.geo_of:
            return None
        east, north = _in_plan([self.geo_of[uid]], self.frame)[0].tolist()
        return [round(east, 2), round(north, 2)]

    def nearest(self, place: GeoPoint) -> str | None:
        """The reference that stands nearest to a place."""
        if self.frame is None or not self.geo_of:
            return None
        offset = self._plan - _in_plan([(place.lat_deg, place.lng_deg)], self.frame)
        return list(self.geo_of)[int(np.argmin((offset**2).sum(1)))]

    def spots(self) -> list[list[float]]:
        """East and north of the dots that stand for all references, so coarse that a map of them stays light."""
        if self.frame is None:
            return []
        cell = 0.1
        plan = np.unique(np.round(self._plan / cell) * cell, axis=0)
        while len(plan) > _SPOTS:
            cell *= 2
            plan = np.unique(np.round(plan / cell) * cell, axis=0)
        return [[round(east, 1), round(north, 1)] for east, north in plan.tolist()]

    @cached_property
    def _plan(self) -> NDArray[np.float64]:
        return np.empty((0, 2)) if self.frame is None else _in_plan(self.geo_of.values(), self.frame)


def _in_plan(places: Iterable[tuple[float, float]], frame: LocalFrame) -> NDArray[np.float64]:
    """East and north (N, 2) in metres."""
    geo = np.array(list(places), float).reshape(-1, 2)
    return np.asarray(frame.enu_from_geo(geo[:, 0], geo[:, 1], np.full(len(geo), frame.origin.alt_m)))[:, :2]
