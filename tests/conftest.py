"""A small synthetic street for tests, photographed once per session."""

from __future__ import annotations

import json
import logging
import os
import signal
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

# A shell starts what it puts into the background deaf to interrupts, and children inherit that: tests interrupt them.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Processes that share the tests are told a width: tables are to be as wide as in a file.
os.environ.pop("COLUMNS", None)


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """The program sets up logging and warnings for its process; run inside a test, it leaves none of it to the next."""
    logger = logging.getLogger("geonav")
    before = list(logger.handlers), logger.level
    with warnings.catch_warnings():
        yield
    logger.handlers, logger.level = before


@dataclass(frozen=True)
class StreetPhotos:
    """A street's photos on disk; tests that write work on a copy.

    Attributes:
        root: Holds images/ (8 references), queries/ (4), elsewhere/ (1 photo of another street),
            colmap/ and poses.json.
    """

    root: Path

    @cached_property
    def truth(self) -> dict[str, Any]:
        """What poses.json says."""
        found: dict[str, Any] = json.loads((self.root / "poses.json").read_text(encoding="utf-8"))
        return found

    @property
    def origin(self) -> tuple[float, float, float]:
        """Latitude, longitude, height of the world's origin."""
        place = self.truth["origin"]
        return place["lat"], place["lng"], place["alt"]

    def named(self, folder: str) -> list[dict[str, Any]]:
        """The truth about the photos of one folder, by name."""
        return [image for image in self.truth["images"] if image["image"].startswith(f"{folder}/")]

    @property
    def queries(self) -> list[Path]:
        """Photos to locate."""
        return sorted((self.root / "queries").iterdir())

    @property
    def elsewhere(self) -> Path:
        """A photo that no reference shows."""
        return self.root / "elsewhere" / "e0000.jpg"


@pytest.fixture(scope="session")
def street_photos(tmp_path_factory: pytest.TempPathFactory) -> StreetPhotos:
    """8 references and 4 queries of a street, and 1 photo of another; 640 x 480."""
    from geonav.geometry.camera import Camera
    from geonav.providers.demo.dataset import DatasetPlan, write_dataset
    from geonav.providers.demo.photo import Conditions
    from geonav.providers.demo.poses import Drive, Walk, reference_poses
    from geonav.providers.demo.scene import StreetScene
    from geonav.providers.demo.write import Photographer, write_photos

    root = tmp_path_factory.mktemp("street")
    usual = Camera.from_focal(640, 480, 500.0)
    drive = Drive(usual, covers_m=(10.0, 25.0))
    cameras = (
        usual,
        Camera.from_focal(480, 640, 560.0),
        Camera("SIMPLE_RADIAL", 640, 480, (470.0, 318.0, 243.0, -0.05)),
    )
    walk = Walk(cameras, covers_m=(11.0, 26.0), views_deg=(40.0, 65.0))
    scene = StreetScene(seed=7, length_m=40.0, num_buildings=8, texel_m=0.016)
    write_dataset(root, DatasetPlan(scene, drive, walk, num_queries=4))

    import numpy as np

    other = StreetScene(seed=8, length_m=24.0, num_buildings=4, texel_m=0.016)
    shot = reference_poses(other, Drive(usual, covers_m=(12.0, 12.0), views_deg=(50.0,)), np.random.default_rng(0))[0]
    photographer = Photographer(other, Conditions.random)
    from dataclasses import replace

    write_photos(root, "elsewhere", photographer, [replace(shot, name="e0000.jpg")])
    return StreetPhotos(root)


@pytest.fixture(scope="session")
def street_database_path(street_photos: StreetPhotos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the street's 8 references, not indexed; copy it before writing to it."""
    from geonav.geometry.geodesy import GeoPoint
    from geonav.pipeline.importing import ColmapImport, import_colmap

    path = tmp_path_factory.mktemp("database") / "street"
    options = ColmapImport(images=street_photos.root / "images", origin=GeoPoint(*street_photos.origin))
    import_colmap(path, street_photos.root / "colmap", options)
    return path
