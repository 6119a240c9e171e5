"""Landmark retrieval networks of Radenovic et al. (TPAMI 2018), in the layout of cnnimageretrieval-pytorch.

A file holds ``state_dict`` (``features.N...``, ``pool.p``, and ``whiten.*`` where the whitening was trained with the
rest) and ``meta``: architecture, pooling, the colours' mean and spread and, for networks without that layer, the
whitening that was learned afterwards (``Lw``, one for a single scale and one for several).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from torch import nn

from geonav.config import GeonavConfig
from geonav.errors import WeightsError
from geonav.vision.backbones.choose import checked_backbone, numbered_backbone, width_of
from geonav.vision.checkpoints import fill_exactly, load_state_dict
from geonav.vision.descriptors.pixels import SCALES, Model, MultiScale, Network, PixelDescriptor
from geonav.vision.descriptors.pooling import SHALLOW
from geonav.vision.descriptors.preprocess import Preprocess
from geonav.vision.descriptors.published import Checkpoint, Published, find_checkpoint
from geonav.vision.devices import pick_device

_HOME = "http://cmp.felk.cvut.cz/cnnimageretrieval/data/networks"
_SOURCE = "Radenovic et al. 2018, github.com/filipradenovic/cnnimageretrieval-pytorch"
_DEFAULT_BACKBONE = "resnet101"
_LONGER_SIDE_PX = 1024
# All layers but the last pooling.
_VGG_LAYERS = 30
_EPSILON = 1e-6


class _Landmarks(PixelDescriptor):
    """A picture keeps its proportions, 1024 pixels along its longer side at most."""

    # By backbone: the folder and the file under which the authors publish it.
    files: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """Load the network; ``checkpoint`` names a file of one's own, ``backbone`` one of the published.

        Raises:
            GeonavError: as :func:`geonav.vision.descriptors.published.find_checkpoint`.
            WeightsError: the file is of another network.
        """
        section = config.retrieval
        asked = checked_backbone(section.backbone, with_end=False) if section.backbone else None
        checkpoint = find_checkpoint(config, cls.name, cls._published(asked or _DEFAULT_BACKBONE))
        content = _Content.of(checkpoint, asked)
        device = pick_device(config.device)
        network = content.network().to(device)
        scales = MultiScale()
        if section.multi_scale:
            scales = MultiScale(SCALES, 1.0 if network.whiten is not None else network.power())
        preprocess = Preprocess("longer_side", _LONGER_SIDE_PX, _LONGER_SIDE_PX, mean=content.mean, std=content.std)
        finish = None if network.whiten is not None else content.whitening(device, several=section.multi_scale)
        settings = {
            "backbone": content.architecture,
            "aggregation": content.pooling,
            "whitening": "layer" if network.whiten is not None else "learned" if finish else "none",
            **checkpoint.settings(),
        }
        return cls(Model(network, preprocess.with_size(section.image_size), device, settings, scales, finish))

    @classmethod
    def _published(cls, backbone: str) -> Published | None:
        file = cls.files.get(backbone)
        return Published(file.rpartition("/")[2], f"{_HOME}/{file}", "MIT", _SOURCE) if file else None


class RadenovicGldv1(_Landmarks):
    """Trained on Google Landmarks 2018: what the seed project uses, with ResNet-101."""

    name = "radenovic_gldv1"
    files: ClassVar[Mapping[str, str]] = {
        "resnet50": "gl18/gl18-tl-resnet50-gem-w-83fdc30.pth",
        "resnet101": "gl18/gl18-tl-resnet101-gem-w-a4d43db.pth",
        "resnet152": "gl18/gl18-tl-resnet152-gem-w-21278d5.pth",
    }


class RadenovicGldv2(_Landmarks):
    """Trained on Google Landmarks v2; the authors' page has none, so a file in their layout must be given."""

    name = "radenovic_gldv2"


class RadenovicSfm120k(_Landmarks):
    """Trained on 120,000 photos of 551 structure-from-motion models."""

    name = "radenovic_sfm120k"
    files: ClassVar[Mapping[str, str]] = {
        "resnet50": "retrieval-SfM-120k/rSfM120k-tl-resnet50-gem-w-97bf910.pth",
        "resnet101": "retrieval-SfM-120k/rSfM120k-tl-resnet101-gem-w-a155e54.pth",
        "resnet152": "retrieval-SfM-120k/rSfM120k-tl-resnet152-gem-w-f39cada.pth",
        "vgg16": "retrieval-SfM-120k/retrievalSfM120k-vgg16-gem-b4dcdc6.pth",
    }


