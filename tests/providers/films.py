"""Small films for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np


def write_film(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    rate_hz: int = 10,
    ticks: Sequence[int] | None = None,
    began: str | None = None,
    quality: int = 2,
) -> Path:
    """Pictures (H, W, 3) as MPEG-4; ``ticks`` are the frames' times in units of 1 / rate."""
    with av.open(str(path), "w") as container:
        if began is not None:
            container.metadata["creation_time"] = began
        stream = container.add_stream("mpeg4", rate=rate_hz, options={"qmin": str(quality), "qmax": str(quality)})
        height, width = pictures[0].shape[:2]
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts = index if ticks is None else ticks[index]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """A film without pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def greys(count: int, step: int = 8, size: tuple[int, int] = (48, 64)) -> list[np.ndarray]:
    """Pictures of one grey each, ``step`` apart: which one a frame is can be read from it."""
    return [np.full((*size, 3), step * index, np.uint8) for index in range(count)]
