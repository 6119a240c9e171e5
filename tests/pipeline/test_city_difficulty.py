"""The demo city is hard on purpose: places in it are confused, and poses found at the wrong place must be refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.geometry.camera import Camera
from geonav.geometry.pose import camera_center
from geonav.pipeline import localize
from geonav.pipeline.index import index_global
from geonav.pipeline.localize import Localizer
from geonav.pipeline.stages import load_features, load_global
from tests.demo_city import CityPhotos, center_of

pytestmark = pytest.mark.slow

NUM_PLACES, NUM_QUERIES, NUM_LOCATED = 60, 120, 40
RIGHT_PLACE_M, WRONG_POSE_M = 25.0, 5.0
PLAIN = GeonavConfig(retrieval={"num_clusters": 64, "pca": 0})


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> CityPhotos:
    return CityPhotos.made(tmp_path_factory.mktemp("city"), NUM_PLACES, NUM_QUERIES)


def test_the_most_similar_reference_is_of_the_right_place_for_some_only(city: CityPhotos) -> None:
    references, queries = Database.open(city.references), Database.open(city.queries)
    index_global(references, PLAIN)
    place, features = load_global(references, PLAIN), load_features(queries, PLAIN)
    right = []
    for uid in queries.uids():
        ((first, _),) = place.index.search(place.descriptor.describe(features.read(uid)), 1)
        off = center_of(references, first) - center_of(queries, uid)
        right.append(np.hypot(off[0], off[1]) <= RIGHT_PLACE_M)
    assert len(right) == NUM_QUERIES
    assert 0.5 <= np.mean(right) <= 0.8, f"plain VLAD finds {np.mean(right):.3f} of the places first"


def test_many_poses_are_wrong_and_none_of_them_is_accepted(city: CityPhotos, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    real = localize.decide

    def remembered(*given: Any) -> Any:
        found.append(real(*given))
        return found[-1]

    monkeypatch.setattr(localize, "decide", remembered)
    references = Database.open(city.references)
    index_global(references, PLAIN)
    localizer = Localizer(
        references, PLAIN.model_copy(update={"search": PLAIN.search.model_copy(update={"rerank": "none"})})
    )
    any_off_m, accepted_off_m = [], []
    for image in json.loads((city.photos / "poses.json").read_text("utf-8"))["images"][:NUM_LOCATED]:
        found.clear()
        camera = Camera.from_K(image["w"], image["h"], image["K"])
        result = localizer.locate(city.photos / image["image"], camera=camera)
        truth = camera_center(np.array(image["E"]))
        if found and found[0].solution is not None:
            any_off_m.append(np.linalg.norm(camera_center(found[0].solution.pose) - truth))
        if result.E is not None:
            accepted_off_m.append(np.linalg.norm(camera_center(np.array(result.E)) - truth))
    wrong = np.mean(np.array(any_off_m) > WRONG_POSE_M)
    assert wrong >= 0.1, f"{wrong:.3f} of {len(any_off_m)} poses are wrong by more than {WRONG_POSE_M} m"
    assert max(accepted_off_m) <= WRONG_POSE_M
