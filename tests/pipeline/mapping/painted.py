"""A street whose features are made, not found, on pictures that show nothing.

Every point has a description of its own, so that mapping runs without networks.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from geonav.config import GeonavConfig, load_config
from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.data.metadata import ImageMetadata, camera_fields, pose_fields
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import camera_center, pose_from_center, rotations_from_vectors
from geonav.pipeline.stages import load_extractor_for_writing
from geonav.pipeline.stored import StoredFeatures

ORIGIN = GeoPoint(48.94, 8.409, 130.0)
CAMERA = Camera.from_fov(640, 480, 75.0)
NOISE_PX = 0.3


def map_config(**settings: Any) -> GeonavConfig:
    """Mutual nearest neighbours need no weights."""
    return load_config(overrides={"local": {"matcher": "mutual_nn"}, "map": settings})


@dataclass
class PaintedStreet:
    """Two facades with points, and cameras between them.

    Attributes:
        seed: of everything.
        length_m: of the street.
        num_points: on both sides.
        east_m: where it lies, so that several may be apart.
    """

    seed: int = 0
    length_m: float = 60.0
    num_points: int = 1500
    east_m: float = 0.0
    points: np.ndarray = field(init=False)
    words: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        side = rng.choice([-1.0, 1.0], self.num_points)
        depth = rng.uniform(8.0, 11.0, self.num_points)
        along = rng.uniform(-20.0, self.length_m + 20.0, self.num_points)
        self.points = np.stack([along + self.east_m, side * depth, rng.uniform(-2.0, 8.0, self.num_points)], axis=1)
        words = rng.normal(size=(self.num_points, 128))
        self.words = words / np.linalg.norm(words, axis=1, keepdims=True)

    def pose(self, along_m: float, azimuth_deg: float, aside_m: float = 0.0) -> np.ndarray:
        center = np.array([along_m + self.east_m, aside_m, 0.0])
        return pose_from_center(rotation_from_angles(azimuth_deg, 3.0), center)

    def features(self, pose: np.ndarray, rng: np.random.Generator) -> LocalFeatures:
        inside = self.points @ pose[:3, :3].T + pose[:3, 3]
        pixels = CAMERA.pixels_from_points(inside) + rng.normal(0, NOISE_PX, (len(inside), 2))
        seen = (inside[:, 2] > 1.0) & (inside[:, 2] < 40.0)
        seen &= ((pixels >= 0) & (pixels < [CAMERA.width, CAMERA.height])).all(1)
        words = self.words[seen] + rng.normal(0, 0.02, (int(seen.sum()), 128))
        scores = np.linspace(1.0, 0.5, len(words), dtype=np.float32)
        return LocalFeatures(pixels[seen].astype(np.float32), scores, words.astype(np.float16))


@dataclass(frozen=True)
class Reference:
    """One reference to be stored: where it is, and where its source says."""

    uid: str
    true_pose: np.ndarray
    said_pose: np.ndarray
    keys: dict[str, Any] = field(default_factory=dict)


def along_street(
    street: PaintedStreet,
    count: int = 8,
    *,
    sigma_m: float = 1.0,
    sigma_deg: float = 2.0,
    seed: int = 0,
    prefix: str = "r",
) -> list[Reference]:
    """References that walk up the street, zigzagging, and look aside; wrong by so much."""
    rng = np.random.default_rng([seed, 1])
    found = []
    for number in range(count):
        along = number * street.length_m / max(count - 1, 1) * 0.6
        pose = street.pose(along, 45.0 + 10.0 * (number % 3), aside_m=(number % 2) * 2.0 - 1.0)
        shift = rng.normal(0, [sigma_m, sigma_m, sigma_m / 2])
        turn = rotations_from_vectors([[0.0, 0.0, rng.normal(0, np.radians(sigma_deg))]])[0]
        said = pose_from_center(pose[:3, :3] @ turn.T, camera_center(pose) + shift)
        found.append(Reference(f"{prefix}{number:02}", pose, said, trust(sigma_m, sigma_deg)))
    return found


def trust(sigma_m: float, sigma_deg: float) -> dict[str, Any]:
    return {"position_std_m": max(sigma_m, 0.01), "heading_std_deg": max(sigma_deg, 0.05)}


def store(path: Path, street: PaintedStreet, references: Sequence[Reference], seed: int = 0) -> Database:
    """Put references and their made features into a database, new or there."""
    database = Database.open(path) if path.exists() else Database.create(path, ORIGIN)
    rng = np.random.default_rng([seed, 2])
    stored = StoredFeatures(database, load_extractor_for_writing(database, map_config()).settings())
    for reference in references:
        buffer = io.BytesIO()
        pixels = rng.integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).resize((CAMERA.width, CAMERA.height)).save(buffer, "JPEG", quality=30)
        keys = camera_fields(CAMERA) | pose_fields(reference.said_pose, database.frame) | reference.keys
        metadata = ImageMetadata(**{**keys, "provider": "painted", "alt_datum": "wgs84"})
        database.add_entry(reference.uid, buffer.getvalue(), metadata)
        stored.write(reference.uid, street.features(reference.true_pose, rng))
    return database


def errors_m(database: Database, references: Sequence[Reference]) -> np.ndarray:
    """How far refined poses are from the true ones; NaN where there is none."""
    found = []
    for reference in references:
        refined = database.metadata(reference.uid).E_refined
        off = np.nan if refined is None else camera_center(np.array(refined)) - camera_center(reference.true_pose)
        found.append(float(np.linalg.norm(off)))
    return np.array(found)


def said_errors_m(references: Sequence[Reference]) -> np.ndarray:
    return np.array(
        [np.linalg.norm(camera_center(each.said_pose) - camera_center(each.true_pose)) for each in references]
    )
