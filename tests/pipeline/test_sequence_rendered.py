"""A walk along the rendered street, as photos and as a film, with frames that mislead."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geonav.config import load_config
from geonav.data.database import Database
from geonav.data.track import SOLVED, TrackPoint
from geonav.geometry.camera import Camera
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import camera_center, pose_from_center
from geonav.pipeline.index import index_global
from geonav.pipeline.localize import Localizer
from geonav.pipeline.sequence import SequenceOptions, locate_sequence
from geonav.pipeline.sequence_frames import open_sequence
from geonav.pose.motion import MotionPrior
from geonav.providers.demo.photo import Conditions
from geonav.providers.demo.poses import Shot
from geonav.providers.demo.scene import StreetScene
from geonav.providers.demo.write import Photographer, write_photos
from tests.conftest import StreetPhotos
from tests.pipeline.sequence_street import metres
from tests.providers.films import write_film

pytestmark = pytest.mark.slow

_COUNT, _RATE_HZ = 12, 1.0
_CAMERA = Camera.from_focal(640, 480, 500.0)
_WALK = SequenceOptions(MotionPrior(max_speed_m_s=3.0, acceleration_std=0.7, climb_std=0.2), camera=_CAMERA)
_SWAPPED = 5  # shows what was seen ten metres on
_DARK = 8
_STRIPS = {3: slice(110, None), 7: slice(None, 550)}  # a hand before all but a strip of the lens


@pytest.fixture(scope="module")
def localizer(street_database_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Localizer:
    path = tmp_path_factory.mktemp("indexed") / "street"
    shutil.copytree(street_database_path, path)
    config = load_config(overrides={"local": {"max_keypoints": 1024}})
    database = Database.open(path)
    index_global(database, config)
    return Localizer(database, config)


@pytest.fixture(scope="module")
def walk(street_photos: StreetPhotos, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """The folder of the frames, and the truth (N, 3) in the database's frame."""
    scene = StreetScene(seed=7, length_m=40.0, num_buildings=8, texel_m=0.016)
    shots = []
    for index, along in enumerate(np.linspace(11.0, 25.0, _COUNT)):
        rotation = rotation_from_angles(scene.azimuth_deg - 50.0 + 3.0 * np.sin(index), 6.0 + np.cos(index), 0.5)
        center = scene.point(float(along), -0.8 + 0.1 * np.sin(0.7 * index), 1.65)
        shots.append(Shot(f"f{index:03d}.jpg", _CAMERA, pose_from_center(rotation, center)))
    root = tmp_path_factory.mktemp("walk")
    write_photos(root, "frames", Photographer(scene.with_clutter(1), Conditions.random, seed=3), shots)
    frames = root / "frames"
    shutil.copy(frames / f"f{_SWAPPED + 5:03d}.jpg", frames / f"f{_SWAPPED:03d}.jpg")
    Image.new("RGB", (640, 480), (9, 9, 12)).save(frames / f"f{_DARK:03d}.jpg")
    for index, hidden in _STRIPS.items():
        with Image.open(frames / f"f{index:03d}.jpg") as photo:
            pixels = np.array(photo)
        pixels[:, hidden] = 60
        Image.fromarray(pixels).save(frames / f"f{index:03d}.jpg", quality=95)
    return frames, np.array([camera_center(shot.E) for shot in shots])


def _check(points: list[TrackPoint], truth: np.ndarray, localizer: Localizer) -> None:
    frame = localizer.database.frame
    assert [round(point.time_s * _RATE_HZ) for point in points] == list(range(_COUNT))
    for index, (point, true) in enumerate(zip(points, truth, strict=True)):
        if point.status in SOLVED:
            off = metres(frame, point.result.lat, point.result.lng, true)
            assert off < 0.5, (index, off)
        elif point.interpolated is not None:
            off = metres(frame, point.interpolated.lat, point.interpolated.lng, true)
            assert off < point.interpolated.ellipse_95.semi_major_m, index
    assert points[_SWAPPED].alone == "located", "it is a good photo, of another moment"
    assert points[_SWAPPED].status == "interpolated"
    assert "from where the frames before and after put it" in str(points[_SWAPPED].result.reason)
    assert points[_DARK].status == "interpolated"
    assert sum(point.status in SOLVED for point in points) >= _COUNT - 4


def test_a_walk_as_photos(localizer: Localizer, walk: tuple[Path, np.ndarray]) -> None:
    folder, truth = walk
    points = locate_sequence(localizer, open_sequence(folder, _RATE_HZ), _WALK)
    _check(points, truth, localizer)
    assert "from one place alone" in str(points[3].alone_reason), "its candidates are metres off"
    assert points[3].status == "interpolated"
    assert "two places look alike" in str(points[7].alone_reason), "36 m apart"
    assert points[7].status == "confirmed"


def test_a_walk_as_a_film(localizer: Localizer, walk: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    folder, truth = walk
    pictures = []
    for path in sorted(folder.iterdir()):
        with Image.open(path) as photo:
            pictures += [np.array(photo)] * 5
    film = write_film(tmp_path / "walk.mp4", pictures, rate_hz=5)
    _check(locate_sequence(localizer, open_sequence(film, _RATE_HZ), _WALK), truth, localizer)
