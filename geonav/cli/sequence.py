"""``geonav localize --sequence``: its options, and what it prints."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geonav.cli.output import number, table_width, write_json, write_remarks, write_table
from geonav.data.track import SOLVED, TrackPoint
from geonav.errors import InputError, NotLocatedError, PartialError, UsageError

if TYPE_CHECKING:
    from geonav.data.progress import OnProgress
    from geonav.data.results import LocalizationResult
    from geonav.geometry.camera import Camera
    from geonav.pipeline.localize import Localizer

DEFAULT_MAX_SPEED_M_S = 20.0
_WIDE_TABLE = 100

SequenceOption = Annotated[
    Path | None,
    typer.Option(
        "--sequence",
        metavar="FOLDER|VIDEO",
        help="locate frames taken one after the other, with what each says of its neighbours [default: none]",
        show_default=False,
    ),
]
FrameRateOption = Annotated[
    float | None,
    typer.Option(
        "--frame-rate",
        metavar="HZ",
        min=1e-6,
        max=1000.0,
        help="frames a second taken from a video [default: 2], or at which a folder's photos were taken in the order "
        "of their names [default: their EXIF times]",
        show_default=False,
    ),
]
MaxSpeedOption = Annotated[
    float | None,
    typer.Option(
        "--max-speed",
        metavar="M/S",
        min=0.01,
        max=1000.0,
        help=f"the sequence's camera moved no faster [default: {DEFAULT_MAX_SPEED_M_S:g}]",
        show_default=False,
    ),
]
GpxOption = Annotated[
    Path | None,
    typer.Option("--gpx", metavar="PATH", help="write the sequence's track [default: none]", show_default=False),
]


@dataclass(frozen=True)
class SequenceAsked:
    """What the command line says of the sequence and where its track goes.

    Attributes:
        path: the folder or video; None where photos are to be located each by itself.
        frame_rate_hz: see the option.
        max_speed_m_s: see the option.
        gpx: a file, or None.
        geojson: a file, "-" for stdout, or None.
        as_json: JSON Lines instead of the table.
    """

    path: Path | None
    frame_rate_hz: float | None
    max_speed_m_s: float | None
    gpx: Path | None
    geojson: str | None
    as_json: bool

    def check(self, *, has_photos: bool, write_exif: bool) -> None:
        """Refuse what does not go together, before anything is loaded.

        Raises:
            UsageError: photos and a sequence, neither, or an option of the sequence without it.
            InputError: there is no such folder or video, or no folder for the GPX file.
        """
        if self.path is None:
            given = {"--frame-rate": self.frame_rate_hz, "--max-speed": self.max_speed_m_s, "--gpx": self.gpx}
            for name, value in given.items():
                if value is not None:
                    msg = f"{name} belongs to --sequence: name its folder or video there"
                    raise UsageError(msg)
            if not has_photos:
                msg = "no photo given: name photos, - to read their names from stdin, --watch FOLDER or --sequence"
                raise UsageError(msg)
            return
        if has_photos:
            msg = "photos and --sequence do not go together: put the photos into the sequence's folder"
            raise UsageError(msg)
        if not self.path.exists():
            msg = f"there is no {self.path}: name a folder of photos or a video"
            raise InputError(msg)
        if write_exif and not self.path.is_dir():
            msg = f"the frames of {self.path} are no files that take EXIF: leave out --write-exif"
            raise UsageError(msg)
        if self.gpx is not None and not self.gpx.absolute().parent.is_dir():
            msg = f"there is no folder {self.gpx.parent} for --gpx {self.gpx}: make it first"
            raise InputError(msg)


class SequenceRun:
    """Locates the frames of the sequence, then prints and writes what is known of them."""

    def __init__(self, localizer: Localizer, asked: SequenceAsked, given: tuple[Camera | None, Path | None]) -> None:
        """Start with the camera and the mask given, which all frames share."""
        from geonav.pipeline.sequence import SequenceLocator, SequenceOptions
        from geonav.pose.motion import MotionPrior

        camera, mask = given
        motion = MotionPrior(max_speed_m_s=asked.max_speed_m_s or DEFAULT_MAX_SPEED_M_S)
        self._asked = asked
        self._locator = SequenceLocator(localizer, SequenceOptions(motion, camera, mask))
        self._points: list[TrackPoint] = []

    def locate(self, on_progress: OnProgress | None) -> None:
        """Take all frames.

        Raises:
            InputError: the sequence cannot be read, or breaks off; the frames before are kept.
        """
        from geonav.pipeline.sequence import take_frames
        from geonav.pipeline.sequence_frames import open_sequence

        path = self._asked.path or Path()
        take_frames(self._locator, open_sequence(path, self._asked.frame_rate_hz), on_progress)

    def write(self, add: Callable[[LocalizationResult], None]) -> None:
        """Write what was found, and hand over each frame's result; also after an error or an interruption.

        Raises:
            StorageError: a file cannot be written.
        """
        self._points = self._locator.points()
        if self._points:
            write_track(self._points, self._asked)
        for point in self._points:
            add(point.result)

    def check(self) -> None:
        """Let the exit code say how many frames were located; an interpolated one was not.

        Raises:
            PartialError: some frames were not located.
            NotLocatedError: none was.
        """
        statuses = Counter(point.status for point in self._points)
        located, total = sum(statuses[status] for status in SOLVED), statuses.total()
        if located < total:
            kind = PartialError if located else NotLocatedError
            between = f", {statuses['interpolated']} interpolated between them" if statuses["interpolated"] else ""
            msg = f"{located} of {total} frames located{between}; each of the others says why"
            raise kind(msg)


def write_track(points: Sequence[TrackPoint], asked: SequenceAsked) -> None:
    """Print the track and write its files.

    Raises:
        StorageError: a file cannot be written.
    """
    if asked.as_json:
        for point in points:
            write_json(point)
        sys.stdout.flush()
    elif asked.geojson != "-":
        _write_table(points)
    if asked.gpx is not None:
        from geonav.formats.gpx import write_gpx

        write_gpx(asked.gpx, points, title=asked.path.name if asked.path else "geonav")
    if asked.geojson is not None:
        from geonav.formats.track_geojson import track_text, write_track_geojson

        if asked.geojson == "-":
            typer.echo(track_text(points), nl=False)
        else:
            write_track_geojson(asked.geojson, points)


def _write_table(points: Sequence[TrackPoint]) -> None:
    wide = table_width() >= _WIDE_TABLE
    columns = ["frame", ">s", "status", ">lat", ">lng", ">±m 95%", ">azimuth"] + (
        [">alt m", ">inliers"] if wide else []
    )
    write_table(columns, [_row(point, wide=wide) for point in points])
    reasons = [(Path(point.frame).name, str(point.result.reason)) for point in points if point.result.reason]
    notes = [(Path(point.frame).name, note) for point in points for note in point.result.notes]
    if reasons or notes:
        typer.echo()
    write_remarks(reasons)
    write_remarks(notes, "note, ")


def _row(point: TrackPoint, *, wide: bool) -> list[str]:
    place = point.interpolated or point.result
    row = [
        Path(point.frame).name,
        number(point.time_s, 2),
        point.status,
        number(place.lat, 7),
        number(place.lng, 7),
        number(place.ellipse_95.semi_major_m if place.ellipse_95 else None, 3),
        number(point.result.azimuth, 2),
    ]
    return [*row, number(place.alt, 2), str(point.result.num_inliers)] if wide else row
