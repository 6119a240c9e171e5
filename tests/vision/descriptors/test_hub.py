"""Networks behind torch.hub: from the cache, from a clone, and in one line where neither is there."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch

from geonav.config import GeonavConfig
from geonav.errors import NetworkError, UsageError, WeightsError
from geonav.vision.registries import DESCRIPTORS
from tests.vision.descriptors.checkpoints import picture

# What a repository's hubconf.py looks like, with a network of one layer; BoQ's gives attention maps too.
HUBCONF = """
dependencies = ['torch']
import torch

class Net(torch.nn.Module):
    def __init__(self, several):
        super().__init__()
        self.several = several
        torch.manual_seed(3)
        self.layer = torch.nn.Conv2d(3, 10, 14, 14)

    def forward(self, x):
        found = self.layer(x).mean((2, 3))
        return (found, [None]) if self.several else found

def get_trained_model():
    print('Returning a model')
    return Net(False)

def dinov2_salad():
    return Net(False)

def get_trained_boq(backbone_name, output_dim):
    assert (backbone_name, output_dim) in [('dinov2', 12288), ('resnet50', 16384)]
    return Net(True)
"""
REPOSITORIES = {"megaloc": "gmberton_MegaLoc", "salad": "serizba_salad", "boq": "amaralibey_Bag-of-Queries"}


def config(name: str, *, accepted: tuple[str, ...] = (), offline: bool = True, **settings: Any) -> GeonavConfig:
    weights = {"offline": offline, "accepted_licences": accepted}
    section = {"descriptor": name, "image_size": 56, **settings}
    return GeonavConfig(device="cpu", retrieval=section, weights=weights)


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty TORCH_HOME; the folder in it that torch.hub keeps repositories in."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    return tmp_path / "torch" / "hub"


def put(folder: Path, content: str = HUBCONF) -> Path:
    folder.mkdir(parents=True)
    (folder / "hubconf.py").write_text(content)
    return folder


@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_repository_in_the_cache_is_used_offline(
    name: str, hub: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    put(hub / f"{REPOSITORIES[name]}_main")
    with caplog.at_level(logging.WARNING, "geonav"):
        descriptor = DESCRIPTORS.load(name).from_config(config(name, accepted=("GPL-3.0",)))
    vector = descriptor.describe(picture(1))
    assert vector.shape == (descriptor.dim,) == (10,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert descriptor.settings()["input_px"] == [56, 56]
    assert len(descriptor.settings()["state_sha256"]) == 64
    assert capsys.readouterr().out == "", "what foreign code prints is no data"
    licence = "GPL-3.0" if name == "salad" else "MIT"
    assert f"github.com/{descriptor.repository} ({licence})" in caplog.text


def test_sides_are_multiples_of_a_patch(hub: Path) -> None:
    put(hub / "gmberton_MegaLoc_main")
    descriptor = DESCRIPTORS.load("megaloc").from_config(config("megaloc", image_size=100))
    assert descriptor.preprocess.size_of(480, 640) == (98, 98)


def test_a_clone_can_be_named(tmp_path: Path) -> None:
    clone = put(tmp_path / "clone")
    descriptor = DESCRIPTORS.load("boq").from_config(config("boq", checkpoint=clone, backbone="resnet50"))
    assert descriptor.settings()["backbone"] == "resnet50"
    with pytest.raises(WeightsError, match=r"no clone of github\.com/amaralibey/Bag-of-Queries"):
        DESCRIPTORS.load("boq").from_config(config("boq", checkpoint=tmp_path))
    with pytest.raises(UsageError, match="choose one of dinov2, resnet50"):
        DESCRIPTORS.load("boq").from_config(config("boq", backbone="vgg16"))


def test_a_licence_that_asks_something_must_be_accepted(hub: Path) -> None:
    put(hub / "serizba_salad_main")
    with pytest.raises(UsageError, match=r'GPL-3\.0.*\[weights\] accepted_licences = \["GPL-3\.0"\]'):
        DESCRIPTORS.load("salad").from_config(config("salad"))


def test_failures_are_one_line(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = DESCRIPTORS.load("megaloc")
    with pytest.raises(WeightsError, match="offline: set TORCH_HOME, or clone"):
        family.from_config(config("megaloc"))
    unusual = put(
        tmp_path / "needy", "dependencies = ['a_package_nobody_has']\n" + HUBCONF.replace("dependencies", "#")
    )
    with pytest.raises(UsageError, match=r"needs packages.*a_package_nobody_has"):
        family.from_config(config("megaloc", checkpoint=unusual))
    failing = put(tmp_path / "failing", HUBCONF.replace("print('Returning a model')", "raise KeyError('weights')"))
    with pytest.raises(WeightsError, match=r"code of github\.com/gmberton/MegaLoc fails \(KeyError"):
        family.from_config(config("megaloc", checkpoint=failing))

    def unreachable(*_: Any, **__: Any) -> None:
        raise URLError(OSError("no route"))

    monkeypatch.setattr(torch.hub, "urlopen", unreachable)
    with pytest.raises(NetworkError, match=r"cannot be fetched from github\.com/gmberton/MegaLoc.*--checkpoint"):
        family.from_config(config("megaloc", offline=False))
