"""SuperPoint with SuperGlue or LightGlue, out of tiny folders with random numbers made here."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.data.metadata import ImageMetadata
from geonav.errors import UsageError, WeightsError
from geonav.pipeline.index import index_local
from geonav.pipeline.stages import load_features, load_matcher
from geonav.vision.registries import EXTRACTORS, MATCHERS
from tests.vision.conftest import Pair

DIM = 16
LICENCE = "LicenseRef-MagicLeap-NonCommercial"
NAMES = ("superglue", "superpoint_lightglue")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Published layout, a few channels."""
    import transformers

    torch.manual_seed(0)
    point = transformers.SuperPointConfig(
        encoder_hidden_sizes=[4, 4, 8, 8], decoder_hidden_size=8, descriptor_decoder_dim=DIM, initializer_range=0.4
    )
    glue = transformers.SuperGlueConfig(
        keypoint_detector_config=point,
        hidden_size=DIM,
        keypoint_encoder_sizes=[4, 8],
        gnn_layers_types=["self", "cross"],
        num_attention_heads=2,
        sinkhorn_iterations=20,
        initializer_range=0.1,
    )
    light = transformers.LightGlueConfig(
        keypoint_detector_config=point,
        descriptor_dim=DIM,
        num_hidden_layers=2,
        num_attention_heads=2,
        depth_confidence=-1.0,
        width_confidence=-1.0,
        filter_threshold=0.0,
        initializer_range=0.1,
    )
    networks = {
        "superpoint": transformers.SuperPointForKeypointDetection(point),
        "superglue": transformers.SuperGlueForKeypointMatching(glue),
        "superpoint_lightglue": transformers.LightGlueForKeypointMatching(light),
    }
    root = tmp_path_factory.mktemp("networks")
    for name, network in networks.items():
        network.save_pretrained(root / name)
    return {name: root / name for name in networks}


def config(folders: dict[str, Path], *, accepted: tuple[str, ...] = (LICENCE,), **local: Any) -> GeonavConfig:
    section = {"model": "superpoint", "max_keypoints": 60, "subpixel": False, **local}
    weights = {"paths": folders, "offline": True, "accepted_licences": accepted}
    return GeonavConfig(device="cpu", local=section, weights=weights)


@pytest.fixture(scope="module")
def features(folders: dict[str, Path], pair: Pair) -> tuple[LocalFeatures, LocalFeatures]:
    a, b = EXTRACTORS.load("superpoint").from_config(config(folders)).extract([pair.a, pair.b[:200]])
    return a, b


def test_keypoints_are_those_of_the_published_network(folders: dict[str, Path], pair: Pair) -> None:
    """Against transformers' own forward pass, away from the border, which it trims on two sides only."""
    import transformers

    extractor = EXTRACTORS.load("superpoint").from_config(config(folders, max_keypoints=100_000, nms_radius=4))
    (found,) = extractor.extract([pair.a])
    own = transformers.SuperPointForKeypointDetection.from_pretrained(folders["superpoint"]).eval()
    grey = pair.a @ np.array([0.2989, 0.587, 0.114]) / 255
    with torch.inference_mode():
        output = own(torch.from_numpy(grey).float()[None, None].expand(1, 3, -1, -1))
    height, width = grey.shape
    theirs = (output.keypoints[0] * torch.tensor([width, height])).round().numpy()
    table = {tuple(place): row for place, row in zip(theirs.tolist(), output.descriptors[0].numpy(), strict=True)}
    inner = [
        (tuple((place - 0.5).tolist()), row)
        for place, row in zip(found.keypoints, found.descriptors, strict=True)
        if (place > 12).all() and (place < np.array([width, height]) - 12).all()
    ]
    assert len(inner) > 50
    shared = [(table[place], row) for place, row in inner if place in table]
    assert len(shared) > 0.95 * len(inner)
    for expected, row in shared:
        np.testing.assert_allclose(row.astype(np.float32), expected, atol=2e-3)


def test_features_are_well_formed(folders: dict[str, Path], features: Any, pair: Pair) -> None:
    extractor = EXTRACTORS.load("superpoint").from_config(config(folders))
    for found in features:
        assert 20 < len(found) <= 60
        assert found.descriptors.shape == (len(found), DIM)
        assert (np.diff(found.scores) <= 0).all()
        np.testing.assert_allclose(np.linalg.norm(found.descriptors.astype(np.float32), axis=1), 1, atol=2e-3)
    (blank,) = extractor.extract([np.full((50, 60, 3), 90, np.uint8)])
    assert blank.descriptors.shape == (0, DIM)
    (tiny,) = extractor.extract([np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)])
    assert len(tiny) == 0
    moved = EXTRACTORS.load("superpoint").from_config(config(folders, subpixel=True)).extract([pair.a])[0]
    offsets = np.abs(moved.keypoints - features[0].keypoints)
    assert 0 < offsets.max() <= 0.5 + 1e-4
    assert extractor.settings()["model"] == "superpoint"
    assert len(extractor.settings()["weights_sha256"]) == 64


