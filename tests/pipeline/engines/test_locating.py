"""Photos and queries located by a cluster: what one process finds, in the same order."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from geonav.config import GeonavConfig, load_config
from geonav.data.database import Database
from geonav.data.shards import Shard
from geonav.evaluation.experiment import Experiment, evaluate
from geonav.evaluation.run_folder import read_run
from geonav.geometry.geodesy import GeoPoint
from geonav.pipeline.importing import ColmapImport, import_colmap
from geonav.pipeline.index import index_global
from geonav.pipeline.locating import Given, locate_photos
from tests.conftest import StreetPhotos

SETTINGS: dict[str, Any] = {
    "device": "cpu",
    "local": {"max_keypoints": 512, "matcher": "mutual_nn"},
    "global": {"num_clusters": 8},
}


@pytest.fixture(scope="module")
def indexed(street_database_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Database:
    path = shutil.copytree(street_database_path, tmp_path_factory.mktemp("located") / "db")
    index_global(Database.open(path), load_config(overrides=SETTINGS))
    return Database.open(path)


@pytest.fixture
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def untimed(result: Any) -> dict[str, Any]:
    return {key: value for key, value in result.model_dump(mode="json").items() if key != "seconds"}


@pytest.mark.slow
def test_photos_are_located_as_by_one_process_and_in_their_order(
    indexed: Database, street_photos: StreetPhotos, by_ray: GeonavConfig, one_thread: None, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    photos = [*street_photos.queries, broken, street_photos.queries[0]]
    config = load_config(overrides=SETTINGS)
    other = config.model_copy(update={"engine": by_ray.engine})
    here = list(locate_photos(indexed, config, photos, Given(with_matches=True)))
    events: list[Any] = []
    there = list(locate_photos(indexed, other, photos, Given(with_matches=True), events.append))
    assert [untimed(found.result) for found in here] == [untimed(found.result) for found in there]
    assert [[each.uid for each in found.matches] for found in here] == [
        [each.uid for each in found.matches] for found in there
    ]
    assert any(found.result.status == "located" for found in there)
    assert "broken.jpg is not a picture" in str(there[4].result.reason)
    assert [(event.done, event.total, event.item) for event in events] == [
        (number, len(photos), photo.name) for number, photo in enumerate(photos, start=1)
    ]


@pytest.mark.slow
def test_queries_are_evaluated_as_by_one_process(
    indexed: Database, street_photos: StreetPhotos, by_ray: GeonavConfig, one_thread: None, tmp_path: Path
) -> None:
    origin = GeoPoint(*street_photos.origin)
    import_colmap(
        tmp_path / "queries",
        street_photos.root / "colmap",
        ColmapImport(images=street_photos.root / "images", origin=origin),
    )
    config = load_config(overrides=SETTINGS)
    other = config.model_copy(update={"engine": by_ray.engine})
    here = evaluate(tmp_path / "queries", indexed, config, output=tmp_path / "here")
    there = evaluate(tmp_path / "queries", indexed, other, output=tmp_path / "there")
    for number in (2, 1):
        evaluate(
            tmp_path / "queries",
            indexed,
            config,
            experiment=Experiment(shard=Shard(number, 2)),
            output=tmp_path / "shared",
        )
    shared = evaluate(tmp_path / "queries", indexed, config, output=tmp_path / "shared")
    scores = [[score.model_copy(update={"seconds": 0.0}) for score in each.photos] for each in (here, there, shared)]
    assert scores[0] == scores[1] == scores[2]
    for folder in ("there", "shared"):
        assert read_run(tmp_path / "here").records == read_run(tmp_path / folder).records
        names = sorted(path.name for path in (tmp_path / folder / "matches").iterdir())
        assert names == sorted(path.name for path in (tmp_path / "here/matches").iterdir())
