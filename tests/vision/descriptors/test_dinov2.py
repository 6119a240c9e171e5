"""DINOv2 out of a local folder, tiny and with random numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from geonav.config import GeonavConfig
from geonav.errors import DatabaseError, UsageError, WeightsError
from geonav.vision.registries import DESCRIPTORS
from tests.vision.descriptors.checkpoints import picture

WIDTH, PATCH = 16, 14


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    network = Dinov2Model(
        Dinov2Config(
            hidden_size=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            mlp_ratio=2,
            image_size=70,
            patch_size=PATCH,
            initializer_range=0.3,
        )
    )
    path = tmp_path_factory.mktemp("dinov2")
    network.save_pretrained(path)
    return path


def load(folder: Path | None, **settings: Any) -> Any:
    section = {"descriptor": "dinov2", "checkpoint": folder, "image_size": 112, **settings}
    config = GeonavConfig(device="cpu", retrieval=section, weights={"offline": True})
    return DESCRIPTORS.load("dinov2").from_config(config)


def tokens_of(descriptor: Any, pixels: np.ndarray) -> np.ndarray:
    batch = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        found: np.ndarray = descriptor._tokens(descriptor.preprocess.normalised(descriptor.preprocess.resized(batch)))[
            0
        ].numpy()
    return found


def test_gem_of_the_patches(folder: Path) -> None:
    descriptor = load(folder)
    assert (descriptor.needs_training, descriptor.dim) == (False, WIDTH)
    pixels = picture(1, 96, 128)
    assert descriptor.preprocess.size_of(96, 128) == (84, 112)
    tokens = tokens_of(descriptor, pixels)
    assert tokens.shape == (6 * 8, WIDTH), "one token a patch, without the class token"
    expected = np.cbrt((tokens.astype(float) ** 3).mean(0))
    np.testing.assert_allclose(descriptor.describe(pixels), expected / np.linalg.norm(expected), atol=1e-5)
    assert descriptor.settings()["aggregation"] == "gem"


def test_vlad_learns_its_words_from_pictures(folder: Path) -> None:
    pictures = [picture(seed) for seed in range(4)]
    first, second = (load(folder, aggregation="vlad", num_clusters=3) for _ in range(2))
    assert first.needs_training
    with pytest.raises(DatabaseError, match="index global"):
        first.describe(pictures[0])
    with pytest.raises(DatabaseError, match="index global"):
        _ = first.dim
    first.train(pictures)
    second.train(pictures)
    words = first.learned()["words"]
    np.testing.assert_array_equal(words, second.learned()["words"])
    loaded = load(folder, aggregation="vlad", num_clusters=3)
    loaded.load(first.learned())
    vector = loaded.describe(pictures[2])
    assert vector.shape == (loaded.dim,) == (3 * WIDTH,)
    np.testing.assert_array_equal(vector, first.describe(pictures[2]))
    # by the definition: residuals to the nearest word, each word's sum of length one
    tokens = tokens_of(loaded, pictures[2])
    nearest = ((tokens[:, None] - words) ** 2).sum(2).argmin(1)
    sums = np.stack([(tokens[nearest == k] - words[k]).sum(0) for k in range(3)])
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    np.testing.assert_allclose(vector, sums.ravel() / np.linalg.norm(sums), atol=1e-4)
    with pytest.raises(DatabaseError, match="broken"):
        loaded.load({"words": np.zeros((3, WIDTH + 1), np.float32)})


def test_another_folder_and_unknown_names_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"dinov2-small.*offline: name a folder"):
        load(None)
    with pytest.raises(WeightsError, match=r"no folder of a network.*dinov2"):
        load(tmp_path)
    for settings, message in (
        ({"aggregation": "spoc"}, "choose one of gem, vlad"),
        ({"backbone": "vit"}, "dinov2-small"),
    ):
        with pytest.raises(UsageError, match=message):
            load(folder, **settings)
