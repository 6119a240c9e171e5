"""EigenPlaces (Berton et al., ICCV 2023): CosPlace with classes seen from several sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from geonav.vision.descriptors.classified import ClassifiedDescriptor

_LARGE = (128, 256, 512, 1024, 2048)


class EigenPlacesDescriptor(ClassifiedDescriptor):
    """ResNet-50 with 512 numbers unless asked otherwise."""

    name = "eigenplaces"
    dims: ClassVar[Mapping[str, Sequence[int]]] = {
        "resnet18": (256, 512),
        "resnet50": _LARGE,
        "resnet101": _LARGE,
        "vgg16": (512,),
    }
    url = "https://github.com/gmberton/EigenPlaces/releases/download/v1.0/{backbone}_{dim}_eigenplaces.pth"
    origin = "EigenPlaces, Berton et al. 2023, github.com/gmberton/EigenPlaces"
