"""A provider and a source of heights that behave as their interfaces say, in this process, with faults on request."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from shapely.geometry import Point

from geonav.data.survey import Panorama, SamplePoint, SearchQuery, ViewSpec
from geonav.geometry.camera import Camera
from geonav.pipeline.sampling import Sampling

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = "AIzaTestKeyThatNobodyMaySee"


@dataclass
class World:
    """What the fakes know, and what they were asked.

    Attributes:
        panoramas: that there are, by the key of the query that finds them.
        faults: what is raised instead of an answer, by what is asked: "search", "heights" or a view's name.
        delay_s: of every call.
        calls: what was asked, in order.
    """

    panoramas: dict[str, list[Panorama]] = field(default_factory=dict)
    faults: dict[str, Callable[[], Exception]] = field(default_factory=dict)
    delay_s: float = 0.0
    calls: list[str] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def asked(self, kind: str, name: str) -> None:
        with self.lock:
            self.calls.append(f"{kind} {name}")
        if self.delay_s:
            time.sleep(self.delay_s)
        for known in (kind, name):
            if known in self.faults:
                error = self.faults[known]()
                raise error

    def count(self, kind: str) -> int:
        return sum(call.startswith(f"{kind} ") for call in self.calls)


def street(count: int, **known: Any) -> World:
    """Panoramas 10 m apart, each found by its own query and by the one before."""
    made = [
        Panorama(
            "fake", f"p{index:03d}", 48.5 + index * 9e-5, 8.25, "cut_by_provider",
            captured_at=f"2024-{index % 12 + 1:02d}", licence="CC0-1.0", attribution="nobody", position_std_m=2.0,
            heading_std_deg=1.0,
        )
        for index in range(count)
    ]  # fmt: skip
    made = [replace(panorama, **known) for panorama in made]
    return World({f"q{index:03d}": made[index : index + 2] for index in range(count)})


class FakeProvider:
    """Serves :attr:`world`."""

    world: ClassVar[World] = World()
    name = "fake"
    paid_as: str | None = "street_view"
    searches = "points"

    @classmethod
    def from_config(cls, config: object) -> FakeProvider:
        return cls()

    def queries(self, area: object, points: Sequence[SamplePoint]) -> list[SearchQuery]:
        return [SearchQuery(key, 48.5, 8.25, 20.0) for key in self.world.panoramas]

    def search(self, query: SearchQuery) -> list[Panorama]:
        self.world.asked("search", query.key)
        return self.world.panoramas[query.key]

    def picture(self, panorama: Panorama, view: ViewSpec | None) -> bytes:
        name = panorama.pano_id if view is None else f"{panorama.pano_id}/{view.index}"
        self.world.asked("picture", name)
        size = (view.width, view.height) if view is not None else self._size(panorama.camera)
        return jpeg(name, size)

    @staticmethod
    def _size(camera: Camera | None) -> tuple[int, int]:
        return (256, 128) if camera is None else (camera.width, camera.height)


def jpeg(name: str, size: tuple[int, int]) -> bytes:
    """Noise that depends on the name alone."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


class FakeHeights:
    """A slope."""

    name = "slope"
    datum = "egm96"
    paid_as: str | None = "elevation"
    batch_size = 4

    @classmethod
    def from_config(cls, config: object) -> FakeHeights:
        return cls()

    def heights(self, points: Sequence[tuple[float, float]]) -> list[float | None]:
        FakeProvider.world.asked("heights", str(len(points)))
        return [round(100.0 + lat, 6) if lng < 9 else None for lat, lng in points]


def sampling() -> Sampling:
    """Of no importance to the fakes but for its middle."""
    return Sampling(Point(8.25, 48.5).buffer(0.001), (48.5, 8.25), (SamplePoint(48.5, 8.25),), 0.01, "a street")
