"""Networks trained with the deep-visual-geo-localization-benchmark (Berton et al., CVPR 2022).

A file holds ``model_state_dict`` with ``backbone.N...`` and ``aggregation...``, all behind ``module.`` where it was
trained on several GPUs. Pooling, its normalisation and an optional fully connected layer show in the keys: ``1.p`` is
GeM over normalised features, ``0.p`` GeM normalised afterwards, ``centroids`` NetVLAD, ``1.weight`` the layer. SPoC,
MAC and R-MAC leave no key and must be named; they are taken to pool normalised features, the benchmark's default.
Vectors are compared by angle here; the benchmark compares by distance those that do not have length one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from torch import nn

from geonav.config import GeonavConfig
from geonav.errors import UsageError, WeightsError
from geonav.vision.backbones.choose import checked_backbone, numbered_backbone, width_of
from geonav.vision.checkpoints import fill_exactly, load_state_dict, part_of, without_prefix
from geonav.vision.descriptors.pixels import SCALES, Model, MultiScale, PixelDescriptor
from geonav.vision.descriptors.pooling import SHALLOW, Flatten, L2Norm, NetVLAD
from geonav.vision.descriptors.preprocess import Preprocess
from geonav.vision.descriptors.published import find_checkpoint
from geonav.vision.devices import pick_device

DEFAULT_BACKBONE = "resnet18conv4"
AGGREGATIONS = (*sorted(SHALLOW), "netvlad")
_CLUSTERS = 64


class DvglDescriptor(PixelDescriptor):
    """Pictures are stretched to 640 x 480, as in the benchmark."""

    name = "dvgl"

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """Load ``checkpoint`` as a network of ``backbone`` and ``aggregation``.

        Raises:
            UsageError: no checkpoint, an unknown backbone or aggregation, or one that must be named.
            WeightsError: the file is of another network; the message names the keys.
        """
        section = config.retrieval
        backbone = checked_backbone(section.backbone or DEFAULT_BACKBONE, with_end=True)
        checkpoint = find_checkpoint(config, cls.name, None)
        state = _state(checkpoint.path)
        pooled = _aggregation(section.aggregation, part_of(state, "aggregation."), checkpoint.path)
        network = build(backbone, pooled, state)
        fill_exactly(network, state, checkpoint.path, f"{backbone} with {pooled}")
        device = pick_device(config.device)
        preprocess = Preprocess("stretch", 480, 640).with_size(section.image_size)
        scales = MultiScale(SCALES) if section.multi_scale else MultiScale()
        settings = {"backbone": backbone, "aggregation": pooled, **checkpoint.settings()}
        return cls(Model(network.to(device), preprocess, device, settings, scales))


def build(backbone: str, aggregation: str, state: Mapping[str, Any]) -> nn.Sequential:
    """The network, not filled; widths, the number of clusters and the layer's length are those of ``state``."""
    body = numbered_backbone(backbone, width=width_of(state, "backbone."))
    keys = part_of(state, "aggregation.")
    layer = keys.get("1.weight")
    inner = part_of(keys, "0.") if layer is not None else keys
    if aggregation == "netvlad":
        centres = inner.get("centroids")
        clusters = _CLUSTERS if centres is None else len(centres)
        head: nn.Module = NetVLAD(clusters, body.channels)
        dim = clusters * body.channels
    else:
        order = [SHALLOW[aggregation](), L2Norm()] if "0.p" in inner else [L2Norm(), SHALLOW[aggregation]()]
        head, dim = nn.Sequential(*order, Flatten()), body.channels
    if layer is not None:
        head = nn.Sequential(head, nn.Linear(dim, len(layer)), L2Norm())
    return nn.Sequential(OrderedDict(backbone=body.network, aggregation=head))


def _state(path: Path) -> dict[str, Any]:
    found = load_state_dict(path)
    state = found.get("model_state_dict", found)
    if not isinstance(state, dict) or not state:
        msg = f"weights {path} hold no model_state_dict: give a checkpoint of the benchmark"
        raise WeightsError(msg)
    return without_prefix(state, "module.")


def _aggregation(asked: str | None, keys: Mapping[str, Any], path: Path) -> str:
    """What was asked for, else what the keys show."""
    if asked is not None:
        if asked not in AGGREGATIONS:
            msg = f"unknown aggregation '{asked}' of dvgl: choose one of {', '.join(AGGREGATIONS)}"
            raise UsageError(msg)
        return asked
    if any(key.endswith("centroids") for key in keys):
        return "netvlad"
    if any(key.endswith(".p") for key in keys):
        return "gem"
    msg = f"{path} does not show how it pools: give --aggregation mac, rmac or spoc"
    raise UsageError(msg)
