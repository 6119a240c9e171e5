"""DISK as it is run here against DISK as it was published."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from kornia.feature import DISK
from scipy.spatial import KDTree

from geonav.config import GeonavConfig
from geonav.data.features import LocalFeatures
from geonav.vision import disk_network
from geonav.vision.checkpoints import fill_network, load_state_dict
from geonav.vision.disk import DiskExtractor
from geonav.vision.disk_network import DiskNetwork
from geonav.vision.weights import weights_path


def found(picture: np.ndarray, precision: str, **local: Any) -> LocalFeatures:
    config = GeonavConfig(device="cpu", precision=precision, local={"max_keypoints": 300, **local})
    return DiskExtractor.from_config(config).extract([picture])[0]


@pytest.fixture(scope="module")
def bare() -> Any:
    """Kornia's network with its published weights."""
    path = weights_path("disk", GeonavConfig())
    network = DISK()
    fill_network(network, load_state_dict(path)["extractor"], path)
    return network


@pytest.mark.parametrize("block", [disk_network._BLOCK, 1 << 15])
def test_every_pixel_is_as_published(block: int, bare: Any, pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_network, "_BLOCK", block)
    height, width = 224, 304
    batch = torch.from_numpy(pair.a[:height, :width].copy()).permute(2, 0, 1)[None].float() / 255
    edges = torch.tensor([(x, y) for x in (0, 1, 2, 151, width - 2, width - 1) for y in (0, 1, 112, height - 1)])
    with torch.inference_mode():
        expected = bare.unet(batch)[0]
        maps = DiskNetwork(bare.unet, torch.float32)(batch)
        heat, described = maps.heat(), maps.descriptions(edges)
    torch.testing.assert_close(heat, expected[-1], atol=2e-3, rtol=1e-4)
    torch.testing.assert_close(described, expected[:-1, edges[:, 1], edges[:, 0]].t(), atol=2e-3, rtol=1e-4)


def test_keypoints_score_their_heat_and_are_described_where_they_are(bare: Any, pair: Any) -> None:
    picture = np.ascontiguousarray(pair.a[:224, :304])
    ours = found(picture, "float32", subpixel=False)
    with torch.inference_mode():
        batch = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
        heat, described = (each[0].numpy() for each in bare.heatmap_and_dense_descriptors(batch))
    columns, rows = np.floor(ours.keypoints).astype(int).T
    np.testing.assert_allclose(ours.scores, heat[0, rows, columns], atol=2e-3)
    expected = described[:, rows, columns].T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(ours.descriptors, expected, atol=2e-3)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_moves_keypoints_by_a_tenth_of_a_pixel(precision: str, pair: Any) -> None:
    full, half = (found(pair.a, each) for each in ("float32", precision))
    moved, nearest = KDTree(half.keypoints).query(full.keypoints)
    same = moved < 1.0
    assert same.mean() > 0.95
    assert np.sqrt((moved[same] ** 2).mean()) < 0.2
    alike = (full.descriptors.astype(float) * half.descriptors[nearest].astype(float)).sum(1)
    assert np.quantile(alike[same], 0.05) > 0.99
