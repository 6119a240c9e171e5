"""Servers and databases for tests of pushing and pulling."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from geonav.config import GeonavConfig
from tests.pipeline.syncing.s3_server import S3Server
from tests.pipeline.syncing.trees import storage

KEY, SECRET = "AKIATESTKEY", "very/secret+value"


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("GEONAV_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)
    # botocore and aiohttp use what newer Pythons advise against.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", "Sending a large body", ResourceWarning)


@pytest.fixture(scope="session")
def _server() -> Iterator[S3Server]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def server(_server: S3Server, s3: GeonavConfig) -> Iterator[S3Server]:
    """A server with an empty bucket ``bucket``."""
    import requests

    requests.post(f"{_server.url}/moto-api/reset", timeout=10)
    requests.put(f"{_server.url}/bucket", timeout=10)
    _server.requests.clear()
    yield _server
    _server.fault = None


@pytest.fixture
def s3(_server: S3Server) -> GeonavConfig:
    """How to reach it."""
    return storage(endpoint_url=_server.url, key=KEY, secret=SECRET, region="us-east-1", timeout_s=10)
