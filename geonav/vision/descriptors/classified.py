"""What CosPlace and EigenPlaces share: a ResNet or VGG-16, GeM over normalised features and a fully connected layer.

Their files are bare state dicts: ``backbone.N...``, ``aggregation.1.p``, ``aggregation.3.weight`` and ``.bias``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from torch import nn

from geonav.config import GeonavConfig
from geonav.errors import UsageError
from geonav.vision.backbones.choose import checked_backbone, numbered_backbone, width_of
from geonav.vision.checkpoints import fill_exactly, load_state_dict, without_prefix
from geonav.vision.descriptors.pixels import SCALES, Model, MultiScale, PixelDescriptor
from geonav.vision.descriptors.pooling import Flatten, GeM, L2Norm
from geonav.vision.descriptors.preprocess import Preprocess
from geonav.vision.descriptors.published import Published, find_checkpoint
from geonav.vision.devices import pick_device

_PUBLISHED_NAMES = {
    "resnet18": "ResNet18",
    "resnet50": "ResNet50",
    "resnet101": "ResNet101",
    "resnet152": "ResNet152",
    "vgg16": "VGG16",
}
_DEFAULT_BACKBONE = "resnet50"
_DEFAULT_DIM = 512


class ClassifiedDescriptor(PixelDescriptor):
    """Pictures keep their proportions, 512 pixels along the shorter side."""

    # By backbone: the lengths of vectors that are published.
    dims: ClassVar[Mapping[str, Sequence[int]]]
    # The file's address, with {backbone} and {dim} to be filled in.
    url: str
    origin: str

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """Load the published network of ``backbone`` and ``output_dim``, or ``checkpoint``.

        Raises:
            UsageError: none such is published.
            GeonavError: as :func:`geonav.vision.descriptors.published.find_checkpoint`.
            WeightsError: the file is of another network.
        """
        section = config.retrieval
        backbone = checked_backbone(section.backbone or _DEFAULT_BACKBONE, with_end=False)
        own = section.checkpoint is not None
        published = None if own else cls._published(backbone, section.output_dim or _DEFAULT_DIM)
        checkpoint = find_checkpoint(config, cls.name, published)
        state = without_prefix(load_state_dict(checkpoint.path), "module.")
        network = _build(backbone, state)
        fill_exactly(network, state, checkpoint.path, f"{backbone} of {cls.name}")
        dim = len(state["aggregation.3.weight"])
        device = pick_device(config.device)
        preprocess = Preprocess("shorter_side", 512, 512).with_size(section.image_size)
        scales = MultiScale(SCALES) if section.multi_scale else MultiScale()
        settings = {"backbone": backbone, "output_dim": dim, **checkpoint.settings()}
        return cls(Model(network.to(device), preprocess, device, settings, scales, dim=dim))

    @classmethod
    def _published(cls, backbone: str, dim: int) -> Published:
        known = cls.dims.get(backbone, ())
        if dim not in known:
            have = "; ".join(f"{name}: {', '.join(map(str, lengths))}" for name, lengths in cls.dims.items())
            msg = f"{cls.name} has no published {backbone} with --output-dim {dim}: choose of {have}"
            raise UsageError(msg)
        url = cls.url.format(backbone=_PUBLISHED_NAMES[backbone], dim=dim)
        return Published(url.rpartition("/")[2], url, "MIT", cls.origin)


def _build(backbone: str, state: Mapping[str, Any]) -> nn.Sequential:
    body = numbered_backbone(backbone, width=width_of(state, "backbone."))
    layer = state.get("aggregation.3.weight")
    dim = _DEFAULT_DIM if layer is None else len(layer)
    head = nn.Sequential(L2Norm(), GeM(), Flatten(), nn.Linear(body.channels, dim), L2Norm())
    return nn.Sequential(OrderedDict(backbone=body.network, aggregation=head))
