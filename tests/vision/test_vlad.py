"""VLAD: the promises of GlobalDescriptor, and the sums themselves."""

from __future__ import annotations

import numpy as np
import pytest

from geonav.config import GeonavConfig
from geonav.data.features import LocalFeatures
from geonav.errors import DatabaseError, UsageError
from geonav.vision.registries import DESCRIPTORS
from geonav.vision.vlad import VladDescriptor


def features(rows: np.ndarray) -> LocalFeatures:
    count = len(rows)
    return LocalFeatures(np.zeros((count, 2), np.float32), np.zeros(count, np.float32), rows.astype(np.float16))


def scene(seed: int, count: int = 300, centres: int = 12) -> LocalFeatures:
    """Descriptors around a few of 40 centres, as a place would have; each seed is a place."""
    rng = np.random.default_rng(seed)
    middle = np.random.default_rng(99).normal(size=(40, 16))
    rows = middle[rng.choice(40, centres)][rng.integers(0, centres, count)] + rng.normal(0, 0.2, (count, 16))
    return features(rows / np.linalg.norm(rows, axis=1, keepdims=True))


@pytest.fixture(scope="module")
def trained() -> VladDescriptor:
    descriptor = VladDescriptor(num_clusters=8, seed=3)
    descriptor.train([scene(seed) for seed in range(6)])
    return descriptor


def test_a_vector_has_length_one_and_the_stated_dimension(trained: VladDescriptor) -> None:
    vector = trained.describe(scene(1))
    assert vector.dtype == np.float32
    assert vector.shape == (trained.dim,) == (8 * 16,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def test_the_same_place_is_nearest(trained: VladDescriptor) -> None:
    places = np.stack([trained.describe(scene(seed)) for seed in range(20)])
    half = scene(7)
    query = trained.describe(features(half.descriptors[::2]))
    assert (places @ query).argmax() == 7


def test_the_sums_by_hand() -> None:
    descriptor = VladDescriptor(num_clusters=2)
    descriptor.load({"words": np.array([[0.0, 0.0], [10.0, 0.0]], np.float32)})
    vector = descriptor.describe(features(np.array([[0, 1], [0, 3], [13, 4]])))
    # word 0 sums to (0, 4) and word 1 to (3, 4): each of length one, then the whole
    np.testing.assert_allclose(vector, np.array([0, 1, 0.6, 0.8]) / np.sqrt(2), atol=1e-6)


def test_no_keypoints_give_zero(trained: VladDescriptor) -> None:
    assert not trained.describe(features(np.zeros((0, 16)))).any()


def test_training_is_repeatable_and_loads_back(trained: VladDescriptor) -> None:
    again = VladDescriptor(num_clusters=8, seed=3)
    again.train([scene(seed) for seed in range(6)])
    np.testing.assert_array_equal(again.learned()["words"], trained.learned()["words"])
    loaded = VladDescriptor(num_clusters=8)
    loaded.load(trained.learned())
    np.testing.assert_array_equal(loaded.describe(scene(4)), trained.describe(scene(4)))


def test_few_descriptors_make_few_words(capfd: pytest.CaptureFixture[str]) -> None:
    descriptor = VladDescriptor(num_clusters=64)
    descriptor.train([features(np.eye(16)[:5]), features(np.zeros((0, 16)))])
    assert descriptor.dim == 5 * 16
    assert np.isfinite(descriptor.describe(features(np.eye(16)[:3]))).all()
    assert "WARNING" not in "".join(capfd.readouterr())


def test_untrained_empty_and_broken_are_refused(trained: VladDescriptor) -> None:
    with pytest.raises(DatabaseError, match="index global"):
        VladDescriptor().describe(scene(0))
    with pytest.raises(DatabaseError, match="no keypoints"):
        VladDescriptor().train([features(np.zeros((0, 16)))])
    with pytest.raises(DatabaseError, match="broken"):
        VladDescriptor().load({"words": np.full((2, 2), np.nan, np.float32)})
    with pytest.raises(UsageError, match="16 numbers, not 3"):
        trained.describe(features(np.ones((4, 3))))


def test_it_states_what_it_is() -> None:
    descriptor = DESCRIPTORS.load("vlad").from_config(GeonavConfig(retrieval={"num_clusters": 5}))
    assert descriptor.name == "vlad"
    assert descriptor.source == "features"
    assert descriptor.settings()["descriptor"] == "vlad"
    assert descriptor.settings()["num_clusters"] == 5
