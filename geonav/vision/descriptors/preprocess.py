"""From a picture to what a network was trained to see: its size, and the mean and spread of its colours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from geonav.vision.base import Pixels

Rule = Literal["longer_side", "shorter_side", "stretch"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocess:
    """How pictures become input.

    Attributes:
        rule: ``longer_side`` shrinks a picture that is larger, ``shorter_side`` resizes any, both keep its proportions;
            ``stretch`` does not.
        height_px: the size aimed at. The rules that keep proportions look at the longer or the shorter of the two.
        width_px: likewise.
        multiple: both sides become the nearest multiple of this.
        mean: of red, green and blue in [0, 1], taken off.
        std: of the same, divided by.
    """

    rule: Rule
    height_px: int
    width_px: int
    multiple: int = 1
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def with_size(self, side_px: int | None) -> Preprocess:
        """The same for a longer side of ``side_px``, or the shorter one where the rule goes by that."""
        if side_px is None:
            return self
        old = min(self.height_px, self.width_px) if self.rule == "shorter_side" else max(self.height_px, self.width_px)
        height, width = (max(1, round(side * side_px / old)) for side in (self.height_px, self.width_px))
        return replace(self, height_px=height, width_px=width)

    @property
    def side_px(self) -> int:
        """The side that ``--image-size`` sets."""
        sides = (self.height_px, self.width_px)
        return min(sides) if self.rule == "shorter_side" else max(sides)

    def settings(self) -> dict[str, Any]:
        """All of it, for stamps."""
        return {
            "resize": self.rule,
            "input_px": [self.height_px, self.width_px],
            "multiple": self.multiple,
            "mean": list(self.mean),
            "std": list(self.std),
        }

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """The height and width that a picture of ``height`` x ``width`` is resized to."""
        if self.rule == "stretch":
            return self.rounded(self.height_px, self.width_px)
        if self.rule == "longer_side":
            factor = min(1.0, self.side_px / max(height, width))
        else:
            factor = self.side_px / min(height, width)
        return self.rounded(max(1, round(height * factor)), max(1, round(width * factor)))

    def rounded(self, height: int, width: int) -> tuple[int, int]:
        """The nearest multiples of ``multiple``, at least one each."""
        height, width = (max(1, round(side / self.multiple)) * self.multiple for side in (height, width))
        return height, width

    def resized(self, batch: torch.Tensor) -> torch.Tensor:
        """A batch (B, 3, H, W) at the model's size."""
        height, width = batch.shape[-2:]
        return resized(batch, self.size_of(height, width))

    def normalised(self, batch: torch.Tensor) -> torch.Tensor:
        """Colours in [0, 1] (B, 3, H, W) as the network knows them."""
        mean, std = (batch.new_tensor(values).view(1, 3, 1, 1) for values in (self.mean, self.std))
        return (batch - mean) / std


def as_batch(pixels: Pixels, device: torch.device) -> torch.Tensor:
    """A picture (H, W, 3) as float (1, 3, H, W) in [0, 1]."""
    copied = torch.from_numpy(np.array(pixels))
    return copied.to(device).permute(2, 0, 1)[None].float() / 255.0


def resized(batch: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """A batch at (height, width), bilinear and antialiased; the same size gives the same numbers."""
    if tuple(batch.shape[-2:]) == size:
        return batch
    return nn.functional.interpolate(batch, size, mode="bilinear", align_corners=False, antialias=True)
