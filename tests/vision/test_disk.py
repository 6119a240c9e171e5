"""DISK's last layer runs at the keypoints alone; its features are still those of the network as published."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from geonav.config import GeonavConfig
from geonav.vision.checkpoints import fill_network, load_state_dict
from geonav.vision.weights import weights_path


def test_heat_and_descriptions_are_those_of_the_bare_network(extractor: Any, pair: Any) -> None:
    from kornia.feature import DISK

    picture = np.ascontiguousarray(pair.a[:224, :304])
    (found,) = extractor("disk", max_keypoints=300, subpixel=False).extract([picture])
    path = weights_path("disk", GeonavConfig())
    bare = DISK()
    fill_network(bare, load_state_dict(path)["extractor"], path)
    with torch.inference_mode():
        batch = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
        heat, described = (each[0].numpy() for each in bare.heatmap_and_dense_descriptors(batch))
    columns, rows = np.floor(found.keypoints).astype(int).T
    np.testing.assert_allclose(found.scores, heat[0, rows, columns], atol=2e-3)
    expected = described[:, rows, columns].T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found.descriptors, expected, atol=2e-3)
