"""SALAD (Izquierdo and Civera, CVPR 2024): optimal transport between DINOv2's patches and clusters; 8,448 numbers."""

from __future__ import annotations

from typing import ClassVar

from geonav.vision.descriptors.hub import HubDescriptor, Variants


class SaladDescriptor(HubDescriptor):
    """Its code is under the GPL, which asks something of programs that are passed on with it."""

    name = "salad"
    repository = "serizba/salad"
    entry = "dinov2_salad"
    licence = "GPL-3.0"
    is_permissive = False
    variants: ClassVar[Variants] = {"dinov2": ({}, 322)}
