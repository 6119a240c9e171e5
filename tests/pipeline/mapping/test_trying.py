"""Windows that repeat join pictures that stand apart; the strongest links tell which of them do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.geometry.pose import camera_center, pose_from_center, rotation_error_deg
from geonav.pipeline.mapping.parts import connected
from geonav.pipeline.mapping.strongest import strongest
from geonav.pipeline.mapping.trying import solve_part
from tests.pipeline.mapping.painted import PaintedStreet, Reference, trust
from tests.pipeline.mapping.painted_part import features_of, part_input, view_of

SIDE = 5
CORNER_DEG = (45.0, 90.0, 135.0)


@dataclass
class _Court(PaintedStreet):
    """Some windows of one side stand once more on the other, opposite through the middle."""

    repeated: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        windows = np.flatnonzero(self.points[:, 1] > 0)[: self.repeated]
        opposite = self.points[windows] * [-1, -1, 1] + [self.length_m, 0, 0]
        self.points = np.concatenate([self.points, opposite])
        self.words = np.concatenate([self.words, self.words[windows]])


def _references(court: _Court) -> list[Reference]:
    """Five that look at either side and three that turn in between, whose sources know no heading."""
    rng = np.random.default_rng([court.seed, 1])
    along = np.linspace(0.0, court.length_m, SIDE)
    turns = 10.0 * (np.arange(SIDE) % 3) - 10.0
    looks = [
        *((where, turn, -3.0) for where, turn in zip(along, turns, strict=True)),
        *((18.0, azimuth_deg, 0.0) for azimuth_deg in CORNER_DEG),
        *((where, 180.0 + turn, 3.0) for where, turn in zip(along, turns, strict=True)),
    ]
    poses = [court.pose(*look) for look in looks]
    said = [pose_from_center(pose[:3, :3], camera_center(pose) + rng.normal(0, [2.0, 2.0, 1.0])) for pose in poses]
    both = enumerate(zip(poses, said, strict=True))
    return [Reference(f"r{number:02}", pose, says, trust(2.0, 0.05)) for number, (pose, says) in both]


@pytest.mark.parametrize("seed", [0, 1])
def test_windows_that_repeat_do_not_join_what_stands_apart(seed: int) -> None:
    court = _Court(seed=seed, length_m=20.0, num_points=1200)
    references = _references(court)
    views = [replace(view_of(reference), heading_std_deg=np.inf) for reference in references]
    pieces = solve_part(part_input(views, features_of(court, references)))
    true = {reference.uid: reference.true_pose[:3, :3] for reference in references}
    assert sum(len(piece.views) for piece in pieces) >= 2 * SIDE
    for piece in pieces:
        for i, j in combinations(range(len(piece.views)), 2):
            turn = piece.poses[j, :3, :3] @ piece.poses[i, :3, :3].T
            right = true[piece.views[j].uid] @ true[piece.views[i].uid].T
            assert rotation_error_deg(turn, right) < 2.0, (piece.views[i].uid, piece.views[j].uid)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.floats(0.0, 1.0), st.integers(1, 4))
def test_the_strongest_links_join_all_that_is_joined(seed: int, count: int, share: float, each: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = {
        pair: np.zeros((int(rng.integers(15, 400)), 2), int)
        for pair in combinations(range(count), 2)
        if rng.random() < share
    }
    frames = [f"f{number // 2}" for number in range(count)]  # two views each
    kept = strongest(pairs, frames, each)

    def parts(links: object) -> list[list[str]]:
        named = [(str(i), str(j)) for i, j in links]  # type: ignore[attr-defined]
        uids = [str(number) for number in range(count)]
        return connected(uids, named, dict(zip(uids, frames, strict=True)))

    assert kept.keys() <= pairs.keys()
    assert parts(kept) == parts(pairs)
    for pair, matches in pairs.items():
        for end in pair:
            stronger = [
                other for other in pairs if end in other and len(pairs[other]) >= len(matches) and other != pair
            ]
            assert pair in kept or len(stronger) >= each, "one of the strongest of a picture is left out"
