"""The frames of a sequence in the order of their times: a folder of photos, or a video."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from geonav.data.files import atomic_write_bytes
from geonav.data.images import encode_jpeg, read_exif
from geonav.errors import InputError

DEFAULT_VIDEO_RATE_HZ = 2.0


@dataclass(frozen=True)
class TimedPhoto:
    """One frame as a file.

    Attributes:
        name: what to call it.
        path: the picture; of a video it exists only until the next frame is asked for.
        time_s: seconds since the first photo, or of the video.
        captured_at: ISO 8601, or None where it is not known.
    """

    name: str
    path: Path
    time_s: float
    captured_at: str | None = None


@dataclass(frozen=True)
class FrameSource:
    """Frames in order, and about how many."""

    frames: Iterator[TimedPhoto]
    count: int


def open_sequence(path: Path, rate_hz: float | None = None) -> FrameSource:
    """The frames of a folder or a video.

    Args:
        path: a folder of photos, in the order of their EXIF times; or a video.
        rate_hz: of a video, how many frames a second to take; of a folder, how many photos a second were taken, in
            the order of their names, whatever EXIF says.

    Raises:
        InputError: nothing there, photos without times or two with the same, not a video or one without frames.
        MissingError: a video, and PyAV is not installed.
    """
    if path.is_dir():
        photos = folder_frames(path, rate_hz)
        return FrameSource(iter(photos), len(photos))
    if not path.is_file():
        msg = f"there is no {path}: name a folder of photos or a video"
        raise InputError(msg)
    from geonav.providers.video import num_frames

    rate = rate_hz or DEFAULT_VIDEO_RATE_HZ
    return FrameSource(_video_photos(path, rate), num_frames(path, rate))


def folder_frames(folder: Path, rate_hz: float | None = None) -> list[TimedPhoto]:
    """The photos of a folder with their times; see :func:`open_sequence`.

    Raises:
        InputError: no photo there, photos without times, or two with the same.
    """
    from geonav.providers.folder import find_photos

    # Folders inside are not the sequence: --write-exif leaves its copies in one.
    paths = [path for name, path in find_photos(folder) if "/" not in name]
    if not paths:
        msg = f"{folder} holds pictures in folders only: name one of those"
        raise InputError(msg)
    if rate_hz is not None:
        return [TimedPhoto(str(path), path, index / rate_hz) for index, path in enumerate(paths)]
    written = [read_exif(path).captured_at for path in paths]
    lacking = [path.name for path, text in zip(paths, written, strict=True) if text is None]
    if lacking:
        msg = (
            f"{len(lacking)} of {len(paths)} photos in {folder} do not say when they were taken ({lacking[0]}): give "
            "--frame-rate, how many were taken a second in the order of their names"
        )
        raise InputError(msg)
    moments = _moments(folder, [text for text in written if text is not None])
    order = sorted(range(len(paths)), key=lambda index: moments[index])
    for first, second in itertools.pairwise(order):
        if moments[first] == moments[second]:
            msg = (
                f"{paths[first].name} and {paths[second].name} in {folder} were both taken at {written[first]}: give "
                "--frame-rate, how many were taken a second in the order of their names"
            )
            raise InputError(msg)
    start = moments[order[0]]
    return [TimedPhoto(str(paths[i]), paths[i], (moments[i] - start).total_seconds(), written[i]) for i in order]


def _moments(folder: Path, written: Sequence[str]) -> list[datetime]:
    moments = [datetime.fromisoformat(text) for text in written]
    if len({moment.tzinfo is None for moment in moments}) > 1:
        msg = f"some photos in {folder} say their offset from UTC and some do not: give --frame-rate"
        raise InputError(msg)
    return moments


def _video_photos(path: Path, rate_hz: float) -> Iterator[TimedPhoto]:
    from geonav.providers.video import video_frames

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "frame.jpg"
        for frame in video_frames(path, rate_hz):
            atomic_write_bytes(file, encode_jpeg(frame.pixels))
            yield TimedPhoto(f"{path}#t={frame.time_s:.3f}", file, frame.time_s, frame.captured_at)
