"""What Google's image service answers where it has no image and was not asked for an error."""

from __future__ import annotations

import io
from functools import lru_cache

GREY = (228, 227, 223)
_INK = (150, 149, 146)


@lru_cache(maxsize=8)
def no_imagery(width: int, height: int) -> bytes:
    """A JPEG: plain grey but for a line of small print where there is room for one."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (width, height), GREY)
    words = "Sorry, we have no imagery here."
    pen = ImageDraw.Draw(picture)
    left, top, right, bottom = pen.textbbox((0, 0), words)
    if right - left < 0.6 * width:
        pen.text(((width - right + left) / 2, (height - bottom + top) / 2), words, fill=_INK)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return stream.getvalue()
