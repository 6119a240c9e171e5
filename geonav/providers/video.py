"""Frames of a video with their times, through PyAV (the extra ``video``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geonav.errors import InputError, MissingError

if TYPE_CHECKING:
    from types import ModuleType

    from av.container import InputContainer
    from av.video.frame import VideoFrame as DecodedFrame

# Frames come a little early or late; one that is due within this share of the step is taken.
_EARLY = 0.01


@dataclass(frozen=True)
class VideoFrame:
    """One frame.

    Attributes:
        time_s: its time in the video.
        captured_at: ISO 8601 where the video says when it began, else None.
        pixels: (H, W, 3) uint8, RGB, upright.
    """

    time_s: float
    captured_at: str | None
    pixels: NDArray[np.uint8]


def num_frames(path: Path, rate_hz: float) -> int:
    """About how many frames :func:`video_frames` will give; 0 where the video does not say how long it is.

    Raises:
        InputError: not a video that can be read.
        MissingError: PyAV is not installed.
    """
    av = _av()
    with _opened(av, path) as container:
        seconds = (container.duration or 0) / av.time_base
        native = float(container.streams.video[0].average_rate or 0)
    return int(seconds * (min(rate_hz, native) if native else rate_hz)) + 1 if seconds else 0


def video_frames(path: Path, rate_hz: float) -> Iterator[VideoFrame]:
    """Frames at most ``rate_hz`` a second, in order.

    Raises:
        InputError: not a video, one without frames, broken, or with times that do not rise.
        MissingError: PyAV is not installed.
    """
    av = _av()
    last_s, due_s = None, None
    with _opened(av, path) as container:
        began = _began(container)
        for frame in _decoded(av, container, path):
            time_s = _time_s(frame, last_s, path)
            last_s = time_s
            if due_s is not None and time_s < due_s:
                continue
            due_s = _next_due(due_s, time_s, 1.0 / rate_hz)
            captured_at = None if began is None else (began + timedelta(seconds=time_s)).isoformat()
            yield VideoFrame(time_s, captured_at, _upright(frame))
    if last_s is None:
        msg = f"{path} has no frame that can be decoded: give a video with pictures"
        raise InputError(msg)


def _av() -> ModuleType:
    try:
        import av
    except ImportError as error:
        msg = "reading a video needs PyAV: pip install 'geonav[video]', or give a folder of frames"
        raise MissingError(msg) from error
    module: ModuleType = av
    return module


def _opened(av: ModuleType, path: Path) -> InputContainer:
    try:
        container: InputContainer = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        msg = f"cannot read {path} as a video ({_words(error)}): give one that ffmpeg plays, or a folder of photos"
        raise InputError(msg) from error
    if container.format.name == "image2" or container.format.name.endswith("_pipe"):
        container.close()
        msg = f"{path} is a picture, not a video: locate it without --sequence, or name its folder"
        raise InputError(msg)
    if not container.streams.video:
        container.close()
        msg = f"{path} holds no video, only sound or text: give a video, or a folder of photos"
        raise InputError(msg)
    return container


def _decoded(av: ModuleType, container: InputContainer, path: Path) -> Iterator[DecodedFrame]:
    frames = container.decode(container.streams.video[0])
    while True:
        try:
            frame = next(frames)
        except (StopIteration, av.EOFError):
            return
        except (av.FFmpegError, OSError) as error:
            msg = f"{path} breaks off while it is decoded ({_words(error)}): repair it, or give its frames as a folder"
            raise InputError(msg) from error
        yield frame


def _words(error: Exception) -> str:
    """What FFmpeg says, without its number and the file's name."""
    return str(getattr(error, "strerror", None) or error).splitlines()[0]


def _time_s(frame: DecodedFrame, last_s: float | None, path: Path) -> float:
    if frame.pts is None:
        msg = f"{path} does not say when its frames were taken: give its frames as a folder, with --frame-rate"
        raise InputError(msg)
    time_s = float(frame.time)
    if last_s is not None and time_s <= last_s:
        msg = f"the times of {path} do not rise ({time_s:.3f} s after {last_s:.3f} s): give it with proper times"
        raise InputError(msg)
    return time_s


def _next_due(due_s: float | None, time_s: float, step_s: float) -> float:
    """The next frame's time on a grid that a late frame does not shift, unless frames are rarer than the grid."""
    slack = _EARLY * step_s
    if due_s is None or time_s >= due_s + slack + step_s:
        return time_s + step_s - slack
    return due_s + step_s


def _upright(frame: DecodedFrame) -> NDArray[np.uint8]:
    """The pixels, turned as the video's display matrix asks (a multiple of 90 degrees, counter-clockwise)."""
    pixels = frame.to_ndarray(format="rgb24")
    turned: NDArray[np.uint8] = np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90.0) % 4))
    return turned


def _began(container: InputContainer) -> datetime | None:
    """When the recording began, or None: cameras write UTC; what was never recorded has the epoch or nothing."""
    written = container.metadata.get("creation_time")
    try:
        began = None if written is None else datetime.fromisoformat(written)
    except ValueError:
        return None
    return began if began is not None and began.year > 1990 else None
