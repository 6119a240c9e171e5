"""The demo city is hard on purpose: places in it are confused, and poses found at the wrong place must be refused."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.geometry.camera import Camera
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import camera_center, pose_from_center
from geonav.pipeline import localize
from geonav.pipeline.importing import ColmapImport, import_colmap
from geonav.pipeline.index import index_global, index_local
from geonav.pipeline.localize import Localizer
from geonav.pipeline.stages import load_features, load_global
from geonav.providers.demo.city import CityPlan, DemoCity
from geonav.providers.demo.poses import Shot
from geonav.providers.demo.write import write_colmap

pytestmark = pytest.mark.slow

NUM_PLACES, NUM_VIEWS, NUM_QUERIES, NUM_LOCATED = 60, 4, 120, 40
RIGHT_PLACE_M, WRONG_POSE_M = 25.0, 5.0


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the databases ``references`` and ``queries`` and the queries' ``photos``."""
    folder = tmp_path_factory.mktemp("city")
    city = DemoCity(CityPlan(num_panoramas=NUM_PLACES))
    camera = Camera.from_fov(640, 640, 90)
    (folder / "images").mkdir()

    def photograph(pano: Any, azimuth_deg: float) -> Shot:
        center = city.frame.enu_from_geo(pano.lat, pano.lng, pano.alt_m)
        shot = Shot(f"{pano.pano_id}_{azimuth_deg:03.0f}.jpg", camera, pose_from_center(
            rotation_from_angles(azimuth_deg), np.asarray(center)))  # fmt: skip
        (folder / "images" / shot.name).write_bytes(city.view(pano.pano_id, azimuth_deg, 0.0, 90.0, 640, 640))
        return shot

    wanted = [(pano, view * 360.0 / NUM_VIEWS) for pano in city.panoramas for view in range(NUM_VIEWS)]
    with ThreadPoolExecutor(2) as threads:
        shots = list(threads.map(lambda each: photograph(*each), wanted))
    write_colmap(folder / "colmap", shots)
    city.write_queries(folder / "photos", NUM_QUERIES)
    origin = city.plan.origin
    import_colmap(
        folder / "references", folder / "colmap", ColmapImport(images=folder / "images", origin=origin)
    )  # fmt: skip
    import_colmap(
        folder / "queries", folder / "photos" / "colmap", ColmapImport(images=folder / "photos" / "images",
        origin=origin),
    )  # fmt: skip
    index_global(Database.open(folder / "references"), GeonavConfig())
    index_local(Database.open(folder / "queries"), GeonavConfig())
    return folder


def center_of(database: Database, uid: str) -> np.ndarray:
    return camera_center(np.array(database.metadata(uid).E, float))


def test_the_most_similar_reference_is_of_the_right_place_for_some_only(city: Path) -> None:
    references, queries = Database.open(city / "references"), Database.open(city / "queries")
    place, features = load_global(references, GeonavConfig()), load_features(queries, GeonavConfig())
    right = []
    for uid in queries.uids():
        ((first, _),) = place.index.search(place.descriptor.describe(features.read(uid)), 1)
        off = center_of(references, first) - center_of(queries, uid)
        right.append(np.hypot(off[0], off[1]) <= RIGHT_PLACE_M)
    assert len(right) == NUM_QUERIES
    assert 0.5 <= np.mean(right) <= 0.8, f"plain VLAD finds {np.mean(right):.3f} of the places first"


def test_many_poses_are_wrong_and_none_of_them_is_accepted(city: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    real = localize.decide

    def remembered(*given: Any) -> Any:
        found.append(real(*given))
        return found[-1]

    monkeypatch.setattr(localize, "decide", remembered)
    references = Database.open(city / "references")
    localizer = Localizer(references, GeonavConfig())
    any_off_m, accepted_off_m = [], []
    for image in json.loads((city / "photos" / "poses.json").read_text("utf-8"))["images"][:NUM_LOCATED]:
        found.clear()
        camera = Camera.from_K(image["w"], image["h"], image["K"])
        result = localizer.locate(city / "photos" / image["image"], camera=camera)
        truth = camera_center(np.array(image["E"]))
        if found and found[0].solution is not None:
            any_off_m.append(np.linalg.norm(camera_center(found[0].solution.pose) - truth))
        if result.E is not None:
            accepted_off_m.append(np.linalg.norm(camera_center(np.array(result.E)) - truth))
    wrong = np.mean(np.array(any_off_m) > WRONG_POSE_M)
    assert wrong >= 0.1, f"{wrong:.3f} of {len(any_off_m)} poses are wrong by more than {WRONG_POSE_M} m"
    assert max(accepted_off_m) <= WRONG_POSE_M
