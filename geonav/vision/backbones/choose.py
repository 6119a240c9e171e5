"""A backbone by its name, in the layout that checkpoints of place recognition have: layers numbered, not named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

from torch import nn

from geonav.errors import UsageError
from geonav.vision.backbones import resnet, vgg

VGG16 = "vgg16"


@dataclass(frozen=True)
class Backbone:
    """A network that turns (B, 3, H, W) into a map of ``channels`` (B, C, h, w), its layers numbered from 0."""

    network: nn.Sequential
    channels: int


def backbone_names(*, with_end: bool) -> list[str]:
    """The names :func:`numbered_backbone` knows; ``with_end`` those that say where to cut, as in ``resnet18conv4``."""
    ends = ("conv4", "conv5") if with_end else ("",)
    return [f"{name}{end}" for name in resnet.PLANS for end in ends] + [VGG16]


def checked_backbone(name: str, *, with_end: bool) -> str:
    """Return ``name`` in lower case if there is such a backbone.

    Raises:
        UsageError: there is none; the message gives the nearest.
    """
    wanted, known = name.lower(), backbone_names(with_end=with_end)
    if wanted not in known:
        near = get_close_matches(wanted, known, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        msg = f"unknown backbone '{name}': {hint}choose one of {', '.join(known)}"
        raise UsageError(msg)
    return wanted


def numbered_backbone(name: str, *, width: int = 64, vgg_layers: int = 29) -> Backbone:
    """The backbone called ``resnet18``, ``resnet50conv4``, ``vgg16`` and so on; without an end it goes to conv5."""
    if name == VGG16:
        return Backbone(vgg.vgg16(width=width, num_layers=vgg_layers), vgg.channels_of(width=width))
    match = re.fullmatch(r"(resnet\d+)(conv[45])?", name)
    if match is None:
        msg = f"unknown backbone '{name}': choose one of {', '.join(backbone_names(with_end=False))}"
        raise UsageError(msg)
    end = cast("resnet.End", match[2] or "conv5")
    layers = resnet.resnet(match[1], width=width, end=end).children()
    return Backbone(nn.Sequential(*layers), resnet.channels_of(match[1], width=width, end=end))


def width_of(state: Mapping[str, Any], prefix: str) -> int:
    """The channels behind the first convolution of a numbered backbone in ``state``; 64 where it has none."""
    first = state.get(f"{prefix}0.weight")
    return int(first.shape[0]) if first is not None and getattr(first, "ndim", 0) == 4 else 64
