"""Every registered matcher keeps the promises of Matcher, with every model it fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from geonav.data.features import LocalFeatures
from geonav.errors import UsageError
from geonav.vision.mutual_nn import MutualNearestNeighbor
from geonav.vision.registries import MATCHERS

SIZE = (320, 240)
# Those of an extra have tests of their own, see test_superpoint.
MODELS, NAMES = ("aliked", "disk", "xfeat"), ("lightglue", "mutual_nn")
every_pairing = pytest.mark.parametrize(("name", "model"), [(name, model) for name in NAMES for model in MODELS])
# Share of matches within 3 px of the truth; nearest neighbours see no geometry.
LEAST_RIGHT = {"lightglue": 0.9, "mutual_nn": 0.5}


def no_features(like: LocalFeatures) -> LocalFeatures:
    return LocalFeatures(like.keypoints[:0], like.scores[:0], like.descriptors[:0])


@every_pairing
def test_matches_are_right_and_well_formed(name: str, model: str, features: Any, matcher: Any, pair: Any) -> None:
    a, b = features(model)
    found = matcher(name, model).match(a, SIZE, b, SIZE)
    assert len(found) > 80
    assert found.pairs.dtype == np.int32
    assert found.scores.dtype == np.float32
    assert found.pairs.shape == (len(found), 2)
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert (found.pairs >= 0).all()
    assert (found.pairs < (len(a), len(b))).all()
    for column in found.pairs.T:
        assert len(set(column.tolist())) == len(found)
    error = np.linalg.norm(pair.transfer(a.keypoints[found.pairs[:, 0]]) - b.keypoints[found.pairs[:, 1]], axis=1)
    assert (error < 3).mean() > LEAST_RIGHT[name]


@every_pairing
def test_the_same_input_gives_the_same_matches(name: str, model: str, features: Any, matcher: Any) -> None:
    a, b = features(model)
    first, second = (matcher(name, model).match(a, SIZE, b, SIZE) for _ in range(2))
    np.testing.assert_array_equal(first.pairs, second.pairs)
    np.testing.assert_array_equal(first.scores, second.scores)


@every_pairing
def test_nothing_matches_nothing(name: str, model: str, features: Any, matcher: Any) -> None:
    a, _ = features(model)
    for pair in ((a, no_features(a)), (no_features(a), a), (no_features(a), no_features(a))):
        found = matcher(name, model).match(pair[0], SIZE, pair[1], SIZE)
        assert found.pairs.shape == (0, 2)
        assert found.scores.shape == (0,)


@every_pairing
def test_keypoints_on_the_very_edge_and_single_ones_are_taken(
    name: str, model: str, features: Any, matcher: Any
) -> None:
    a, b = features(model)
    keypoints = a.keypoints.copy()
    keypoints[:4] = [[0, 0], [320, 240], [320.0001, 120], [0, 240]]
    edge = LocalFeatures(keypoints, a.scores, a.descriptors)
    assert len(matcher(name, model).match(edge, SIZE, b, SIZE)) > 50
    one = LocalFeatures(a.keypoints[:1], a.scores[:1], a.descriptors[:1])
    assert len(matcher(name, model).match(one, SIZE, b, SIZE)) <= 1


@every_pairing
def test_settings_name_the_matcher(name: str, model: str, matcher: Any) -> None:
    assert matcher(name, model).settings()["matcher"] == name


@pytest.mark.parametrize("name", NAMES)
def test_descriptors_of_another_length_are_refused(name: str, features: Any, matcher: Any) -> None:
    a, other = features("disk")[0], features("xfeat")[0]
    with pytest.raises(UsageError, match=r"128|64"):
        matcher(name, "disk").match(a, SIZE, other, SIZE)


def test_lightglue_says_which_models_it_fits() -> None:
    from geonav.config import GeonavConfig

    with pytest.raises(UsageError, match=r"disk.*mutual_nn"):
        MATCHERS.load("lightglue").from_config(GeonavConfig(local={"model": "sift"}))


def test_mutual_nearest_neighbours_by_hand() -> None:
    def features(rows: list[list[float]]) -> LocalFeatures:
        count = len(rows)
        return LocalFeatures(np.zeros((count, 2), np.float32), np.zeros(count, np.float32), np.array(rows, np.float16))

    a = features([[1, 0], [0, 1], [0.8, 0.6]])
    b = features([[0, 2], [3, 0.1], [-1, -1]])
    found = MutualNearestNeighbor().match(a, SIZE, b, SIZE)
    assert found.pairs.tolist() == [[0, 1], [1, 0]]  # row 2 likes b 1 too, but b 1 prefers row 0
    assert MutualNearestNeighbor(min_cosine=1.1).match(a, SIZE, b, SIZE).pairs.tolist() == []
