"""LightGlue as it is run here against LightGlue as it was published."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from geonav.data.features import LocalFeatures
from geonav.vision import attention
from geonav.vision.pair_network import PairNetwork

SIZE = (320, 240)


def inputs(features: LocalFeatures) -> dict[str, torch.Tensor]:
    return {
        "keypoints": torch.from_numpy(np.clip(features.keypoints, 0, np.float32(SIZE)))[None],
        "descriptors": torch.from_numpy(features.descriptors.astype(np.float32))[None],
        "image_size": torch.tensor([SIZE], dtype=torch.float32),
    }


def found_by(network: PairNetwork, a: LocalFeatures, b: LocalFeatures) -> dict[tuple[int, int], float]:
    with torch.inference_mode():
        sides = (network.side(item["keypoints"][0], item["descriptors"][0], SIZE) for item in map(inputs, (a, b)))
        pairs, scores = network.match(*sides)
    return dict(zip(map(tuple, pairs.tolist()), scores.tolist(), strict=True))


@pytest.mark.parametrize("model", ["disk", "xfeat"])
def test_the_published_network_finds_the_same(model: str, features: Any, matcher: Any) -> None:
    (a, b), published = features(model), matcher("lightglue", model)._network
    with torch.inference_mode():
        found = published({"image0": inputs(a), "image1": inputs(b)})
    theirs = dict(zip(map(tuple, found["matches"][0].tolist()), found["scores"][0].tolist(), strict=True))
    ours = found_by(PairNetwork(published, torch.float32), a, b)
    assert ours.keys() == theirs.keys()
    for pair, score in theirs.items():
        assert ours[pair] == pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize("model", ["disk", "xfeat"])
def test_half_precision_finds_nearly_the_same(model: str, features: Any, matcher: Any) -> None:
    (a, b), published = features(model), matcher("lightglue", model)._network
    full, half = (found_by(PairNetwork(published, dtype), a, b) for dtype in (torch.float32, torch.bfloat16))
    assert len(full.keys() & half.keys()) > 0.95 * max(len(full), len(half))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.sampled_from([1, 4]), st.integers(0, 2**31))
def test_attention_by_blocks_is_attention(num_queries: int, num_keys: int, heads: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    query, key, value = (
        torch.randn(count, heads, 8, generator=generator) for count in (num_queries, num_keys, num_keys)
    )
    heads_first = [each.transpose(0, 1)[None] for each in (query, key, value)]
    expected = functional.scaled_dot_product_attention(*heads_first)[0].transpose(0, 1).flatten(1)
    torch.testing.assert_close(attention._blockwise(query, key, value), expected, atol=1e-5, rtol=1e-4)


def test_a_photo_kept_from_the_last_pair_changes_nothing(features: Any, matcher: Any) -> None:
    (a, b), lightglue = features("disk"), matcher("lightglue", "disk")
    alone = lightglue.match(LocalFeatures(a.keypoints.copy(), a.scores, a.descriptors), SIZE, b, SIZE)
    lightglue.match(b, SIZE, a, SIZE)
    for _ in range(2):
        again = lightglue.match(a, SIZE, b, SIZE)
        np.testing.assert_array_equal(again.pairs, alone.pairs)
        np.testing.assert_array_equal(again.scores, alone.scores)
    wider = lightglue.match(a, (400, 300), b, SIZE)  # the same keypoints in another picture are another input
    assert not np.array_equal(wider.scores, alone.scores)
