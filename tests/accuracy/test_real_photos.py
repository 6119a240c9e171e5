"""Real photos through the command line, as a user runs it: the two rows that fit into the fast tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geonav.data.results import LocalizationResult
from geonav.geometry.geodesy import LocalFrame
from geonav.geometry.pose import camera_center
from tests.accuracy.shared_photos import CASTLE, HERZ_JESU, Scene, needs_photos, score

pytestmark = needs_photos


def geonav(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command and keep what it prints."""
    command = [sys.executable, "-m", "geonav", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def castle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Even photos of the castle, imported and indexed by the README's commands."""
    path = tmp_path_factory.mktemp("scenes") / CASTLE
    scene = Scene(CASTLE)
    origin = (str(scene.origin.lat_deg), str(scene.origin.lng_deg), str(scene.origin.alt_m))
    model, images = scene.root / "colmap", scene.root / "images"
    done = geonav(
        "import", "colmap", model, "--images", images, "--origin", *origin, "--database", path,
        "--include", "*[02468].jpg",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = geonav("index", "global", "--database", path)
    assert done.returncode == 0, done.stderr
    return path


def located(database: Path, scene: Scene, *options: str, every: int = 1) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and one object a photo for the odd photos of a scene, or for every third or so of them."""
    photos = [scene.root / image["image"] for image in scene.rest(2)[::every]]
    done = geonav("localize", *photos, "--database", database, "--json", *options)
    assert "Traceback" not in done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_castle_with_a_known_camera(castle: Path) -> None:
    scene = Scene(CASTLE)
    calibration = scene.images[0]["K"]
    camera = f"PINHOLE,1536,1024,{calibration[0][0]},{calibration[1][1]},{calibration[0][2]},{calibration[1][2]}"
    code, objects = located(castle, scene, "--camera", camera)
    assert code == 0
    assert [item["status"] for item in objects] == ["located"] * 15
    results = [LocalizationResult.model_validate(item) for item in objects]
    frame = LocalFrame(scene.origin)
    outcome = score(results, scene.rest(2), frame, frame)
    assert np.median(outcome.errors_m) <= 0.026
    assert np.median(outcome.errors_deg) <= 0.055
    assert outcome.errors_m.max() <= 0.06
    assert outcome.in_ellipse.mean() >= 0.85


def test_photos_of_another_place_are_not_located(castle: Path) -> None:
    """Every fifth photo of one scene; test_trust.py takes all photos of both."""
    scene = Scene(HERZ_JESU)
    code, objects = located(castle, scene, every=5)
    assert code == 7
    assert [item["status"] for item in objects] == ["not_located"] * len(scene.rest(2)[::5])
    assert all(item["reason"] and item["E"] is None and item["lat"] is None for item in objects)


@pytest.mark.slow  # minutes where the processor only emulates it
def test_half_precision_moves_poses_by_less_than_they_are_certain(castle: Path) -> None:
    """Networks are judged by the poses that come of them: references in the machine's own precision, photos in each."""
    scene = Scene(CASTLE)
    truths = [camera_center(np.array(image["E"])) for image in scene.rest(2)[::5]]
    calibration = scene.images[0]["K"]
    camera = f"PINHOLE,1536,1024,{calibration[0][0]},{calibration[1][1]},{calibration[0][2]},{calibration[1][2]}"
    centers = []
    for precision in ("float32", "bfloat16"):
        options = ("--camera", camera, "--precision", precision)
        code, objects = located(castle, scene, *options, every=5)
        assert code == 0
        centers.append(np.array([camera_center(np.array(item["E"])) for item in objects]))
        assert np.linalg.norm(centers[-1] - truths, axis=1).max() <= 0.06
    assert np.linalg.norm(centers[0] - centers[1], axis=1).max() <= 0.02
