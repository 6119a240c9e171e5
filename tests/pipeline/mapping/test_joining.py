"""Parts that overlap are brought together, and stay where the one that knows its place better stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.data.map_store import MapPart
from geonav.geometry.pose import camera_center, pose_from_center, rotation_error_deg
from geonav.pipeline.mapping.joining import joined, transformed
from tests.pipeline.mapping.made_map import made_part

SHARED = 6


@dataclass(frozen=True)
class Known:
    """How well a part as a whole knows its turn, growth and shift; what its frames are off alone is little."""

    turn_rad: float
    growth: float
    shift_m: float


WELL = Known(1e-3, 1e-3, 0.05)
FAIRLY = Known(3e-3, 3e-3, 0.3)
BADLY = Known(0.03, 0.03, 2.0)


def cut(whole: MapPart, rows: slice, known: Known) -> MapPart:
    """Some references of a map as a part of its own, with the covariance of what moves it as a whole."""
    numbers = range(len(whole.uids))[rows]
    poses = whole.poses[rows]
    arms = camera_center(poses) - camera_center(poses).mean(0)
    modes = np.zeros((len(numbers), 6, 7))
    modes[:, :3, :3] = np.eye(3)
    modes[:, 3:, :3] = np.array([[np.cross(axis, arm) for axis in np.eye(3)] for arm in arms]).swapaxes(1, 2)
    modes[:, 3:, 3], modes[:, 3:, 4:] = arms, np.eye(3)
    flat = modes.reshape(-1, 7)
    variances = np.array([known.turn_rad] * 3 + [known.growth] + [known.shift_m] * 3) ** 2
    own = np.tile(np.repeat([1e-4, 1e-2], 3) ** 2, len(numbers))
    return replace(
        whole,
        uids=[whole.uids[row] for row in numbers],
        stamps=["s"] * len(numbers),
        feature_stamps=["f"] * len(numbers),
        cameras=whole.cameras[rows],
        poses=poses,
        frames=np.arange(len(numbers)),
        covariance=((flat * variances) @ flat.T + np.diag(own)).astype(np.float32),
        own_std=whole.own_std[rows],
    )


def whole(count: int = 18) -> MapPart:
    return made_part([f"v{row:02}" for row in range(count)], 50)


def halves(first: Known, second: Known, step: np.ndarray) -> tuple[MapPart, MapPart, MapPart]:
    """Both halves of a street, the second put somewhere else, and the second as it truly stands."""
    street = whole()
    one, other = cut(street, slice(0, 9 + SHARED // 2), first), cut(street, slice(9 - SHARED // 2, 18), second)
    return one, transformed(other, step), other


def gap_m(one: MapPart, other: MapPart) -> float:
    """How far references that both parts have stand apart, at most."""
    shared = sorted(set(one.uids) & set(other.uids))
    places = [camera_center(part.poses[[part.row_of[uid] for uid in shared]]) for part in (one, other)]
    return float(np.linalg.norm(places[0] - places[1], axis=1).max())


def away_m(part: MapPart, where: MapPart) -> float:
    return float(np.linalg.norm(camera_center(part.poses) - camera_center(where.poses), axis=1).max())


STEP = np.array([0.01, -0.005, 0.02, 0.01, 0.8, -0.5, 0.3])


@pytest.mark.parametrize("known", [(WELL, BADLY), (BADLY, WELL), (BADLY, BADLY), (FAIRLY, BADLY)])
def test_what_two_parts_share_comes_to_stand_at_one_place(known: tuple[Known, Known]) -> None:
    first, second, _ = halves(*known, STEP)
    assert gap_m(first, second) > 0.5
    assert gap_m(*joined([first, second])) < 0.05


@pytest.mark.parametrize("known", [WELL, FAIRLY])
@pytest.mark.parametrize("worse_first", [False, True])
def test_what_is_known_better_stays_and_the_other_comes(known: Known, worse_first: bool) -> None:
    better, worse, truth = halves(known, BADLY, STEP)
    if worse_first:
        there, here = joined([worse, better])
    else:
        here, there = joined([better, worse])
    assert away_m(here, better) < 0.15
    assert away_m(there, truth) < 0.3


def test_equally_good_parts_meet_half_way() -> None:
    first, second, _ = halves(BADLY, BADLY, np.array([0, 0, 0, 0, 1.0, 0, 0]))
    found = joined([first, second])
    before = [camera_center(part.poses)[:, 0].mean() for part in (first, second)]
    moved = [abs(camera_center(part.poses)[:, 0].mean() - x) for part, x in zip(found, before, strict=True)]
    assert gap_m(*found) < 0.05
    assert 0.2 < moved[0] < 0.8
    assert 0.2 < moved[1] < 0.8


@pytest.mark.parametrize("turn_deg", [0.0, 3.0, 20.0])
def test_a_part_that_is_turned_far_comes_as_exactly(turn_deg: float) -> None:
    first, second, truth = halves(WELL, Known(0.5, 0.03, 5.0), np.array([0, 0, np.radians(turn_deg), 0, 1.0, 0, 0]))
    found = joined([first, second])
    assert gap_m(*found) < 0.05
    assert away_m(found[0], first) < 0.2
    assert away_m(found[1], truth) < 0.3
    for pose, true in zip(found[1].poses, truth.poses, strict=True):
        assert rotation_error_deg(pose[:3, :3], true[:3, :3]) < 0.3


def test_a_part_that_is_wrong_in_itself_is_not_forced_on_others() -> None:
    first, second, _ = halves(FAIRLY, FAIRLY, STEP)
    bend = np.linspace(0.0, 1.0, len(second.uids))[:, None] ** 2 * [40.0, 0.0, 0.0]
    poses = [
        pose_from_center(pose[:3, :3], c)
        for pose, c in zip(second.poses, camera_center(second.poses) + bend[::-1], strict=True)
    ]
    for before, after in zip(
        (first, bent := replace(second, poses=np.array(poses))), joined([first, bent]), strict=True
    ):
        np.testing.assert_array_equal(before.poses, after.poses)


def test_parts_that_share_nothing_or_too_little_stay() -> None:
    street = whole()
    parts = [cut(street, slice(0, 9), WELL), cut(street, slice(8, 18), BADLY)]
    parts.append(made_part(["a", "b", "c"], 20))
    parts[1] = transformed(parts[1], STEP)
    for before, after in zip(parts, joined(parts), strict=True):
        np.testing.assert_array_equal(before.poses, after.poses)


def test_a_chain_of_parts_closes_everywhere() -> None:
    street, rng = whole(30), np.random.default_rng(0)
    parts = [cut(street, slice(start, start + 10), WELL if start == 0 else BADLY) for start in range(0, 21, 5)]
    off = [transformed(part, rng.normal(size=7) * [0.01, 0.01, 0.02, 0.01, 1, 1, 0.5]) for part in parts[1:]]
    found = joined([parts[0], *off])
    assert max(gap_m(one, other) for one, other in pairwise(found)) < 0.05
    assert away_m(found[0], parts[0]) < 0.15


def test_what_stands_together_stays_where_it_is() -> None:
    first, _, second = halves(WELL, BADLY, STEP)
    for before, after in zip([first, second], joined([first, second]), strict=True):
        np.testing.assert_allclose(before.poses, after.poses, atol=1e-6)
        np.testing.assert_allclose(before.points, after.points, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-0.5, 0.5), min_size=7, max_size=7))
def test_a_part_moves_as_a_whole(step: list[float]) -> None:
    part = whole(6)
    moved = transformed(part, np.array(step))
    growth = np.exp(step[3])
    before, after = camera_center(part.poses), camera_center(moved.poses)
    np.testing.assert_allclose(after.mean(0), before.mean(0) + step[4:], atol=1e-9)
    for which in range(len(before)):
        # What a camera sees, it sees as before: points in its axes only grow.
        seen = (part.points - before[which]) @ part.poses[which][:3, :3].T
        now = (moved.points - after[which]) @ moved.poses[which][:3, :3].T
        np.testing.assert_allclose(now, growth * seen, atol=1e-9)