def drawn(order: list[int], size: tuple[int, int]) -> LocalFeatures:
    """Some of 60 points that lie at the same place of a picture of any size, each with its own descriptor."""
    rng = np.random.default_rng(5)
    places, scores = rng.uniform(0.1, 0.9, (60, 2)), rng.uniform(0.1, 1, 60)
    rows = rng.normal(size=(60, DIM))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    keypoints = (places[order] * size).astype(np.float32)
    return LocalFeatures(keypoints, scores[order].astype(np.float32), rows[order].astype(np.float16))


@pytest.mark.parametrize("name", NAMES)
def test_matches_are_well_formed_and_symmetric(name: str, folders: dict[str, Path]) -> None:
    matcher = MATCHERS.load(name).from_config(config(folders))
    size_a, size_b = (320, 240), (640, 480)
    order = list(range(50, 10, -1))
    a, b = drawn(list(range(60)), size_a), drawn(order, size_b)
    found = matcher.match(a, size_a, b, size_b)
    # Untrained networks still see which points have the same place and the same descriptor.
    right = [order[second] == first for first, second in found.pairs.tolist()]
    assert sum(right) > 20
    assert found.pairs.dtype == np.int32
    assert ((found.scores > 0) & (found.scores <= 1)).all()
    for column in found.pairs.T:
        assert len(set(column.tolist())) == len(found)
    back = matcher.match(b, size_b, a, size_a)
    assert {tuple(pair) for pair in back.pairs[:, ::-1].tolist()} == {tuple(pair) for pair in found.pairs.tolist()}
    # only proportions count: the same picture at half its size matches the same
    np.testing.assert_array_equal(matcher.match(a, size_a, drawn(order, size_a), size_a).pairs, found.pairs)
    nothing = LocalFeatures(b.keypoints[:0], b.scores[:0], b.descriptors[:0])
    assert len(matcher.match(a, size_a, nothing, size_b)) == len(matcher.match(nothing, size_b, a, size_a)) == 0
    wide = LocalFeatures(b.keypoints, b.scores, np.zeros((len(b), DIM + 1), np.float16))
    with pytest.raises(UsageError, match=f"descriptors of {DIM} numbers, not {DIM + 1}"):
        matcher.match(a, size_a, wide, size_b)
    assert matcher.settings()["matcher"] == name


def test_it_is_chosen_where_disk_is(folders: dict[str, Path], pair: Pair, tmp_path: Path) -> None:
    """A database indexed with it and matched with the matcher made for it, or with another that is named."""
    database = Database.create(tmp_path / "db")
    buffer = io.BytesIO()
    Image.fromarray(pair.a).save(buffer, "JPEG", quality=95)
    absent = dict.fromkeys(("lat", "lng", "alt", "azn", "fov", "K", "E"))
    database.add_entry("a", buffer.getvalue(), ImageMetadata.model_validate({"w": 320, "h": 240, **absent}))
    settings = config(folders)
    assert index_local(database, settings).computed == 1
    stored = load_features(database, settings).read("a")
    assert load_matcher(settings).settings()["matcher"] == "superglue"
    other = load_matcher(config(folders, matcher="mutual_nn"))
    assert len(other.match(stored, (320, 240), stored, (320, 240))) == len(stored)


def test_its_licence_must_be_accepted(folders: dict[str, Path]) -> None:
    for registry, names in ((EXTRACTORS, ("superpoint",)), (MATCHERS, NAMES)):
        for name in names:
            with pytest.raises(UsageError, match=rf"{name} is under {LICENCE}.*accepted_licences"):
                registry.load(name).from_config(config(folders, accepted=()))


def test_what_does_not_fit_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="superglue matches superpoint features, not those of disk"):
        MATCHERS.load("superglue").from_config(config(folders, model="disk"))
    with pytest.raises(WeightsError, match=r"superpoint .*offline: name a folder"):
        EXTRACTORS.load("superpoint").from_config(config({}))
    with pytest.raises(WeightsError, match="no folder of a network"):
        EXTRACTORS.load("superpoint").from_config(config({"superpoint": tmp_path}))
    mixed = Path(shutil.copytree(folders["superpoint"], tmp_path / "mixed"))
    shutil.copy(folders["superglue"] / "model.safetensors", mixed / "model.safetensors")
    with pytest.raises(
        WeightsError, match=r"another network than SuperPoint\w+: \d+ keys missing, first descriptor_decoder"
    ):
        EXTRACTORS.load("superpoint").from_config(config({"superpoint": mixed}))
