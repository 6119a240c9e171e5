"""What each step of the default descriptor and each re-ranker gains in a city of look-alikes: README's tables."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.pipeline.hits import Asked
from geonav.pipeline.index import index_global
from geonav.pipeline.inliers import InlierCounter
from geonav.pipeline.query import read_query
from geonav.pipeline.retrieval import RERANKERS, Retriever
from geonav.pipeline.stages import load_features, load_global, load_matcher
from tests.demo_city import CityPhotos, center_of

pytestmark = pytest.mark.slow

NUM_PLACES, NUM_QUERIES, RIGHT_PLACE_M = 300, 200, 25.0
RANKS = (1, 5, 10, 20)
STEPS = {
    "plain VLAD, 64 words": ({"num_clusters": 64, "pca": 0}, "none"),
    "256 words": ({"pca": 0}, "none"),
    "PCA to 512, half whitened": ({"whitening": 0.5}, "none"),
    "whitened by neighbours": ({}, "none"),
    "neighbours vouch (default)": ({}, "neighbours"),
}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> CityPhotos:
    """GEONAV_TEST_CITY names a folder to keep the city in, which takes most of an hour to make."""
    kept = os.environ.get("GEONAV_TEST_CITY")
    return CityPhotos.made(Path(kept) if kept else tmp_path_factory.mktemp("city"), NUM_PLACES, NUM_QUERIES)


@pytest.fixture(scope="module")
def photos(city: CityPhotos) -> dict[str, tuple[Path, LocalFeatures, np.ndarray]]:
    """Each query's picture, features and true position."""
    queries = Database.open(city.queries)
    features = load_features(queries, GeonavConfig())
    return {uid: (queries.image_path(uid), features.read(uid), center_of(queries, uid)) for uid in queries.uids()}


def recall(
    city: CityPhotos, photos: dict[str, tuple[Path, LocalFeatures, np.ndarray]], config: GeonavConfig
) -> np.ndarray:
    """The share of queries with a reference of the right place among the first, for each of ``RANKS``."""
    references = Database.open(city.references)

    def counter() -> InlierCounter:
        features = load_features(references, config)
        return InlierCounter(references, features, load_matcher(config), config.local.max_side_px, config.seed)

    retriever = Retriever(references, config, load_global(references, config), counter, grouped=False)
    right = np.zeros((len(photos), max(RANKS)), bool)
    for row, (path, features, truth) in enumerate(photos.values()):
        photo = read_query(path)
        hits = retriever.retrieve(Asked(photo, retriever.describe(photo, features), features), max(RANKS)).hits
        off = np.array([center_of(references, hit.uid) - truth for hit in hits])
        right[row, : len(hits)] = np.hypot(off[:, 0], off[:, 1]) <= RIGHT_PLACE_M
    return np.array([right[:, :rank].any(1).mean() for rank in RANKS])


def show(capsys: pytest.CaptureFixture[str], table: dict[str, np.ndarray]) -> None:
    with capsys.disabled():
        for step, row in table.items():
            sys.stdout.write(f"\n| {step} | {' | '.join(f'{share:.3f}' for share in row)} |")


def index_anew(city: CityPhotos, config: GeonavConfig) -> None:
    """Else settings that a step leaves out would stay as the step before made the index."""
    references = Database.open(city.references)
    shutil.rmtree(references.index_dir("vlad"), ignore_errors=True)
    index_global(references, config)


def test_each_step_and_the_default(
    city: CityPhotos,
    photos: dict[str, tuple[Path, LocalFeatures, np.ndarray]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert len(photos) == NUM_QUERIES
    table = {}
    for step, (section, rerank) in STEPS.items():
        config = GeonavConfig(retrieval=section, search={"rerank": rerank})
        index_anew(city, config)
        table[step] = recall(city, photos, config)
    show(capsys, table)
    plain, default = table["plain VLAD, 64 words"], table["neighbours vouch (default)"]
    assert 1 - default[0] <= (1 - plain[0]) / 2, "the default halves plain VLAD's errors at rank 1"
    assert default[RANKS.index(10)] >= 0.95


def test_each_reranker(
    city: CityPhotos,
    photos: dict[str, tuple[Path, LocalFeatures, np.ndarray]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    index_anew(city, GeonavConfig())
    table = {name: recall(city, photos, GeonavConfig(search={"rerank": name})) for name in RERANKERS.names()}
    show(capsys, table)
    assert table["inliers"][0] >= table["neighbours"][0] >= table["none"][0]
