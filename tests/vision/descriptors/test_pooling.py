"""Pooling layers against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from geonav.vision.descriptors.pooling import MAC, RMAC, GeM, NetVLAD, SPoC, rmac_regions


@pytest.fixture
def features() -> torch.Tensor:
    return torch.rand(2, 5, 6, 9, generator=torch.Generator().manual_seed(0))


def test_gem_lies_between_the_mean_and_the_maximum(features: torch.Tensor) -> None:
    torch.testing.assert_close(GeM(1.0)(features), SPoC()(features))
    torch.testing.assert_close(GeM(300.0)(features.double()), MAC()(features.double()), rtol=0.02, atol=0)
    values = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 2, 2)
    assert GeM(3.0)(values).item() == pytest.approx((100 / 4) ** (1 / 3), rel=1e-6)


def test_netvlad_by_the_definition(features: torch.Tensor) -> None:
    layer = NetVLAD(3, 5, bias=True)
    with torch.no_grad():
        layer.centroids.normal_(generator=torch.Generator().manual_seed(1))
        found = layer(features).numpy()
    for number in range(2):
        x = features[number].flatten(1).T.numpy()
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        logits = x @ layer.conv.weight.detach().numpy()[:, :, 0, 0].T + layer.conv.bias.detach().numpy()
        shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        sums = np.zeros((3, 5))
        for row, share in zip(x, shares, strict=True):
            for k in range(3):
                sums[k] += share[k] * (row - layer.centroids.detach().numpy()[k])
        sums /= np.linalg.norm(sums, axis=1, keepdims=True)
        np.testing.assert_allclose(found[number], sums.ravel() / np.linalg.norm(sums), atol=1e-5)


def test_rmac_regions_of_a_square_map() -> None:
    # 1, 2 x 2 and 3 x 3 squares of sides 6, 4 and 3, evenly spread from edge to edge
    found = rmac_regions(6, 6)
    assert found[0] == (0, 0, 6)
    assert found[1:5] == [(0, 0, 4), (2, 0, 4), (0, 2, 4), (2, 2, 4)]
    assert found[5:] == [(left, top, 3) for top in (0, 1, 3) for left in (0, 1, 3)]


@pytest.mark.parametrize("size", [(40, 30), (30, 40), (64, 24), (9, 1), (7, 2)])
def test_rmac_regions_stay_inside_and_reach_every_edge(size: tuple[int, int]) -> None:
    width, height = size
    found = rmac_regions(width, height)
    assert all(x >= 0 and y >= 0 and x + side <= width and y + side <= height for x, y, side in found)
    assert max(x + side for x, _, side in found) == width
    assert max(y + side for _, y, side in found) == height


def test_rmac_of_a_constant_map_points_along_it() -> None:
    channels = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1).expand(1, 2, 6, 8)
    found = RMAC()(channels)[0, :, 0, 0]
    count = 1 + len(rmac_regions(8, 6))
    torch.testing.assert_close(found, count * torch.tensor([0.6, 0.8]), rtol=1e-5, atol=0)
