"""The tests of evaluation run where no setting of the machine's environment reaches them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from geonav.data.database import Database
from geonav.data.metadata import ImageMetadata
from geonav.evaluation import experiment
from tests.evaluation.report.made import CAMERA, ORIGIN, noise, pose_at
from tests.evaluation.stand_in import PLACES, StandIn


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("GEONAV_") and name != "GEONAV_CHROMIUM":
            monkeypatch.delenv(name)


@pytest.fixture
def references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """One reference; queries in a database beside it and a folder with a photo from elsewhere."""
    monkeypatch.setattr(experiment, "Localizer", StandIn)
    StandIn.asked, StandIn.stop_at, StandIn.unreadable = [], None, None
    found = Database.create(tmp_path / "references", ORIGIN)
    pose, sha256 = pose_at(0.0, 0.0).tolist(), hashlib.sha256(noise(99)).hexdigest()
    found.add_entry("r", noise(99), ImageMetadata(w=320, h=240, K=CAMERA, E=pose, source_sha256=sha256))
    queries = Database.create(tmp_path / "queries", ORIGIN)
    for i, (uid, (east, _)) in enumerate(PLACES.items()):
        queries.add_entry(uid, noise(i), ImageMetadata(w=320, h=240, K=CAMERA, E=pose_at(east, 0.0, 31.0).tolist()))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/far.jpg").write_bytes(noise(50))
    return found
