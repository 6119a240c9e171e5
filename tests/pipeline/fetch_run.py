"""A process that fetches from the fakes with its clock stopped, and may kill itself on the way."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from geonav.config import GeonavConfig
from geonav.data import manifest
from geonav.data.database import Database
from geonav.pipeline.fetching import fetch_elevation, fetch_metadata, fetch_panoramas
from geonav.providers.registry import HEIGHT_SOURCES, PROVIDERS
from tests.pipeline import fake_sources

SIZE = 16


def main(path: Path, kill_after_s: float, before_pictures: Callable[[], object] = bool) -> None:
    """Fetch all there is into ``path``; be killed on the way if the time is not 0."""
    manifest.clock = lambda: fake_sources.NOON
    PROVIDERS._targets["fake"] = "tests.pipeline.fake_sources:FakeProvider"
    HEIGHT_SOURCES._targets["google"] = "tests.pipeline.fake_sources:FakeHeights"
    fake_sources.FakeProvider.world = fake_sources.street(SIZE)
    fake_sources.FakeProvider.world.delay_s = 0.01
    fetch = {"provider": "fake", "n_directions": 3, "size_px": 64, "workers": 4}
    config = GeonavConfig.model_validate({"fetch": fetch})
    if kill_after_s:
        timer = threading.Timer(kill_after_s, lambda: os.kill(os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
    fetch_metadata(path, fake_sources.sampling(), config)
    database = Database.open(path)
    fetch_elevation(database, config)
    before_pictures()
    fetch_panoramas(database, config)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