class _LandmarkNet(nn.Module):
    """Features, pooling, length one, and the trained whitening where there is one."""

    def __init__(self, features: nn.Sequential, pool: nn.Module, whiten: nn.Linear | None) -> None:
        super().__init__()
        self.features = features
        self.pool = pool
        self.whiten = whiten

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) to (B, D)."""
        rows = _unit(self.pool(self.features(batch)).flatten(1))
        return rows if self.whiten is None else _unit(self.whiten(rows))

    def power(self) -> float:
        """GeM's, by which the vectors of several scales are averaged; 1 for another pooling."""
        p = getattr(self.pool, "p", None)
        return 1.0 if p is None else float(p.detach())


class _Content:
    """A checkpoint's contents, checked."""

    def __init__(self, state: Mapping[str, Any], meta: Mapping[str, Any], checkpoint: Checkpoint) -> None:
        self.state, self.meta, self.checkpoint = state, meta, checkpoint
        self.architecture = str(meta["architecture"])
        self.pooling = str(meta["pooling"])
        self.mean, self.std = (_three(meta[key]) for key in ("mean", "std"))

    @classmethod
    def of(cls, checkpoint: Checkpoint, backbone: str | None) -> Self:
        """Read and check a file; ``backbone`` is what the user asked for.

        Raises:
            WeightsError: it is not in this layout, or of another backbone, or of a kind not known here.
        """
        path = checkpoint.path
        found = load_state_dict(path)
        lacking = [key for key in ("state_dict", "meta") if not isinstance(found.get(key), dict)]
        lacking = lacking or [
            f"meta.{key}" for key in ("architecture", "pooling", "mean", "std") if key not in found["meta"]
        ]
        if lacking:
            msg = (
                f"weights {path} are not in the layout of cnnimageretrieval-pytorch: no {lacking[0]}; see --descriptor"
            )
            raise WeightsError(msg)
        content = cls(found["state_dict"], found["meta"], checkpoint)
        if backbone is not None and backbone != content.architecture:
            msg = f"weights {path} are of {content.architecture}, not of {backbone}: leave --backbone out"
            raise WeightsError(msg)
        if content.meta.get("regional") or content.meta.get("local_whitening") or content.pooling not in SHALLOW:
            msg = f"weights {path} pool in a way not known here ({content.pooling}, regional or locally whitened)"
            raise WeightsError(msg)
        checked_backbone(content.architecture, with_end=False)
        return content

    def network(self) -> _LandmarkNet:
        """The network, filled."""
        width = width_of(self.state, "features.")
        backbone = numbered_backbone(self.architecture, width=width, vgg_layers=_VGG_LAYERS)
        whiten = nn.Linear(backbone.channels, backbone.channels) if self.meta.get("whitening") else None
        network = _LandmarkNet(backbone.network, SHALLOW[self.pooling](), whiten)
        fill_exactly(network, self.state, self.checkpoint.path, f"{self.architecture} with {self.pooling}")
        return network

    def whitening(self, device: torch.device, *, several: bool) -> Network | None:
        """The whitening learned after training, (v - m) P^T, for one scale or ``several``; None where there is none."""
        learned = self.meta.get("Lw")
        if not learned:
            return None
        dataset = "retrieval-SfM-120k" if "retrieval-SfM-120k" in learned else sorted(learned)[0]
        arrays = learned[dataset]["ms" if several else "ss"]
        mean, matrix = (torch.from_numpy(np.asarray(arrays[key], np.float32)).to(device) for key in ("m", "P"))
        return lambda rows: (_unit(rows) - mean.reshape(1, -1)) @ matrix.T


def _three(values: Any) -> tuple[float, float, float]:  # noqa: ANN401 - a list, an array or a tensor
    numbers = tuple(float(value) for value in values)
    return cast("tuple[float, float, float]", numbers)


def _unit(rows: torch.Tensor) -> torch.Tensor:
    unit: torch.Tensor = rows / (rows.norm(dim=1, keepdim=True) + _EPSILON)
    return unit
