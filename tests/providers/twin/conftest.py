"""A twin over the stand-in city, and settings that lead to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from geonav.config import GeonavConfig
from geonav.providers.demo.twin import Access, Faults, Twin
from tests.providers.twin.stand_in import StandInCity

TwinOf = Callable[..., Twin]


@pytest.fixture
def twin_of() -> Iterator[TwinOf]:
    """Start twins that end with the test."""
    with ExitStack() as stack:

        def start(faults: Faults | None = None, access: Access | None = None, city: object = None) -> Twin:
            twin = Twin(city or StandInCity(), faults, access, panorama_width=128)
            return stack.enter_context(twin)

        yield start


@pytest.fixture
def config_of() -> Callable[..., GeonavConfig]:
    """Settings of a twin, for impatient tests."""

    def make(twin: Twin, **sections: dict) -> GeonavConfig:
        settings = twin.settings()
        impatient = {"backoff_s": 0.001, "timeout_s": 2.0, "size_px": 64}
        settings["fetch"] = {**settings["fetch"], **impatient}
        for name, section in sections.items():
            settings[name] = {**settings.get(name, {}), **section}
        return GeonavConfig.model_validate(settings)

    return make
