"""The benchmark's looks at a query, and how what they find becomes one list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geonav.config import GeonavConfig
from geonav.errors import UsageError
from geonav.vision.descriptors.query_views import MAJORITY_WEIGHT, MODES, merge, views_of
from geonav.vision.registries import DESCRIPTORS
from tests.vision.descriptors import checkpoints
from tests.vision.descriptors.checkpoints import picture


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Trained for 128 x 96."""
    path: Path = checkpoints.dvgl(tmp_path_factory.mktemp("net") / "net.pth")
    section = {"descriptor": "dvgl", "checkpoint": path, "image_size": 128}
    return DESCRIPTORS.load("dvgl").from_config(GeonavConfig(device="cpu", retrieval=section))


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_gives_its_number_of_unit_vectors(mode: Any, model: Any) -> None:
    found = views_of(picture(1, 120, 200), mode, model)
    assert len(found) == (5 if mode in {"nearest_crop", "majority_voting"} else 1)
    for vector in found:
        assert vector.shape == (model.dim,)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_a_photo_of_the_models_shape_needs_no_cutting(model: Any) -> None:
    pixels = picture(2, 96, 128)
    expected = model.describe(pixels)
    for mode in ("hard_resize", "single_query", "central_crop"):
        np.testing.assert_allclose(views_of(pixels, mode, model)[0], expected, atol=1e-6)


def test_the_crops_are_where_the_benchmark_cuts(model: Any) -> None:
    """A photo twice as wide as high: squares at the left edge (twice), the right edge (twice) and the middle."""
    pixels = picture(3, 96, 192)
    crops = views_of(pixels, "nearest_crop", model)

    def seen(part: np.ndarray) -> np.ndarray:
        batch = np.ascontiguousarray(part).transpose(2, 0, 1)[None].astype(np.float32) / 255
        import torch

        found: np.ndarray = model.encode(torch.from_numpy(batch))[0]
        return found

    left, right, middle = seen(pixels[:, :96]), seen(pixels[:, 96:]), seen(pixels[:, 48:144])
    for crop, expected in zip(crops, (left, right, left, right, middle), strict=True):
        np.testing.assert_allclose(crop, expected, atol=1e-5)
    mean = (2 * left + 2 * right + middle) / 5
    np.testing.assert_allclose(views_of(pixels, "five_crops", model)[0], mean / np.linalg.norm(mean), atol=1e-5)
    # 128 x 96 fits the photo's height: its middle, not squeezed
    np.testing.assert_allclose(views_of(pixels, "central_crop", model)[0], seen(pixels[:, 32:160]), atol=1e-5)


def test_a_reference_counts_with_its_best_crop() -> None:
    hits = [[("a", 0.9), ("b", 0.5)], [("b", 0.8), ("c", 0.7)], [("a", 0.2), ("d", 0.8)]]
    assert merge(hits, "nearest_crop") == [("a", 0.9), ("b", 0.8), ("d", 0.8), ("c", 0.7)]
    assert merge([[("x", 0.3), ("y", 0.1)]], "hard_resize") == [("x", 0.3), ("y", 0.1)]
    assert merge([[], []], "nearest_crop") == []


def test_votes_move_a_reference_up_as_in_the_benchmark() -> None:
    """B is first of two views: d^2 falls by w (2/1 + 3/5 + 3/10) there, a's by none; scores are 1 - d^2 / 2."""
    hits = [[("a", 0.900), ("b", 0.893)], [("b", 0.890), ("c", 0.5)], [("b", 0.880), ("d", 0.4)]]
    found = merge(hits, "majority_voting")
    assert [uid for uid, _ in found] == ["b", "a", "c", "d"]
    # in the first view b is second: only the votes over 5 and 10 count
    in_first = 0.893 + MAJORITY_WEIGHT / 2 * (3 / 5 + 3 / 10)
    in_second = 0.890 + MAJORITY_WEIGHT / 2 * (2 + 3 / 5 + 3 / 10)
    assert found[0][1] == pytest.approx(max(in_first, in_second))
    assert dict(found)["a"] == 0.9


def test_what_cannot_be_cut_is_refused(model: Any) -> None:
    vlad = DESCRIPTORS.load("vlad").from_config(GeonavConfig())
    with pytest.raises(UsageError, match="five_crops needs a descriptor that looks at pixels, which vlad does not"):
        views_of(picture(0), "five_crops", vlad)
    with pytest.raises(UsageError, match="unknown query augmentation"):
        views_of(picture(0), "ten_crops", model)  # type: ignore[arg-type]
