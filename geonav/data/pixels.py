"""A decoded picture made 8-bit RGB and upright."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.Image import Image, Transpose


def eight_bit(image: Image) -> Image:
    """The same picture with 8 bits a channel; 16-bit grey is scaled, where Pillow would clip it."""
    if not image.mode.startswith(("I", "F")):
        return image
    values: NDArray[Any] = np.asarray(image).astype(np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    top = float(values.max(initial=0.0))
    if image.mode.startswith("I"):
        scale = 65535.0 if top > 255.0 or image.mode != "I" else 255.0
    else:
        scale = 1.0 if top <= 1.0 else 255.0 if top <= 255.0 else 65535.0
    grey = np.clip(values / max(scale, top) * 255.0, 0.0, 255.0).round().astype(np.uint8)
    return PIL.Image.fromarray(grey)


def as_rgb(image: Image) -> Image:
    """The picture as 8-bit RGB; what is transparent becomes mid-grey, so that nothing is found there."""
    image = eight_bit(image)
    if image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info:
        rgba = image.convert("RGBA")
        backdrop = PIL.Image.new("RGBA", rgba.size, (128, 128, 128, 255))
        return PIL.Image.alpha_composite(backdrop, rgba).convert("RGB")
    return image.convert("RGB")


def upright(image: Image, orientation: int) -> Image:
    """The picture turned and mirrored as EXIF's orientation says."""
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image
