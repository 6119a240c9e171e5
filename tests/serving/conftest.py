"""One small database and one server for all tests that only ask it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.pipeline.index import index_global
from tests.conftest import StreetPhotos
from tests.serving.program import Program, started

# Small pictures and few keypoints: what is tested here is the server.
SMALL = {"local": {"max_keypoints": 512, "max_side_px": 320}}


@pytest.fixture(scope="session")
def small_config() -> GeonavConfig:
    return GeonavConfig.model_validate(SMALL)


@pytest.fixture(scope="session")
def small_database(
    street_database_path: Path, small_config: GeonavConfig, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("served") / "street"
    shutil.copytree(street_database_path, path)
    index_global(Database.open(path), small_config)
    return path


@pytest.fixture(scope="session")
def program(small_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    log = tmp_path_factory.mktemp("log") / "serve"
    hasty = {"GEONAV_SERVE__UPLOAD_LIMIT_S": "2"}
    with started(small_database, log, "--max-megapixels", "4", "--max-upload-mb", "4", environment=hasty) as running:
        yield running


@pytest.fixture(scope="session")
def query(street_photos: StreetPhotos) -> bytes:
    return street_photos.queries[0].read_bytes()
