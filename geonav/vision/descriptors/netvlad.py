"""NetVLAD (Arandjelovic et al., CVPR 2016) on VGG-16.

Two published layouts of the same network load. That of pytorch-NetVlad, ``state_dict`` with ``encoder.N...``,
``pool.conv.weight`` and ``pool.centroids``, ``module.`` in between where it was trained on several GPUs; its pictures
are normalised as ImageNet's. And that of hloc, the authors' own Matlab weights: ``backbone.N...``,
``netvlad.score_proj.weight``, ``netvlad.centers`` and the whitening ``whiten.*``; its colours run to 255 and lose VGG's
mean. Neither project publishes a checkpoint that torch alone can read without a conversion, so a file must be given.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import nn

from geonav.config import GeonavConfig
from geonav.errors import WeightsError
from geonav.vision.backbones.choose import numbered_backbone, width_of
from geonav.vision.checkpoints import fill_exactly, load_state_dict
from geonav.vision.descriptors.pixels import Model, PixelDescriptor
from geonav.vision.descriptors.pooling import L2Norm, NetVLAD
from geonav.vision.descriptors.preprocess import Preprocess
from geonav.vision.descriptors.published import Checkpoint, find_checkpoint
from geonav.vision.devices import pick_device

_VGG16 = "vgg16"
# Red, green and blue of the pictures VGG was trained on, in [0, 1], and the step its colours are counted in.
_VGG_MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)
_VGG_STD = (1 / 255, 1 / 255, 1 / 255)
_LONGER_SIDE_PX = 640
_RENAMED = {"backbone.": "encoder.", "netvlad.score_proj.": "pool.conv.", "netvlad.centers": "pool.centroids"}


class NetVladDescriptor(PixelDescriptor):
    """Pictures keep their proportions, 640 pixels along the longer side at most."""

    name = "netvlad"

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """Load ``checkpoint``, of either layout.

        Raises:
            UsageError: no checkpoint is given.
            WeightsError: the file is of another network.
        """
        checkpoint = find_checkpoint(config, cls.name, None)
        found = load_state_dict(checkpoint.path)
        state = found.get("state_dict", found)
        if not isinstance(state, dict):
            msg = f"weights {checkpoint.path} hold no state_dict: give a checkpoint of pytorch-NetVlad or of hloc"
            raise WeightsError(msg)
        is_hloc = any(key.startswith("netvlad.") for key in state)
        state = _from_hloc(state) if is_hloc else {key.replace("module.", ""): item for key, item in state.items()}
        network = _filled(state, checkpoint)
        device = pick_device(config.device)
        preprocess = Preprocess("longer_side", _LONGER_SIDE_PX, _LONGER_SIDE_PX)
        if is_hloc:
            preprocess = Preprocess("longer_side", _LONGER_SIDE_PX, _LONGER_SIDE_PX, mean=_VGG_MEAN, std=_VGG_STD)
        settings = {"backbone": _VGG16, "layout": "hloc" if is_hloc else "pytorch-NetVlad", **checkpoint.settings()}
        size = config.retrieval.image_size
        return cls(Model(network.to(device), preprocess.with_size(size), device, settings))


def _filled(state: Mapping[str, Any], checkpoint: Checkpoint) -> nn.Sequential:
    body = numbered_backbone(_VGG16, width=width_of(state, "encoder."))
    centres = state.get("pool.centroids")
    clusters = 64 if centres is None else len(centres)
    pool = NetVLAD(clusters, body.channels, bias="pool.conv.bias" in state)
    parts: OrderedDict[str, nn.Module] = OrderedDict(encoder=body.network, pool=pool)
    whiten = state.get("whiten.weight")
    if whiten is not None:
        parts["whiten"] = nn.Linear(clusters * body.channels, len(whiten))
        parts["norm"] = L2Norm()
    network = nn.Sequential(parts)
    fill_exactly(network, state, checkpoint.path, f"{_VGG16} with netvlad")
    return network


def _from_hloc(state: Mapping[str, Any]) -> dict[str, Any]:
    """Hloc's keys and axes as pytorch-NetVlad has them; its vector runs over channels first, then centres."""
    renamed: dict[str, Any] = {}
    for key, item in state.items():
        old = next((prefix for prefix in _RENAMED if key.startswith(prefix)), "")
        renamed[_RENAMED.get(old, "") + key.removeprefix(old)] = item
    if "pool.conv.weight" in renamed:
        renamed["pool.conv.weight"] = renamed["pool.conv.weight"][..., None]
    if "pool.centroids" in renamed:
        renamed["pool.centroids"] = renamed["pool.centroids"].T.contiguous()
    if "whiten.weight" in renamed and "pool.centroids" in renamed:
        renamed["whiten.weight"] = _centres_first(renamed["whiten.weight"], renamed["pool.centroids"].shape)
    return renamed


def _centres_first(weight: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """A whitening (D', C * K) for vectors (K * C)."""
    clusters, channels = shape
    if weight.shape[1] != clusters * channels:
        return weight  # refused with its shape when the network is filled
    return weight.reshape(-1, channels, clusters).transpose(1, 2).reshape(len(weight), -1)
