"""Published layouts load through the registry, give vectors by their definition, and other networks are refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from geonav.config import GeonavConfig
from geonav.data.features import LocalFeatures
from geonav.errors import NetworkError, UsageError, WeightsError
from geonav.vision.descriptors import published
from geonav.vision.registries import DESCRIPTORS
from tests.vision.descriptors import checkpoints
from tests.vision.descriptors.checkpoints import WIDTH, picture

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


def load(name: str, path: Path | None = None, **settings: Any) -> Any:
    section = {"descriptor": name, "checkpoint": path, "image_size": 96, **settings}
    return DESCRIPTORS.load(name).from_config(GeonavConfig(device="cpu", retrieval=section))


LAYOUTS: dict[str, tuple[Callable[[Path], Path], dict[str, Any], int]] = {
    "dvgl gem": (checkpoints.dvgl, {}, 4 * WIDTH),
    "dvgl rmac": (lambda path: checkpoints.dvgl(path, aggregation="rmac"), {"aggregation": "rmac"}, 4 * WIDTH),
    "dvgl spoc": (lambda path: checkpoints.dvgl(path, aggregation="spoc"), {"aggregation": "spoc"}, 4 * WIDTH),
    "dvgl netvlad": (lambda path: checkpoints.dvgl(path, aggregation="netvlad", module="module."), {}, 5 * 4 * WIDTH),
    "dvgl gem fc": (
        lambda path: checkpoints.dvgl(path, backbone="resnet50", stages=4, fc=7),
        {"backbone": "resnet50conv5"},
        7,
    ),
    "dvgl netvlad fc": (
        lambda path: checkpoints.dvgl(path, backbone="resnet101", aggregation="netvlad", fc=7),
        {"backbone": "resnet101conv4"},
        7,
    ),
    "radenovic_gldv1": (lambda path: checkpoints.radenovic(path, architecture="resnet101"), {}, 32 * WIDTH),
    "radenovic_gldv2": (checkpoints.radenovic, {}, 32 * WIDTH),
    "radenovic_sfm120k": (
        lambda path: checkpoints.radenovic(path, architecture="vgg16", layer=False),
        {"backbone": "vgg16"},
        8 * WIDTH,
    ),
    "cosplace": (checkpoints.classified, {"backbone": "resnet18"}, 6),
    "eigenplaces": (lambda path: checkpoints.classified(path, backbone="resnet50"), {}, 6),
    "eigenplaces vgg16": (lambda path: checkpoints.classified(path, backbone="vgg16"), {"backbone": "VGG16"}, 6),
    "netvlad nanne": (lambda path: checkpoints.netvlad(path, layout="pytorch-NetVlad"), {}, 3 * 8 * WIDTH),
    "netvlad hloc": (lambda path: checkpoints.netvlad(path, layout="hloc", whitened=9), {}, 9),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_published_layout_gives_vectors_of_length_one(layout: str, tmp_path: Path) -> None:
    write, settings, dim = LAYOUTS[layout]
    descriptor = load(layout.split(maxsplit=1)[0], write(tmp_path / "net.pth"), **settings)
    assert descriptor.source == "pixels"
    assert descriptor.needs_training is False
    assert descriptor.dim == dim
    vector, other = descriptor.describe(picture(1)), descriptor.describe(picture(2))
    assert vector.shape == (dim,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert abs(vector @ other) < 0.99999, "two pictures, two vectors"
    np.testing.assert_array_equal(descriptor.describe(picture(1)), vector)


@pytest.mark.parametrize("layout", ["dvgl gem", "radenovic_gldv2", "cosplace", "netvlad nanne"])
def test_settings_name_the_weights_and_the_size(layout: str, tmp_path: Path) -> None:
    write, settings, _ = LAYOUTS[layout]
    name, path = layout.split(maxsplit=1)[0], write(tmp_path / "net.pth")
    first = load(name, path, **settings).settings()
    moved = Path(shutil.copy(path, tmp_path / "moved.pth"))
    assert load(name, moved, **settings).settings() == first
    assert first["descriptor"] == name
    assert len(first["weights_sha256"]) == 64
    assert first["weights_verified"] is False
    assert load(name, path, **{**settings, "image_size": 64}).settings() != first


def test_gem_before_and_after_normalisation(tmp_path: Path) -> None:
    """DVGL's own definition: backbone, channels of length one, GeM; here computed from the backbone's map by hand."""
    descriptor = load("dvgl", checkpoints.dvgl(tmp_path / "net.pth"))
    grid = seen_by(descriptor, picture(3), "backbone")
    unit = grid / np.linalg.norm(grid, axis=0)
    expected = np.mean(np.clip(unit, 1e-6, None) ** 2.5, (1, 2)) ** (1 / 2.5)
    np.testing.assert_allclose(descriptor.describe(picture(3)), expected / np.linalg.norm(expected), atol=1e-5)


def seen_by(descriptor: Any, pixels: np.ndarray, part: str) -> np.ndarray:
    """The map (C, h, w) that a part of the network gives."""
    batch = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    resized = descriptor.preprocess.resized(batch)
    with torch.inference_mode():
        found: np.ndarray = getattr(descriptor.model.network, part)(descriptor.preprocess.normalised(resized))[
            0
        ].numpy()
    return found


def test_whitening_learned_after_training_is_applied(tmp_path: Path) -> None:
    path = checkpoints.radenovic(tmp_path / "net.pth", architecture="resnet18", layer=False)
    descriptor = load("radenovic_gldv1", path)
    grid = np.clip(seen_by(descriptor, picture(3), "features"), 1e-6, None)
    pooled = np.mean(grid**2.9, (1, 2)) ** (1 / 2.9)
    learned = torch.load(path, weights_only=False)["meta"]["Lw"]["retrieval-SfM-120k"]["ss"]
    expected = learned["P"] @ (pooled / np.linalg.norm(pooled) - learned["m"][:, 0])
    np.testing.assert_allclose(descriptor.describe(picture(3)), expected / np.linalg.norm(expected), atol=1e-4)


def test_several_scales_are_averaged_by_the_power_of_gem(tmp_path: Path) -> None:
    path = checkpoints.radenovic(tmp_path / "net.pth", layer=True)
    one, several = load("radenovic_gldv1", path, backbone=None), load("radenovic_gldv1", path, multi_scale=True)
    assert several.settings() != one.settings()
    full = torch.from_numpy(picture(1, 96, 96)).permute(2, 0, 1)[None].float() / 255
    shrunk = [torch.nn.functional.interpolate(full, (s, s), mode="bilinear", antialias=True) for s in (96, 68, 48)]
    mean = np.mean([one.encode(item)[0] for item in shrunk], 0)
    np.testing.assert_allclose(several.encode(full)[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_both_netvlad_layouts_hold_the_same_network(tmp_path: Path) -> None:
    nanne = load("netvlad", checkpoints.netvlad(tmp_path / "a.pth", layout="pytorch-NetVlad"))
    hloc = load("netvlad", checkpoints.netvlad(tmp_path / "b.pth", layout="hloc"))
    batch = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(nanne.model.network(batch), hloc.model.network(batch))
    # hloc's colours run to 255 with VGG's mean taken off
    grey = hloc.preprocess.normalised(torch.full((1, 3, 1, 1), 0.5)).flatten()
    torch.testing.assert_close(grey, 127.5 - torch.tensor([123.68, 116.779, 103.939]), rtol=1e-4, atol=1e-3)


def test_hloc_whitening_meets_the_numbers_it_was_made_for(tmp_path: Path) -> None:
    """Hloc lays a vector out channel by channel; its whitening must be turned with it."""
    path = checkpoints.netvlad(tmp_path / "b.pth", layout="hloc", whitened=9)
    descriptor = load("netvlad", path)
    grid = seen_by(descriptor, picture(5), "encoder")
    state = torch.load(path, weights_only=True)
    x = (grid / np.linalg.norm(grid, axis=0)).reshape(len(grid), -1)
    logits = state["netvlad.score_proj.weight"][:, :, 0].numpy() @ x
    shares = np.exp(logits - logits.max(0)) / np.exp(logits - logits.max(0)).sum(0)
    sums = x @ shares.T - state["netvlad.centers"].numpy() * shares.sum(1)
    sums /= np.linalg.norm(sums, axis=0)
    expected = state["whiten.weight"].numpy() @ (sums.ravel() / np.linalg.norm(sums)) + state["whiten.bias"].numpy()
    np.testing.assert_allclose(descriptor.describe(picture(5)), expected / np.linalg.norm(expected), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "write", "settings", "message"),
    [
        (
            "dvgl",
            checkpoints.dvgl,
            {"backbone": "resnet50conv4"},
            r"resnet50conv4 with gem: \d+ keys missing, first \S+",
        ),
        (
            "dvgl",
            checkpoints.dvgl,
            {"backbone": "resnet18conv5"},
            r"25 keys missing, first backbone\.7\.0\.conv1\.weight",
        ),
        ("dvgl", checkpoints.dvgl, {"aggregation": "netvlad"}, r"first aggregation\.\S+; 1 keys unexpected"),
        ("cosplace", checkpoints.dvgl, {"backbone": "resnet18"}, r"keys missing, first backbone"),
        ("eigenplaces", checkpoints.classified, {}, r"resnet50 of eigenplaces: \d+ keys missing"),
        ("netvlad", checkpoints.classified, {}, r"vgg16 with netvlad: \d+ keys missing, first encoder\.0\.weight"),
        ("radenovic_gldv1", checkpoints.dvgl, {}, "layout of cnnimageretrieval-pytorch: no state_dict"),
        ("radenovic_gldv1", checkpoints.radenovic, {"backbone": "resnet101"}, "of resnet50, not of resnet101"),
        (
            "radenovic_gldv1",
            lambda path: checkpoints.radenovic(path, pooling="rmac"),
            {},
            r"1 keys unexpected, first pool\.p",
        ),
        ("radenovic_gldv1", lambda path: checkpoints.radenovic(path, regional=True), {}, "not known here"),
        (
            "radenovic_gldv1",
            lambda path: checkpoints.radenovic(path, seed=0, architecture="vgg16", whitening=False),
            {},
            "unexpected",
        ),
    ],
)
def test_another_network_is_refused_by_its_keys(
    name: str, write: Callable[[Path], Path], settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        load(name, write(tmp_path / "net.pth"), **settings)
    assert "\n" not in str(caught.value)
    assert "net.pth" in str(caught.value)


def test_a_parameter_of_another_shape_is_named(tmp_path: Path) -> None:
    state = torch.load(checkpoints.classified(tmp_path / "net.pth"), weights_only=True)
    state["aggregation.3.weight"] = torch.zeros(6, 5)
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"first aggregation\.3\.weight is \(6, 5\), not \(6, 32\)"):
        load("cosplace", tmp_path / "net.pth", backbone="resnet18")


def test_missing_running_means_are_missed(tmp_path: Path) -> None:
    state = torch.load(checkpoints.classified(tmp_path / "net.pth"), weights_only=True)
    del state["backbone.1.running_mean"]
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"1 keys missing, first backbone\.1\.running_mean"):
        load("cosplace", tmp_path / "net.pth", backbone="resnet18")


def test_what_must_be_given_is_asked_for(tmp_path: Path) -> None:
    for name in ("dvgl", "netvlad", "radenovic_gldv2"):
        with pytest.raises(UsageError, match=f"{name} has no published weights.*--checkpoint"):
            load(name)
    with pytest.raises(WeightsError, match="does not exist"):
        load("dvgl", tmp_path / "none.pth")
    with pytest.raises(UsageError, match="--aggregation mac, rmac or spoc"):
        load("dvgl", checkpoints.dvgl(tmp_path / "net.pth", aggregation="mac"))
    with pytest.raises(UsageError, match="unknown aggregation 'gme'"):
        load("dvgl", tmp_path / "net.pth", aggregation="gme")
    with pytest.raises(UsageError, match=r"no published resnet18 with --output-dim 2048: choose of resnet18: 32"):
        load("cosplace", backbone="resnet18", output_dim=2048)


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    state = torch.load(checkpoints.classified(tmp_path / "net.pth"), weights_only=True)
    state["aggregation.3.bias"][0] = torch.nan
    torch.save(state, tmp_path / "net.pth")
    descriptor = load("cosplace", tmp_path / "net.pth", backbone="resnet18")
    with pytest.raises(WeightsError, match="not finite"):
        descriptor.describe(picture(0))
    features = LocalFeatures(np.zeros((0, 2), np.float32), np.zeros(0, np.float32), np.zeros((0, 8), np.float16))
    with pytest.raises(UsageError, match="not local features"):
        descriptor.describe(features)


def config(tmp_path: Path, **weights: Any) -> GeonavConfig:
    section = {"descriptor": "eigenplaces", "backbone": "resnet18", "output_dim": 512, "image_size": 64}
    return GeonavConfig(device="cpu", cache_dir=tmp_path / "cache", retrieval=section, weights=weights)


def test_a_published_file_is_fetched_once_and_watched(tmp_path: Path, httpserver: Any, monkeypatch: Any) -> None:
    family = DESCRIPTORS.load("eigenplaces")
    content = checkpoints.classified(tmp_path / "net.pth").read_bytes()
    httpserver.expect_oneshot_request("/ResNet18_512_eigenplaces.pth").respond_with_data(content)
    monkeypatch.setattr(family, "url", httpserver.url_for("/{backbone}_{dim}_eigenplaces.pth"))
    first = family.from_config(config(tmp_path)).settings()
    assert family.from_config(config(tmp_path, offline=True)).settings() == first
    kept = tmp_path / "cache" / "weights" / "ResNet18_512_eigenplaces.pth"
    kept.write_bytes(checkpoints.classified(tmp_path / "other.pth", dim=5).read_bytes())
    with pytest.raises(WeightsError, match="not what was fetched"):
        family.from_config(config(tmp_path))


def test_a_file_that_cannot_be_fetched_says_where_to_put_it(tmp_path: Path, httpserver: Any, monkeypatch: Any) -> None:
    family = DESCRIPTORS.load("eigenplaces")
    with pytest.raises(WeightsError, match=r"missing at .*offline.*ResNet18_512_eigenplaces\.pth"):
        family.from_config(config(tmp_path, offline=True))
    monkeypatch.setattr(family, "url", NOWHERE + "/{backbone}_{dim}_eigenplaces.pth")
    with pytest.raises(NetworkError, match=r"cannot be fetched \(ConnectionError\).*--checkpoint"):
        family.from_config(config(tmp_path))
    httpserver.expect_request("/gone_512.pth").respond_with_data("", status=404)
    monkeypatch.setattr(family, "url", httpserver.url_for("/gone_{dim}.pth"))
    with pytest.raises(NetworkError, match="answered 404"):
        family.from_config(config(tmp_path))
    monkeypatch.setattr(published, "_LARGEST_BYTES", 10)
    httpserver.expect_request("/large_512.pth").respond_with_data(b"x" * 1000)
    monkeypatch.setattr(family, "url", httpserver.url_for("/large_{dim}.pth"))
    with pytest.raises(WeightsError, match="sends more than"):
        family.from_config(config(tmp_path))
    folder = tmp_path / "own"
    folder.mkdir()
    checkpoints.classified(folder / "large_512.pth")
    assert family.from_config(config(tmp_path, dir=folder)).dim == 6
