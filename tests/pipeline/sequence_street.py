"""A walk along a street of points: every frame solved by the real solver, some of them shown another street."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.results import LocalizationResult
from geonav.errors import ImageError
from geonav.geometry.geodesy import LocalFrame
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center
from geonav.pipeline.result import pose_of_result
from geonav.pipeline.sequence_frames import FrameSource, TimedPhoto
from geonav.pose.decide import DecideOptions, Decision, decide
from geonav.pose.solver import Query
from geonav.pose.tracks import View
from tests.pose.worlds import USUAL, Plan, facade_points, reference_poses, seen

ELSEWHERE_M = np.array([60.0, 8.0, 0.0])
_CALIBRATED = np.array([0.24, 0.2, 0.2, 2e-3, 3e-2])


@dataclass
class Walk:
    """Frames along the street, a second apart.

    Attributes:
        shares: by frame, how many of its matches belong to a copy of the street elsewhere; None: it shows nothing.
        truth: (N, 3) positions.
    """

    shares: list[float | None]

    @property
    def truth(self) -> np.ndarray:
        count = len(self.shares)
        return np.column_stack([np.linspace(-4, 4, count), np.full(count, -2.0), np.full(count, 1.6)])

    def source(self) -> FrameSource:
        photos = [TimedPhoto(f"{index:02d}.jpg", Path(f"{index:02d}.jpg"), float(index)) for index in range(self.count)]
        return FrameSource(iter(photos), len(photos))

    @property
    def count(self) -> int:
        return len(self.shares)

    def decide(self, index: int) -> Decision:
        """What the matches of one frame give alone."""
        return _decided(tuple(self.truth[index]), index, self.shares[index] or 0.0)


@cache
def _decided(center: tuple[float, float, float], index: int, share: float) -> Decision:
    rng = np.random.default_rng([5, index])
    world = np.random.default_rng(0)
    xyz, references = facade_points(world, 250), reference_poses(Plan(), world)
    pose = pose_from_center(rotation_from_angles(2.0, 4.0, 0.0), np.array(center))
    pixels, visible = seen(USUAL, pose, xyz)
    xyz, pixels = xyz[visible], pixels[visible] + rng.normal(0, 0.3, (visible.sum(), 2))
    there = rng.random(len(xyz)) < share
    views = []
    for number, reference in enumerate(references):
        in_reference, matched = seen(USUAL, reference, xyz)
        matched &= rng.random(len(xyz)) < 0.7
        for name, chosen, by in (("here", matched & ~there, 0.0), ("there", matched & there, 1.0)):
            keypoint = np.flatnonzero(chosen)
            noisy = in_reference[keypoint] + rng.normal(0, 0.3, (len(keypoint), 2))
            moved = reference @ np.vstack([np.column_stack([np.eye(3), -by * ELSEWHERE_M]), [0, 0, 0, 1]])
            views.append(View(f"{name}{number}", USUAL, moved, noisy, keypoint, 0.3))
    query = Query(USUAL, pixels, 0.3, _CALIBRATED)
    return decide(query, [view for view in views if len(view.query_index) > 5], DecideOptions())


class WalkLocalizer:
    """Locates the frames of a walk by the solver alone."""

    def __init__(self, walk: Walk, database: Database) -> None:
        self.walk = walk
        self.database = database
        self.config = GeonavConfig()

    def locate(
        self, path: Path, *, camera: object, mask: object, on_decided: Callable[..., None]
    ) -> LocalizationResult:
        index = int(path.stem)
        if self.walk.shares[index] is None:
            msg = f"{path} is broken"
            raise ImageError(msg)
        decision = self.walk.decide(index)
        on_decided(SimpleNamespace(source="given"), decision)
        if decision.refusal is not None or decision.solution is None:
            return LocalizationResult(query=str(path), status="retrieved_only", reason=decision.refusal)
        pose = pose_of_result(decision.solution, self.database.frame)
        return LocalizationResult(query=str(path), status="located", alt_datum="wgs84", **pose)


def metres(frame: LocalFrame, lat: float | None, lng: float | None, truth: np.ndarray) -> float:
    """Horizontal distance of a found position from the truth."""
    assert lat is not None
    assert lng is not None
    found = np.asarray(frame.enu_from_geo(lat, lng, frame.origin.alt_m))
    return float(np.linalg.norm((found - truth)[:2]))


def showing(walk: Walk, **shares: float | None) -> Walk:
    """The walk with some frames (``f3=0.9``) changed."""
    changed = list(walk.shares)
    for name, share in shares.items():
        changed[int(name.removeprefix("f"))] = share
    return replace(walk, shares=changed)
