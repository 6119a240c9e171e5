"""BoQ (Ali-bey et al., CVPR 2024): learned queries that ask a map of features."""

from __future__ import annotations

from typing import ClassVar

from geonav.vision.descriptors.hub import HubDescriptor, Variants


class BoqDescriptor(HubDescriptor):
    """DINOv2 with 12,288 numbers, or ResNet-50 with 16,384."""

    name = "boq"
    repository = "amaralibey/Bag-of-Queries"
    entry = "get_trained_boq"
    licence = "MIT"
    variants: ClassVar[Variants] = {
        "dinov2": ({"backbone_name": "dinov2", "output_dim": 12288}, 322),
        "resnet50": ({"backbone_name": "resnet50", "output_dim": 16384}, 384),
    }
