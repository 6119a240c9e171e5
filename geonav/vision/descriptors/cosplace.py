"""CosPlace (Berton et al., CVPR 2022): place recognition learned as classification on San Francisco."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from geonav.vision.descriptors.classified import ClassifiedDescriptor

_SMALL = (32, 64, 128, 256, 512)
_ALL = (*_SMALL, 1024, 2048)


class CosPlaceDescriptor(ClassifiedDescriptor):
    """ResNet-50 with 512 numbers unless asked otherwise."""

    name = "cosplace"
    dims: ClassVar[Mapping[str, Sequence[int]]] = {
        "resnet18": _SMALL,
        "resnet50": _ALL,
        "resnet101": _ALL,
        "resnet152": _ALL,
        "vgg16": _SMALL[1:],
    }
    url = "https://github.com/gmberton/CosPlace/releases/download/v1.0/{backbone}_{dim}_cosplace.pth"
    origin = "CosPlace, Berton et al. 2022, github.com/gmberton/CosPlace"
