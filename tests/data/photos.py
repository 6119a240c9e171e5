"""Small pictures with EXIF of one's choice, for tests."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

EXIF_IFD, GPS_IFD = 0x8769, 0x8825
Tags = dict[int, Any]


def pixels(size: tuple[int, int] = (96, 64), seed: int = 0) -> np.ndarray:
    """Smooth coloured noise (H, W, 3): survives JPEG, and no two seeds look alike."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))


def exif(main: Tags | None = None, camera: Tags | None = None, gps: Tags | None = None) -> Image.Exif:
    """EXIF with the given tags in its three directories."""
    made = Image.Exif()
    for tag, value in (main or {}).items():
        made[tag] = value
    for ifd, tags in ((EXIF_IFD, camera), (GPS_IFD, gps)):
        for tag, value in (tags or {}).items():
            made.get_ifd(ifd)[tag] = value
    return made


def rational(value: float) -> IFDRational:
    """A rational with six decimals."""
    return IFDRational(round(value * 1_000_000), 1_000_000)


def gps(lat: float, lng: float, alt: float | None = None, heading: float | None = None, **other: Any) -> Tags:
    """GPS tags of a position in degrees; ``alt_ref``, ``heading_ref`` and ``error`` may be given."""
    tags: Tags = {
        1: "N" if lat >= 0 else "S",
        2: (rational(int(abs(lat))), rational(int(abs(lat) * 60 % 60)), rational(abs(lat) * 3600 % 60)),
        3: "E" if lng >= 0 else "W",
        4: (rational(int(abs(lng))), rational(int(abs(lng) * 60 % 60)), rational(abs(lng) * 3600 % 60)),
    }
    if alt is not None:
        tags |= {5: bytes([other.get("alt_ref", 0)]), 6: rational(abs(alt))}
    if heading is not None:
        tags |= {16: other.get("heading_ref", "T"), 17: rational(heading)}
    if "error" in other:
        tags[31] = rational(other["error"])
    return tags


def jpeg(size: tuple[int, int] = (96, 64), seed: int = 0, tags: Image.Exif | None = None) -> bytes:
    """The bytes of a JPEG."""
    buffer = io.BytesIO()
    options = {} if tags is None else {"exif": tags}
    Image.fromarray(pixels(size, seed)).save(buffer, "JPEG", quality=92, **options)
    return buffer.getvalue()


def write_jpeg(path: Path, size: tuple[int, int] = (96, 64), seed: int = 0, tags: Image.Exif | None = None) -> Path:
    """Write a JPEG and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg(size, seed, tags))
    return path
