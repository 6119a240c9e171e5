"""The real photos beside the checkout, and what locating them gives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from geonav.config import load_config
from geonav.data.database import Database
from geonav.data.results import LocalizationResult
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint, LocalFrame
from geonav.geometry.pose import camera_center, rotation_error_deg
from geonav.pipeline.importing import ColmapImport, import_colmap
from geonav.pipeline.index import index_global
from geonav.pipeline.localize import Localizer

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CASTLE, HERZ_JESU, KITTI = "castle-P30", "herz-jesu-P25", "kitti-1"
SEEDS = range(5)

needs_photos = pytest.mark.skipif(not DATA.is_dir(), reason=f"the shared photos are not at {DATA}")


@dataclass(frozen=True)
class Scene:
    """One set of photos with known poses."""

    name: str

    @property
    def root(self) -> Path:
        return DATA / self.name

    @property
    def images(self) -> list[dict[str, Any]]:
        return list(_poses(self.root)["images"])

    @property
    def origin(self) -> GeoPoint:
        place = _poses(self.root)["origin"]
        return GeoPoint(place["lat"], place["lng"], place["alt"])

    def every(self, step: int) -> list[dict[str, Any]]:
        """The references: every ``step``-th photo."""
        return self.images[::step]

    def rest(self, step: int) -> list[dict[str, Any]]:
        """The queries: all other photos."""
        return [image for number, image in enumerate(self.images) if number % step]


@cache
def _poses(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "poses.json").read_text())
    return found


def import_references(path: Path, scene: Scene, step: int) -> None:
    """Import every ``step``-th photo of a scene."""
    names = tuple(Path(image["image"]).name for image in scene.every(step))
    options = ColmapImport(images=scene.root / "images", origin=scene.origin, include=names)
    import_colmap(path, scene.root / "colmap", options)


class _Memory:
    """Remembers what a network gave for the same input: a seed of the estimator changes neither."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}

    def recall(self, key: Sequence[Any], compute: Callable[[], Any]) -> Any:
        digest = hashlib.sha256()
        for part in key:
            digest.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
        name = digest.hexdigest()
        if name not in self._found:
            self._found[name] = compute()
        return self._found[name]


MEMORY = _Memory()


class _RememberingExtractor:
    def __init__(self, extractor: Any) -> None:
        self._extractor = extractor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._extractor, name)

    def extract(self, images: Any, masks: Any = None) -> Any:
        return [MEMORY.recall([image], lambda i=image: self._extractor.extract([i])[0]) for image in images]


class _RememberingMatcher:
    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher

    def match(self, a: Any, size_a: Any, b: Any, size_b: Any) -> Any:
        key = [a.keypoints, b.keypoints, size_a, size_b]
        return MEMORY.recall(key, lambda: self._matcher.match(a, size_a, b, size_b))


@cache
def indexed(folder: Path, references: tuple[tuple[Scene, int], ...]) -> Database:
    """A database of every n-th photo of some scenes, indexed with the default settings; made once."""
    path = folder / "-".join(f"{scene.name}-{step}" for scene, step in references)
    for scene, step in references:
        import_references(path, scene, step)
    database = Database.open(path)
    index_global(database, load_config())
    return database


def remembering_localizer(database: Database, seed: int) -> Localizer:
    """The real localizer, whose networks run once for each photo and pair whatever the seed."""
    localizer = Localizer(database, load_config(overrides={"seed": seed}))
    localizer._extractor = _RememberingExtractor(localizer._extractor)
    localizer._matcher = replace(localizer._matcher, matcher=_RememberingMatcher(localizer._matcher.matcher))
    return localizer


def camera_of(image: dict[str, Any]) -> Camera:
    """The true camera of a photo."""
    return Camera.from_K(image["w"], image["h"], image["K"])


def without_exif(path: Path, folder: Path) -> Path:
    """The same JPEG data without its metadata segments."""
    data, kept, at = path.read_bytes(), bytearray(b"\xff\xd8"), 2
    while data[at] == 0xFF and data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4], "big") + 2
        if data[at + 1] != 0xE1:
            kept += data[at : at + length]
        at += length
    stripped = folder / path.name
    stripped.write_bytes(bytes(kept) + data[at:])
    with Image.open(stripped) as photo:
        assert not photo.getexif()
    return stripped


@dataclass(frozen=True)
class Outcome:
    """Located queries of one run against their truth."""

    results: list[LocalizationResult]
    errors_m: np.ndarray
    errors_deg: np.ndarray
    in_ellipse: np.ndarray
    semi_major_m: np.ndarray

    @property
    def share_located(self) -> float:
        return len(self.errors_m) / len(self.results)

    def joined(self, other: Outcome) -> Outcome:
        """Both sets of queries together."""
        arrays = ("errors_m", "errors_deg", "in_ellipse", "semi_major_m")
        both = [np.concatenate([getattr(self, name), getattr(other, name)]) for name in arrays]
        return Outcome([*self.results, *other.results], *both)


def score(
    results: Sequence[LocalizationResult],
    queries: Sequence[dict[str, Any]],
    truth_frame: LocalFrame,
    database_frame: LocalFrame,
) -> Outcome:
    """Compare results with the truth."""
    rows = []
    truth_from_database = truth_frame.rigid_from(database_frame)
    for result, image in zip(results, queries, strict=True):
        if result.E is None or result.ellipse_95 is None:
            assert result.status != "located"
            continue
        truth, pose, ellipse = np.array(image["E"]) @ truth_from_database, np.array(result.E), result.ellipse_95
        offset = camera_center(pose) - camera_center(truth)
        angle = np.radians(ellipse.azimuth_deg)
        along = offset[0] * np.sin(angle) + offset[1] * np.cos(angle)
        across = offset[0] * np.cos(angle) - offset[1] * np.sin(angle)
        inside = (along / ellipse.semi_major_m) ** 2 + (across / ellipse.semi_minor_m) ** 2 <= 1
        turn = rotation_error_deg(pose[:3, :3], truth[:3, :3])
        rows.append((np.linalg.norm(offset), turn, inside, ellipse.semi_major_m))
    table = np.array(rows, float).reshape(-1, 4)
    return Outcome(list(results), *table.T)


@cache
def locate_all(
    database: Database, scene: Scene, step: int, *, seed: int = 0, known: bool = True, strip_to: Path | None = None
) -> Outcome:
    """Locate all queries of a scene with one seed of the estimator; rows that share a run share its outcome."""
    localizer = remembering_localizer(database, seed)
    results = []
    for image in scene.rest(step):
        path = scene.root / image["image"]
        if strip_to is not None:
            path = without_exif(path, strip_to)
        results.append(localizer.locate(path, camera=camera_of(image) if known else None))
    return score(results, scene.rest(step), LocalFrame(scene.origin), database.frame)
