"""A city's surfaces, built street by street as they are looked at, and kept within a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from geonav.providers.demo.city_library import Library, paint_library
from geonav.providers.demo.city_streets import (
    Ground,
    Site,
    build_clutter,
    build_crossings,
    build_land,
    build_site,
    joined,
)

if TYPE_CHECKING:
    from geonav.providers.demo.atlas import Atlas
    from geonav.providers.demo.city_plan import Layout, Segment
    from geonav.providers.demo.city_streets import Placed
    from geonav.providers.demo.quads import Quads

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Value = TypeVar("Value")

# Streets kept at a time; one takes 20 to 60 MB. The last few scenes may hold some longer that had to go.
MAX_SITES_BYTES = 640 << 20
_NEAR_M, _FAR_M, _MOUTH_M = 50.0, 140.0, 60.0
_CLUTTER_M = 60.0
_SCENES, _CLUTTERS = 3, 64


@dataclass(frozen=True)
class AtlasSet:
    """Several atlases as one: their textures are numbered through."""

    atlases: tuple[Atlas, ...]

    @cached_property
    def begins(self) -> Ints:
        """(A,) number of the first texture of each."""
        return np.concatenate([[0], np.cumsum([len(atlas.levels) for atlas in self.atlases])[:-1]]).astype(np.int64)

    def sample(self, texture: Ints, u: Singles, v: Singles, level: Singles) -> Singles:
        """See Atlas.sample."""
        owner = np.searchsorted(self.begins, texture, side="right") - 1
        out = np.empty((len(texture), 3), np.float32)
        for k in np.flatnonzero(np.bincount(owner, minlength=len(self.atlases))):
            part = np.flatnonzero(owner == k)
            out[part] = self.atlases[k].sample(texture[part] - self.begins[k], u[part], v[part], level[part])
        return out


@dataclass(frozen=True)
class CityScene:
    """What can be seen from one place of a city; see scene.Scene."""

    quads: Quads
    atlas: AtlasSet


class Bounded(Generic[Value]):
    """Keeps what was made lately; each thing is made once however many threads ask for it."""

    def __init__(self, limit: float, size: Callable[[Value], float]) -> None:
        self._limit, self._size = limit, size
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Future[Value]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made where it is not kept."""
        with self._lock:
            future = self._kept.get(key)
            is_mine = future is None
            if future is None:
                future = self._kept[key] = Future()
            self._kept.move_to_end(key)
        if is_mine:
            try:
                future.set_result(make())
            except BaseException as error:
                with self._lock:
                    self._kept.pop(key, None)
                future.set_exception(error)
                raise
            self._trim()
        return future.result()

    def _trim(self) -> None:
        with self._lock:
            done = [key for key, future in self._kept.items() if future.done()]
            total = sum(self._size(self._kept[key].result()) for key in done)
            for key in done[:-1]:
                if total <= self._limit:
                    return
                total -= self._size(self._kept.pop(key).result())


class World:
    """The surfaces of a city. Safe to use from several threads."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._shared: Bounded[tuple[Library, Quads, Placed | None]] = Bounded(1, lambda _: 1)
        self._sites: Bounded[Site] = Bounded(MAX_SITES_BYTES, lambda site: site.num_bytes)
        self._clutter: Bounded[Placed | None] = Bounded(_CLUTTERS, lambda _: 1)
        self._scenes: Bounded[CityScene] = Bounded(_SCENES, lambda _: 1)

    def shared(self) -> tuple[Library, Quads, Placed | None]:
        """What all streets share: textures, the land, the crossings."""
        return self._shared.get("", self._build_shared)

    def _build_shared(self) -> tuple[Library, Quads, Placed | None]:
        library = paint_library(self.layout.plan)
        return library, build_land(self.layout, library), build_crossings(self.layout, library)

    def scene(self, center: Floats, clutter_seed: int = 0, clear_m: float = 0.0) -> CityScene:
        """What can be seen from a place.

        Args:
            center: (3,) ENU.
            clutter_seed: Of cars and people: another seed is another day.
            clear_m: Nobody stands and nothing is parked nearer than this.
        """
        key = (*np.round(center, 3).tolist(), clutter_seed, clear_m)
        return self._scenes.get(key, lambda: self._build_scene(center, clutter_seed, clear_m))

    def _build_scene(self, center: Floats, clutter_seed: int, clear_m: float) -> CityScene:
        library, land, crossings = self.shared()
        parts, atlases = [land], [library.atlas]
        if crossings is not None:
            parts.append(crossings.within(center, 0.0, _FAR_M))
        first_own = len(library)
        for segment in self.visible(center):
            site = self._sites.get(segment.number, lambda s=segment: build_site(self.layout, s, library))  # type: ignore[misc]
            begin = sum(len(atlas.levels) for atlas in atlases)
            surfaces = [site.ground, site.near.within(center, 0.0, _NEAR_M), site.far.within(center, _NEAR_M, _FAR_M)]
            parts += [quads.renumbered(first_own, begin - first_own) for quads in surfaces]
            atlases.append(site.atlas)
            clutter = self._clutter_of(segment, library, clutter_seed)
            if clutter is not None:
                parts.append(clutter.within(center, clear_m, _CLUTTER_M))
        return CityScene(joined(parts), AtlasSet(tuple(atlases)))

    def _clutter_of(self, segment: Segment, library: Library, clutter_seed: int) -> Placed | None:
        def make() -> Placed | None:
            return build_clutter(self.layout, segment, library, clutter_seed)

        return self._clutter.get((segment.number, clutter_seed), make)

    def visible(self, center: Floats) -> list[Segment]:
        """The pieces of street that can be seen from a place: on its street, and at the next crossings.

        Houses stand in closed rows, so one sees along the street one stands in, and into others only
        where they cross it.
        """
        place = self.layout.axes[:2, :2] @ center[:2]
        return [segment for segment in self.layout.segments if self._is_seen(segment, place)]

    def _is_seen(self, segment: Segment, place: Floats) -> bool:
        line = segment.line
        along, across = (place[1], place[0]) if line.is_cross else (place[0], place[1])
        gap = max(segment.begin_m - along, along - segment.end_m, 0.0)
        aside = abs(across - line.offset_m)
        if aside <= line.half_width_m:
            return bool(gap < _FAR_M)
        # A street that crosses the one stood in: its first houses at the crossing.
        return bool(aside < _MOUTH_M and gap < 2 * line.half_width_m) and any(
            other.is_cross != line.is_cross and abs(along - other.offset_m) <= other.half_width_m
            for other in self.layout.lines
        )


__all__ = ["MAX_SITES_BYTES", "AtlasSet", "CityScene", "Ground", "World"]
