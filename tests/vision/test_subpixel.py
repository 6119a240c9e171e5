"""Refining keypoints below the pixel pays: errors under a known homography, with and without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from geonav.vision.peaks import find_peaks, quadratic_offsets, soft_argmax_offsets
from tests.vision.conftest import make_pair


def transfer_errors_px(pairs: list[Any], extractor: Any, matcher: Any) -> np.ndarray:
    """How far matched keypoints of a, carried over to b, lie from their partners; wrong matches left out."""
    errors = []
    for pair in pairs:
        a, b = extractor.extract([pair.a, pair.b])
        found = matcher.match(a, (320, 240), b, (320, 240))
        offset = pair.transfer(a.keypoints[found.pairs[:, 0]]) - b.keypoints[found.pairs[:, 1]]
        errors.append(np.linalg.norm(offset, axis=1))
    joined = np.concatenate(errors)
    return joined[joined < 3]


@pytest.mark.parametrize(
    ("model", "most_px", "most_ratio"), [("disk", 0.32, 0.6), ("aliked", 0.32, 0.6), ("xfeat", 0.65, 0.85)]
)
def test_refined_keypoints_are_nearer_to_the_truth(
    model: str, most_px: float, most_ratio: float, extractor: Any, matcher: Any
) -> None:
    pairs = [make_pair(1)]
    nearest = matcher("mutual_nn", model)
    whole = np.median(transfer_errors_px(pairs, extractor(model, subpixel=False), nearest))
    refined = np.median(transfer_errors_px(pairs, extractor(model), nearest))
    assert refined < most_px
    assert refined < most_ratio * whole


def bump(x: float, y: float) -> torch.Tensor:
    rows, columns = np.mgrid[0:15, 0:17]
    return torch.from_numpy(10 - 0.7 * (columns - x) ** 2 - 0.4 * (rows - y) ** 2 - 0.3 * (columns - x) * (rows - y))


def test_the_top_of_a_quadratic_is_found_exactly() -> None:
    heat = bump(8.3, 6.8)
    peaks = find_peaks(heat, 2, 0.0, torch.ones_like(heat, dtype=torch.bool))
    assert peaks.tolist() == [[8, 7]]
    top = peaks + quadratic_offsets(heat, peaks)
    np.testing.assert_allclose(top.numpy(), [[8.3, 6.8]], atol=1e-9)


def test_a_step_is_never_longer_than_half_a_pixel_and_a_plain_stays() -> None:
    heat = torch.zeros(9, 9)
    peak = torch.tensor([[4, 4]])
    assert quadratic_offsets(heat, peak).tolist() == [[0, 0]]
    heat[4, 4], heat[4, 5] = 1.0, 0.9999
    assert quadratic_offsets(heat + bump(4, 4)[:9, :9] * 1e-3, peak).abs().max() <= 0.5


def test_soft_argmax_leans_to_the_higher_side() -> None:
    heat = bump(8.3, 6.8)
    offset = soft_argmax_offsets(heat, torch.tensor([[8, 7]]), 2, 1.0)
    assert 0.1 < offset[0, 0] < 0.5
    assert -0.5 < offset[0, 1] < -0.05


def test_nan_and_masked_maxima_are_no_peaks() -> None:
    heat = bump(8.3, 6.8)
    allowed = torch.ones_like(heat, dtype=torch.bool)
    allowed[7, 8] = False
    assert len(find_peaks(heat, 2, 0.0, allowed)) == 0
    assert len(find_peaks(heat * float("nan"), 2, 0.0, ~allowed)) == 0
    assert len(find_peaks(heat, 0, 9.0, torch.ones_like(allowed))) == 1
