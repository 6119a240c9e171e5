"""The photos that benchmarks are timed on: real ones where they are at hand, else a rendered street."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.images import read_image
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint
from geonav.pipeline.importing import ColmapImport, import_colmap
from geonav.pipeline.index import index_global
from tests.accuracy.shared_photos import CASTLE, DATA, Scene, camera_of, import_references


@dataclass(frozen=True)
class Photo:
    """A photo to locate: its file, camera and true pose ``E`` (4, 4) in the frame of its scene."""

    path: Path
    camera: Camera
    pose: np.ndarray


@dataclass(frozen=True)
class Photos:
    """References, indexed, and queries.

    Attributes:
        name: which photos these are.
        database: of the references.
        queries: to locate.
    """

    name: str
    database: Database
    queries: list[Photo]


def photos(folder: Path) -> Photos:
    """castle-P30, every second photo a reference, where it lies beside the checkout; else a rendered street."""
    found = _castle(folder / "castle") if DATA.is_dir() else _street(folder / "street")
    index_global(found.database, GeonavConfig())
    return found


def pixels_at(path: Path, side_px: int) -> np.ndarray:
    """A photo (H, W, 3) with its longer side that long."""
    from geonav.vision.resize import fitted, resized

    picture = read_image(path).pixels
    height, width = picture.shape[:2]
    return resized(picture, fitted(width, height, side_px))


def _castle(path: Path) -> Photos:
    scene = Scene(CASTLE)
    import_references(path, scene, 2)
    queries = [Photo(scene.root / each["image"], camera_of(each), np.array(each["E"])) for each in scene.rest(2)]
    return Photos("castle-P30", Database.open(path), queries)


def _street(path: Path) -> Photos:
    from geonav.providers.demo.dataset import DatasetPlan, write_dataset
    from geonav.providers.demo.poses import Drive, Walk
    from geonav.providers.demo.scene import StreetScene

    camera = Camera.from_focal(1024, 683, 800.0)
    scene = StreetScene(seed=7, length_m=60.0, num_buildings=12, texel_m=0.016)
    plan = DatasetPlan(scene, Drive(camera, covers_m=(10.0, 45.0)), Walk((camera,), covers_m=(12.0, 43.0)), 12)
    write_dataset(path.with_name("street-photos"), plan)
    root = path.with_name("street-photos")
    truth = json.loads((root / "poses.json").read_text("utf-8"))
    place = truth["origin"]
    options = ColmapImport(images=root / "images", origin=GeoPoint(place["lat"], place["lng"], place["alt"]))
    import_colmap(path, root / "colmap", options)
    queries = [
        Photo(root / each["image"], Camera.from_K(each["w"], each["h"], each["K"]), np.array(each["E"]))
        for each in truth["images"]
        if each["image"].startswith("queries/")
    ]
    return Photos("a rendered street", Database.open(path), queries)
