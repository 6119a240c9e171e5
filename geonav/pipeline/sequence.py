"""``geonav localize --sequence``: frames in the order of time in, a track out.

Every frame is located alone first; :func:`geonav.pose.sequence.judge` then decides which poses belong to one motion.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from geonav.data.database import Database
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.data.results import KSource, LocalizationResult
from geonav.data.track import InterpolatedPlace, TrackPoint
from geonav.errors import ImageError, InputError
from geonav.geometry.camera import Camera
from geonav.pipeline.query import QueryPhoto
from geonav.pipeline.result import place_fields, pose_fields
from geonav.pipeline.sequence_frames import FrameSource, TimedPhoto, open_sequence
from geonav.pose.acceptance import contradicts
from geonav.pose.candidate import Candidate
from geonav.pose.decide import Decision
from geonav.pose.motion import MotionPrior
from geonav.pose.sequence import Frame, Limits, Verdict, judge
from geonav.pose.solver import Solution

if TYPE_CHECKING:
    from geonav.pipeline.localize import Localizer

_MAX_CANDIDATES = 5
_POSE_FIELDS = {
    "lat", "lng", "alt", "alt_datum", "azimuth", "pitch", "roll", "E", "K", "K_source", "position_std_m",
    "azimuth_std_deg", "ellipse_95",
}  # fmt: skip


@dataclass(frozen=True)
class SequenceOptions:
    """How to locate a sequence.

    Attributes:
        motion: the prior on the motion.
        camera: calibration of all frames, or None: each frame's own.
        mask: black where no frame must be looked at, or None.
    """

    motion: MotionPrior = field(default_factory=MotionPrior)
    camera: Camera | None = None
    mask: Path | None = None


@dataclass(frozen=True)
class _Pose:
    """A candidate with what a result says beside its pose; without the matches, of which a long film has too many."""

    candidate: Candidate
    K: list[list[float]]
    source: KSource
    inliers: dict[str, int]


@dataclass(frozen=True)
class _Alone:
    photo: TimedPhoto
    result: LocalizationResult
    poses: list[_Pose]


class SequenceLocator:
    """Takes frames in the order of their times, and judges all taken so far together.

    What was found before a film breaks off, or before an interruption, is not lost.
    """

    def __init__(self, localizer: Localizer, options: SequenceOptions | None = None) -> None:
        """Start without frames."""
        self._localizer = localizer
        self._options = options or SequenceOptions()
        self._alone: list[_Alone] = []

    def add(self, photo: TimedPhoto) -> None:
        """Locate the next frame alone.

        Raises:
            InputError: it is not later than the one before.
        """
        if self._alone and photo.time_s <= self._alone[-1].photo.time_s:
            msg = f"{photo.name} is not later than {self._alone[-1].photo.name}: give frames whose times rise"
            raise InputError(msg)
        self._alone.append(_alone(self._localizer, photo, self._options))

    def points(self) -> list[TrackPoint]:
        """One point a frame, in order."""
        frames = [
            Frame(one.photo.time_s, one.result.status == "located", tuple(pose.candidate for pose in one.poses))
            for one in self._alone
        ]
        limits = Limits(max_semi_major_m=self._localizer.config.localize.max_uncertainty_m)
        verdicts = judge(frames, self._options.motion, limits)
        database = self._localizer.database
        return [_point(one, verdict, database) for one, verdict in zip(self._alone, verdicts, strict=True)]


def locate_sequence(
    localizer: Localizer,
    source: FrameSource | Path | str,
    options: SequenceOptions | None = None,
    on_progress: OnProgress | None = None,
) -> list[TrackPoint]:
    """Locate the frames of a sequence alone and then together.

    Args:
        localizer: of the database.
        source: a folder of photos or a video; or the frames in order of time, as :func:`open_sequence` gives them.
        options: prior, camera and mask.
        on_progress: told after every frame.

    Raises:
        InputError: the video or the folder cannot be read, or times do not rise.
        MissingError: a video, and PyAV is not installed.
    """
    opened = source if isinstance(source, FrameSource) else open_sequence(Path(source))
    locator = SequenceLocator(localizer, options)
    take_frames(locator, opened, on_progress)
    return locator.points()


def take_frames(locator: SequenceLocator, source: FrameSource, on_progress: OnProgress | None = None) -> None:
    """Give all frames of a source to a locator.

    Raises:
        InputError: the video breaks off, or times do not rise; the locator keeps the frames before.
    """
    for done, photo in enumerate(source.frames, start=1):
        locator.add(photo)
        announce(on_progress, ProgressEvent("localize", done, max(source.count, done), photo.name))


def track_results(points: Iterable[TrackPoint]) -> list[LocalizationResult]:
    """One result a frame, as for photos that are no sequence."""
    return [point.result for point in points]


def _alone(localizer: Localizer, photo: TimedPhoto, options: SequenceOptions) -> _Alone:
    poses: list[_Pose] = []

    def keep(query: QueryPhoto, decision: Decision) -> None:
        poses.extend(_poses(decision, query.source))

    try:
        result = localizer.locate(photo.path, camera=options.camera, mask=options.mask, on_decided=keep)
    except ImageError as error:
        from geonav import __version__

        reason = str(error)
        result = LocalizationResult(query=photo.name, status="not_located", reason=reason, geonav_version=__version__)
    return _Alone(photo, result.model_copy(update={"query": photo.name}), poses)


def _poses(decision: Decision, source: KSource) -> list[_Pose]:
    """The candidates that are not the same pose twice, the best first."""
    different: list[Solution] = []
    for solution in decision.candidates:
        if all(contradicts(solution, other) for other in different):
            different.append(solution)
    return [_pose(solution, source) for solution in different[:_MAX_CANDIDATES]]


def _pose(solution: Solution, source: KSource) -> _Pose:
    counts = solution.inliers_per_view().tolist()
    inliers = {view.uid: count for view, count in zip(solution.views, counts, strict=True) if count}
    covariance = solution.covariance.matrix[:6, :6]
    candidate = Candidate(solution.pose, covariance, solution.num_inliers, frozenset(inliers))
    return _Pose(candidate, solution.camera.K.tolist(), source, inliers)


def _point(alone: _Alone, verdict: Verdict, database: Database) -> TrackPoint:
    interpolated = None
    if verdict.place is not None:
        fields = place_fields(verdict.place.mean, verdict.place.covariance, database.frame)
        interpolated = InterpolatedPlace(alt_datum=database.alt_datum, **fields)
    return TrackPoint(
        frame=alone.photo.name,
        time_s=alone.photo.time_s,
        captured_at=alone.photo.captured_at,
        status=verdict.status,
        result=_result(alone, verdict, database),
        alone=alone.result.status,
        alone_reason=alone.result.reason,
        interpolated=interpolated,
        starts_piece=verdict.starts_piece,
    )


def _result(alone: _Alone, verdict: Verdict, database: Database) -> LocalizationResult:
    if verdict.choice is None:
        return _refused(alone.result, verdict)
    if verdict.status == "located" and not verdict.is_fused:
        return alone.result
    return _solved(alone, verdict, alone.poses[verdict.choice], database)


def _refused(result: LocalizationResult, verdict: Verdict) -> LocalizationResult:
    """The frame without a pose, whatever it gave alone."""
    if result.status != "located":
        return result
    kept = result.model_dump(exclude={*_POSE_FIELDS, "status", "reason", "num_inliers"})
    return LocalizationResult(status="retrieved_only", reason=verdict.reason, **kept)


def _solved(alone: _Alone, verdict: Verdict, pose: _Pose, database: Database) -> LocalizationResult:
    """The frame with the pose that the sequence believes."""
    kept = alone.result.model_dump(exclude={*_POSE_FIELDS, "status", "reason", "num_inliers", "notes", "references"})
    place, covariance = verdict.pose, verdict.covariance
    if place is None or covariance is None:
        msg = f"a frame that is {verdict.status} has no pose"
        raise ValueError(msg)
    return LocalizationResult(
        status="located",
        alt_datum=database.alt_datum,
        K=pose.K,
        K_source=pose.source,
        num_inliers=pose.candidate.support,
        references=[
            use.model_copy(update={"num_inliers": pose.inliers.get(use.uid, 0)}) for use in alone.result.references
        ],
        notes=[*alone.result.notes, *_notes(alone, verdict)],
        **kept,
        **pose_fields(place, covariance, database.frame),
    )


def _notes(alone: _Alone, verdict: Verdict) -> list[str]:
    notes = []
    if verdict.status == "confirmed":
        notes.append(f"refused alone ({alone.result.reason}); the frames before and after confirm this pose")
    if verdict.status == "corrected":
        notes.append(f"located elsewhere alone: {verdict.reason}")
    if verdict.is_fused:
        notes.append("the motion of the frames before and after took part in this position and its uncertainty")
    return notes
