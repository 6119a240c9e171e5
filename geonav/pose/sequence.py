"""What the frames of a sequence say together that each alone does not.

1. The poses that frames were located with by themselves must form one motion (:mod:`geonav.pose.chain`); those that
   do not are dropped, and where too few remain against those dropped nearby, all are.
2. A frame without a pose, or with a dropped one, takes the one among its other candidates that lies where the rest
   of the sequence puts it, if that is beyond doubt.
3. Where that place is known better than the frame itself knows it, the two are fused.
4. A frame that has no pose lies somewhere between its neighbours: a place, never a pose.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from geonav.pose.candidate import Candidate, density, fused
from geonav.pose.chain import GATE, REACH, Seen, chains, linked
from geonav.pose.motion import Array, Gaussian, MotionPrior, predictions
from geonav.pose.uncertainty import PoseCovariance, ellipse_95

TrackStatus = Literal["located", "confirmed", "corrected", "interpolated", "refused"]

# A wrong candidate lies anywhere within this distance of the references that suggested it.
_ASTRAY_M = 30.0
_PRIOR_RIGHT = 0.5
_SURE = 0.99
_MIN_SUPPORT = 12
# Frames whose neighbours' poses are dropped are believed only where twice as many hold together.
_MIN_LEAD = 2.0


@dataclass(frozen=True)
class Frame:
    """One frame as it is alone.

    Attributes:
        time_s: when it was taken; increasing along a sequence.
        is_located: whether its first candidate was believed.
        candidates: the best first.
    """

    time_s: float
    is_located: bool
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class Limits:
    """How uncertain an answer may be: semi-major axes of 95 % ellipses in metres, and degrees of heading."""

    max_semi_major_m: float = 10.0
    max_azimuth_std_deg: float = 10.0
    max_interpolated_m: float = 25.0


@dataclass(frozen=True)
class Verdict:
    """One frame as the sequence has it.

    Attributes:
        status: "located" as alone; "confirmed" by its neighbours where alone it was refused; "corrected" to another
            of its candidates; "interpolated" between neighbours, without a pose; "refused".
        choice: index of the candidate believed; None where there is none.
        pose: ``E`` (4, 4) of a believed candidate, fused with the motion where ``is_fused``.
        covariance: (6, 6) of ``pose``.
        place: of an interpolated frame.
        reason: what speaks against the frame's own pose; None where it holds or where it never had one.
        is_fused: whether the motion moved the pose.
        starts_piece: whether no motion leads here from the frames before.
    """

    status: TrackStatus
    choice: int | None = None
    pose: Array | None = None
    covariance: Array | None = None
    place: Gaussian | None = None
    reason: str | None = None
    is_fused: bool = False
    starts_piece: bool = False


def judge(frames: Sequence[Frame], prior: MotionPrior, limits: Limits) -> list[Verdict]:
    """One verdict a frame.

    Args:
        frames: in order of time, no two at the same.
        prior: the motion.
        limits: of the answers.
    """
    frames = [_doubting(frame) for frame in frames]
    located = [index for index, frame in enumerate(frames) if frame.is_located]
    pieces = [[located[at] for at in piece] for piece in chains([_seen(frames[i], 0) for i in located], prior)]
    kept = {index for piece in pieces for index in piece}
    outvoted = _outvoted(located, pieces)
    verdicts: list[Verdict] = []
    starts = [0, *(piece[0] for piece in pieces[1:]), len(frames)]
    for start, end in itertools.pairwise(starts):
        chosen = {index - start: 0 for index in range(start, end) if index in kept and index not in outvoted}
        votes = {index - start: reason for index, reason in outvoted.items() if start <= index < end}
        piece = _Piece(frames[start:end], chosen, votes, prior, limits)
        found = piece.verdicts()
        verdicts += [replace(found[0], starts_piece=start > 0), *found[1:]] if found else []
    return verdicts


def _doubting(frame: Frame) -> Frame:
    """The frame with only what was believed alone as certain as it claims to be."""
    believed = 1 if frame.is_located else 0
    rest = tuple(candidate.doubted() for candidate in frame.candidates[believed:])
    return replace(frame, candidates=frame.candidates[:believed] + rest)


def _seen(frame: Frame, choice: int) -> Seen:
    candidate = frame.candidates[choice]
    return Seen(frame.time_s, candidate.place, candidate.pose[:3, :3])


def _outvoted(located: Sequence[int], pieces: Sequence[Sequence[int]]) -> dict[int, str]:
    """The frames on a chain that too many beside them contradict, and why."""
    kept = {index for piece in pieces for index in piece}
    found = {}
    for piece in pieces:
        members = set(piece)
        for index in piece:
            at = located.index(index)
            near = located[max(0, at - REACH) : at + REACH + 1]
            agree, deny = sum(i in members for i in near), sum(i not in kept for i in near)
            if agree < _MIN_LEAD * deny:
                found[index] = f"the frames around it contradict each other: {agree} move as one and {deny} do not"
    return found


class _Piece:
    """The frames of one unbroken motion."""

    def __init__(
        self,
        frames: Sequence[Frame],
        chosen: dict[int, int],
        outvoted: dict[int, str],
        prior: MotionPrior,
        limits: Limits,
    ) -> None:
        self._frames = frames
        self._chosen = chosen
        self._outvoted = outvoted
        self._prior = prior
        self._limits = limits
        self._times = np.array([frame.time_s for frame in frames])

    def verdicts(self) -> list[Verdict]:
        """One a frame, in order."""
        alone = set(self._chosen)
        while True:
            predicted = self._predicted()
            new = self._confirmed(predicted)
            if not new:
                break
            self._chosen.update(new)
        return [self._verdict(index, predicted[index], alone) for index in range(len(self._frames))]

    def _predicted(self) -> list[Gaussian | None]:
        seen = [self._loosened(index) for index in range(len(self._frames))]
        return predictions(self._times, seen, self._prior)

    def _loosened(self, index: int) -> Gaussian | None:
        """A frame's place, its covariance times the number of frames that share its references.

        With these weights a mean of estimates whose errors are common is not more certain than each (covariance
        intersection), however strongly they are correlated.
        """
        if index not in self._chosen:
            return None
        own = self._frames[index].candidates[self._chosen[index]]
        return Gaussian(own.place.mean, own.place.covariance * self._num_sharing(own))

    def _num_sharing(self, own: Candidate) -> int:
        others = (self._frames[i].candidates[choice] for i, choice in self._chosen.items())
        return max(1, sum(bool(own.references & other.references) for other in others))

    def _confirmed(self, predicted: Sequence[Gaussian | None]) -> dict[int, int]:
        """The candidates of frames without a believed pose that are now beyond doubt."""
        found = {}
        for index, frame in enumerate(self._frames):
            place = predicted[index]
            if index in self._chosen or place is None or not frame.candidates:
                continue
            choice = self._choice(index, place)
            if choice is not None:
                found[index] = choice
        return found

    def _choice(self, index: int, place: Gaussian) -> int | None:
        """The candidate that lies at ``place`` with a probability of 99 %, or None.

        A wrong candidate lies anywhere near; candidates share the prior by their support. A frame's own pose that
        was dropped competes too, but is never chosen.
        """
        frame = self._frames[index]
        weights = np.array([max(candidate.support, 1) for candidate in frame.candidates], float)
        densities = np.array([density(candidate.place, place) for candidate in frame.candidates])
        likely = _PRIOR_RIGHT * weights / weights.sum() * densities
        best = int(np.argmax(likely))
        astray = (1.0 - _PRIOR_RIGHT) / (np.pi * _ASTRAY_M**2)
        if likely[best] < _SURE * (likely.sum() + astray) or (frame.is_located and best == 0):
            return None
        candidate = frame.candidates[best]
        if candidate.support < _MIN_SUPPORT or candidate.place.distance2(place) > GATE:
            return None
        return best if self._can_be_there(index, best) and self._is_sharp(candidate, place) else None

    def _can_be_there(self, index: int, choice: int) -> bool:
        """Whether the camera can have turned from its believed neighbours to this candidate."""
        here = _seen(self._frames[index], choice)
        before = [i for i in self._chosen if i < index]
        after = [i for i in self._chosen if i > index]
        links = [(_seen(self._frames[max(before)], self._chosen[max(before)]), here)] if before else []
        links += [(here, _seen(self._frames[min(after)], self._chosen[min(after)]))] if after else []
        return all(linked(first, second, self._prior) for first, second in links)

    def _is_sharp(self, candidate: Candidate, place: Gaussian) -> bool:
        pose, covariance, _ = fused(candidate, place, 1)
        known = PoseCovariance(covariance, pose[:3, :3])
        major = ellipse_95(covariance[3:5, 3:5])[0]
        return major <= self._limits.max_semi_major_m and known.azimuth_std_deg() <= self._limits.max_azimuth_std_deg

    def _verdict(self, index: int, place: Gaussian | None, alone: set[int]) -> Verdict:
        frame = self._frames[index]
        reason = self._outvoted.get(index)
        if index in self._chosen:
            choice = self._chosen[index]
            status: TrackStatus = "located" if index in alone else "corrected" if frame.is_located else "confirmed"
            candidate = frame.candidates[choice]
            pose, covariance, is_fused = candidate.pose, candidate.covariance, False
            if place is not None:
                pose, covariance, is_fused = fused(candidate, place, self._num_sharing(candidate))
            if status == "corrected":
                reason = reason or _denied(frame, place)
            return Verdict(status, choice, pose, covariance, reason=reason, is_fused=is_fused)
        if frame.is_located:
            reason = reason or _denied(frame, place)
        if place is not None and self._is_between(index) and self._is_narrow(place):
            return Verdict("interpolated", place=place, reason=reason)
        return Verdict("refused", reason=reason)

    def _is_between(self, index: int) -> bool:
        return bool(self._chosen) and min(self._chosen) < index < max(self._chosen)

    def _is_narrow(self, place: Gaussian) -> bool:
        return ellipse_95(place.covariance[:2, :2])[0] <= self._limits.max_interpolated_m


def _denied(frame: Frame, place: Gaussian | None) -> str:
    if place is None:
        return "the frames beside it do not agree with its pose"
    apart = float(np.linalg.norm((frame.candidates[0].place.mean - place.mean)[:2]))
    major = ellipse_95(place.covariance[:2, :2])[0]
    return f"its own pose is {apart:.1f} m from where the frames before and after put it, to {major:.1f} m (95 %)"
