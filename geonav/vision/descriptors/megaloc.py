"""MegaLoc (Berton and Masone, CVPRW 2025): one network for places, landmarks and indoors; 8,448 numbers."""

from __future__ import annotations

from typing import ClassVar

from geonav.vision.descriptors.hub import HubDescriptor, Variants


class MegaLocDescriptor(HubDescriptor):
    """DINOv2 with a SALAD head, pictures of 322 x 322."""

    name = "megaloc"
    repository = "gmberton/MegaLoc"
    entry = "get_trained_model"
    licence = "MIT"
    variants: ClassVar[Variants] = {"dinov2": ({}, 322)}
