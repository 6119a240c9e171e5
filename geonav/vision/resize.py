"""Pictures into network input, and the network's pixels back into the picture's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from geonav.vision.base import Mask, Pixels

# PIL first averages whole blocks down to this multiple of the wanted size, then filters: twice as fast on large photos,
# no visible difference.
_REDUCING_GAP = 3.0


@dataclass(frozen=True)
class Scale:
    """How a picture of ``full`` (width, height) was resized to ``small``.

    Resizing maps the picture's area onto the new area, so a point at ``x`` of the small picture, counted from its left
    edge, lies at ``x * W / w`` of the full one. Networks count pixel centres as integers, half a pixel less.
    """

    full: tuple[int, int]
    small: tuple[int, int]

    def to_full(self, centres: NDArray[np.float32]) -> NDArray[np.float32]:
        """Network pixels (N, 2), centre of the first at (0, 0), to the picture's, centre of the first at (0.5, 0.5)."""
        factor = np.asarray(self.full, np.float64) / np.asarray(self.small, np.float64)
        return ((centres.astype(np.float64) + 0.5) * factor).astype(np.float32)

    def mask_to_small(self, mask: Mask) -> Mask:
        """The value of a (H, W) mask at the centres of the small picture's pixels, (h, w)."""
        columns, rows = (
            np.floor((np.arange(small) + 0.5) * full / small).astype(np.int64)
            for full, small in zip(self.full, self.small, strict=True)
        )
        return mask[np.ix_(rows, columns)]


def fitted(width: int, height: int, max_side_px: int) -> tuple[int, int]:
    """The size that fits ``max_side_px`` with the picture's proportions; a small picture keeps its own."""
    factor = min(1.0, max_side_px / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def rounded_to(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    """The nearest size whose sides are multiples of ``multiple``, at least one each."""
    width, height = (max(1, round(side / multiple)) * multiple for side in size)
    return width, height


def resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize to (width, height), antialiased; the same size gives the same pixels."""
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    picture = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)
    return np.asarray(picture)


def padded_batch(pictures: list[Pixels], multiple: int, device: torch.device) -> torch.Tensor:
    """Stack pictures of one size to float (B, 3, H, W) in [0, 1], sides padded to multiples of ``multiple``.

    The padding repeats the last row and column at the bottom and right, so no pixel moves and no edge is made up.
    Sides are at least two multiples long: a normalisation over one cell would have nothing to normalise.
    """
    stacked = torch.from_numpy(np.stack(pictures)).to(device).permute(0, 3, 1, 2).float() / 255.0
    height, width = stacked.shape[-2:]
    right, bottom = (max(2, -(-side // multiple)) * multiple - side for side in (width, height))
    return torch.nn.functional.pad(stacked, (0, right, 0, bottom), mode="replicate")
