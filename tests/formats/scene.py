"""A database of a few posed pictures of points whose places are known, with features to match."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.data.metadata import ImageMetadata, camera_fields, pose_fields
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center
from geonav.pipeline.stored import StoredFeatures
from tests.data.photos import exif, jpeg

ORIGIN = GeoPoint(48.9407, 8.4090, 130.0)
SETTINGS = {"model": "disk", "weights": "none"}


@dataclass(frozen=True)
class Scene:
    """What is in the database.

    Attributes:
        database: four entries, the second stored on its side (EXIF orientation 6), and one without a pose.
        points: (P, 3) world metres; keypoint k of each picture shows point ``order[uid][k]``.
        order: by uid.
    """

    database: Database
    points: np.ndarray
    order: dict[str, np.ndarray]


def make_scene(path: Path) -> Scene:
    """The database at ``path``."""
    rng = np.random.default_rng(5)
    database = Database.create(path, ORIGIN)
    points = np.column_stack([rng.uniform(-6, 6, 40), rng.uniform(14, 20, 40), rng.uniform(-1, 4, 40)])
    order = {}
    for number, orientation in enumerate((1, 6, 1, 3)):
        uid = f"p{number}"
        camera = Camera("SIMPLE_RADIAL", 96, 64, (70.0, 47.0, 33.0, -0.01))
        if number == 1:
            camera = Camera("PINHOLE", 64, 96, (80.0, 81.0, 31.0, 50.0))  # of the upright picture
        pose = pose_from_center(rotation_from_angles(4.0 * number - 6, 2.0, 1.0), [2.0 * number - 3, 0.3 * number, 1.5])
        pictured = jpeg((96, 64), seed=number, tags=exif({274: orientation}))
        fields = camera_fields(camera) | pose_fields(pose, database.frame)
        database.add_entry(
            uid, pictured, ImageMetadata(**fields, alt_datum="wgs84", source_name=f"cam/{uid}.jpg", provider="colmap")
        )
        order[uid] = rng.permutation(len(points))
        xyz = points[order[uid]] @ pose[:3, :3].T + pose[:3, 3]
        pixels = camera.pixels_from_points(xyz).astype(np.float32)
        features = LocalFeatures(pixels, np.ones(40, np.float32), np.eye(128, dtype=np.float16)[order[uid]])
        StoredFeatures(database, SETTINGS).write(uid, features)
    database.set_local_settings("disk", SETTINGS)
    database.add_entry("unposed", jpeg(), ImageMetadata(w=96, h=64, K=None, provider="folder"))
    return Scene(database, points, order)


def true_matches(scene: Scene, first: str, second: str) -> np.ndarray:
    """Keypoints (M, 2) of two entries that show the same point."""
    where = np.argsort(scene.order[second])
    return np.column_stack([np.arange(40), where[scene.order[first]]])
