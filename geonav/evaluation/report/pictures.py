"""Pictures for a page that must stay small: however many there are, together they keep within a budget."""

from __future__ import annotations

import base64
import io
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geonav.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

# Bytes of a JPEG file of quality 80 per square of its longer side, of street photos.
_BYTES_PER_SQUARE = 0.16
# What is tried, most wanted first: share of the longer side, quality.
_TRIED = ((1.0, 80), (1.0, 60), (0.75, 55), (0.5, 50), (0.35, 40))
_ORIENTATION = 0x0112
# EXIF orientations from here on lie on their side.
_FIRST_SIDEWAYS = 5


@dataclass(frozen=True)
class Picture:
    """A photo on a page.

    Attributes:
        src: its JPEG file as base64; None where there is no photo, or no room for it.
        w: width in full, pixels, upright.
        h: height in full.
    """

    src: str | None
    w: int
    h: int


@dataclass(frozen=True)
class Wanted:
    """A photo to be shown.

    Attributes:
        path: of its file.
        size: width and height to assume where the file cannot be read.
    """

    path: Path
    size: tuple[int, int] = (4, 3)


def pictures(wanted: Sequence[Wanted], budget_bytes: int, sides_px: tuple[int, int]) -> list[Picture]:
    """Each photo, as large as the budget lets all of them be.

    Args:
        wanted: what to show.
        budget_bytes: all pictures together, as text.
        sides_px: smallest and largest longer side that is of use.
    """
    if not wanted:
        return []
    most = budget_bytes // len(wanted) * 3 // 4  # base64 makes four letters of three bytes
    side = int(np.clip((most / _BYTES_PER_SQUARE) ** 0.5, *sides_px))
    with warnings.catch_warnings(), ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")  # of large pictures and odd metadata: whoever located them has spoken
        # Pillow decodes without holding the interpreter; few formats need more than it.
        found = list(pool.map(lambda one: _quickly(one, side, most), wanted))
    return [
        picture or _thoroughly(one, side, most) or Picture(None, *one.size)
        for picture, one in zip(found, wanted, strict=True)
    ]


def _quickly(wanted: Wanted, side: int, most: int) -> Picture | None:
    """The picture of a JPEG, PNG or another file that Pillow opens by itself."""
    import PIL.Image
    from PIL import ImageOps

    try:
        with PIL.Image.open(wanted.path) as photo:
            if photo.mode.startswith(("I", "F")):
                return None  # more than eight bits, which Pillow would cut off
            sideways = photo.getexif().get(_ORIENTATION, 1) >= _FIRST_SIDEWAYS
            size = photo.size[::-1] if sideways else photo.size
            photo.draft("RGB", (side, side))
            upright = ImageOps.exif_transpose(photo).convert("RGB")
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
        return None
    return _shrunk(upright, size, side, most)


def _thoroughly(wanted: Wanted, side: int, most: int) -> Picture | None:
    """The picture as it is read to be located."""
    import PIL.Image

    from geonav.data.images import read_image

    try:
        pixels = read_image(wanted.path).pixels
    except ImageError:
        return None
    return _shrunk(PIL.Image.fromarray(pixels), (pixels.shape[1], pixels.shape[0]), side, most)


def _shrunk(upright: Image, size: tuple[int, int], side: int, most: int) -> Picture:
    for share, quality in _TRIED:
        upright.thumbnail((max(1, int(side * share)),) * 2)
        buffer = io.BytesIO()
        upright.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= most:
            return Picture(base64.b64encode(buffer.getvalue()).decode(), *size)
    return Picture(None, *size)
