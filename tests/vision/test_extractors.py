"""Every registered local feature model keeps the promises of LocalExtractor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from geonav.errors import UsageError, WeightsError
from geonav.vision.devices import available_devices, pick_device
from geonav.vision.registries import EXTRACTORS

MODELS = sorted(set(EXTRACTORS.names()) - {"superpoint"})  # an extra, see test_superpoint
DIM = {"aliked": 128, "disk": 128, "xfeat": 64}
pytestmark = pytest.mark.parametrize("model", MODELS)


def test_shapes_types_and_order(model: str, features: Any, pair: Any) -> None:
    for found in features(model):
        assert 100 < len(found) <= 400
        assert found.keypoints.dtype == np.float32
        assert found.descriptors.dtype == np.float16
        assert found.descriptors.shape == (len(found), DIM[model])
        assert (np.diff(found.scores) <= 0).all()
        lengths = np.linalg.norm(found.descriptors.astype(np.float32), axis=1)
        np.testing.assert_allclose(lengths, 1, atol=2e-3)
        assert (found.keypoints > 0).all()
        assert (found.keypoints < pair.a.shape[1::-1]).all()


def test_the_same_picture_gives_the_same_features_alone_and_in_a_batch(model: str, extractor: Any, pair: Any) -> None:
    again = extractor(model, batch_size=3).extract([pair.small, pair.small, pair.small[:, :128]])
    (alone,) = extractor(model).extract([pair.small])
    np.testing.assert_allclose(again[0].keypoints, alone.keypoints, atol=1e-3)
    np.testing.assert_array_equal(again[0].keypoints, again[1].keypoints)
    np.testing.assert_array_equal(again[0].descriptors, again[1].descriptors)
    assert (again[2].keypoints[:, 0] < 128).all()


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_picture_of_one_tone_has_no_keypoints(model: str, extractor: Any, value: int) -> None:
    (found,) = extractor(model).extract([np.full((120, 160, 3), value, np.uint8)])
    assert len(found) == 0
    assert found.descriptors.shape == (0, DIM[model])


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (10, 10), (15, 33), (17, 16)])
def test_tiny_pictures_are_handled(model: str, extractor: Any, shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    (found,) = extractor(model).extract([picture])
    assert np.isfinite(found.keypoints).all()
    assert ((found.keypoints >= 0) & (found.keypoints <= shape[::-1])).all()


def test_a_mask_drops_keypoints_and_leaves_room_for_others(model: str, extractor: Any, pair: Any) -> None:
    mask = np.zeros(pair.small.shape[:2], bool)
    mask[:, 60:] = True
    (found,) = extractor(model, max_keypoints=16).extract([pair.small], [mask])
    assert (found.keypoints[:, 0] >= 60).all()
    assert len(found) == 16
    (nothing,) = extractor(model).extract([pair.small], [np.zeros_like(mask)])
    assert len(nothing) == 0


def test_resizing_keeps_the_meaning_of_a_pixel(model: str, extractor: Any, matcher: Any, pair: Any) -> None:
    """A picture blown up 2.5 times and brought down again has its keypoints 2.5 times as far out, to 0.1 px."""
    large = np.asarray(Image.fromarray(pair.small).resize((400, 320), Image.Resampling.BICUBIC))
    few = extractor(model, max_side_px=160)
    (small_found, large_found) = few.extract([pair.small, large])
    found = matcher("mutual_nn", model).match(small_found, (160, 128), large_found, (400, 320))
    assert len(found) > 40
    offset = large_found.keypoints[found.pairs[:, 1]] / 2.5 - small_found.keypoints[found.pairs[:, 0]]
    assert np.abs(np.median(offset, axis=0)).max() < 0.1


def test_max_keypoints_keeps_the_best(model: str, extractor: Any, pair: Any) -> None:
    (fewer,) = extractor(model, max_keypoints=30).extract([pair.small])
    (more,) = extractor(model).extract([pair.small])
    np.testing.assert_allclose(fewer.keypoints, more.keypoints[:30], atol=1e-3)


def test_a_threshold_drops_weak_keypoints(model: str, extractor: Any, pair: Any) -> None:
    threshold = {"aliked": 0.6, "disk": 60.0, "xfeat": 0.6}[model]
    (fewer,) = extractor(model, keypoint_threshold=threshold).extract([pair.small])
    assert 0 < len(fewer) < len(extractor(model).extract([pair.small])[0])


def test_a_wider_window_thins_keypoints_out(model: str, extractor: Any, pair: Any) -> None:
    (found,) = extractor(model, nms_radius=6).extract([pair.small])
    distance = np.linalg.norm(found.keypoints[:, None] - found.keypoints[None], axis=2) + 100 * np.eye(len(found))
    assert distance.min() > 4.5


def test_settings_tell_all_that_changes_the_result(model: str, extractor: Any) -> None:
    settings = extractor(model).settings()
    assert settings["model"] == model
    assert len(settings["weights_sha256"]) == 64
    for key, value in {"max_keypoints": 30, "nms_radius": 6, "max_side_px": 160}.items():
        assert extractor(model, **{key: value}).settings() != settings
    assert extractor(model, batch_size=3).settings() == settings


@pytest.mark.parametrize("picture", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)])
def test_what_is_no_picture_is_refused(model: str, extractor: Any, picture: np.ndarray) -> None:
    with pytest.raises(UsageError, match="uint8"):
        extractor(model).extract([picture])


def test_a_mask_of_another_size_is_refused(model: str, extractor: Any, pair: Any) -> None:
    with pytest.raises(UsageError, match="mask"):
        extractor(model).extract([pair.a], [np.ones((5, 5), bool)])


def test_an_unknown_device_names_those_there_are(model: str, config: Any) -> None:
    with pytest.raises(UsageError, match=f"cuda:77.*{available_devices()[0]}"):
        EXTRACTORS.load(model).from_config(config(model=model).model_copy(update={"device": "cuda:77"}))
    assert pick_device("auto").type == available_devices()[0]


def test_another_networks_weights_are_refused(model: str, config: Any) -> None:
    from geonav.vision.weights import weights_path

    other = weights_path("xfeat" if model != "xfeat" else "disk", config())
    settings = config(model=model).model_dump()
    settings["weights"]["paths"] = {model: other}
    with pytest.raises(WeightsError, match="another network"):
        EXTRACTORS.load(model).from_config(type(config()).model_validate(settings))
