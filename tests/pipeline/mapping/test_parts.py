"""Connected areas and the parts that they are divided into."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.pipeline.mapping.parts import connected, divided
from geonav.pipeline.mapping.views import MapView
from geonav.settings.mapping import MapConfig
from tests.pipeline.mapping.said import anywhere, said

QUICK = settings(max_examples=50, deadline=None)
Pairs = list[tuple[str, str]]


def some_pairs(views: list[MapView], seed: int, share: float) -> Pairs:
    rng = np.random.default_rng(seed)
    return [(a.uid, b.uid) for a, b in combinations(views, 2) if rng.random() < share]


def reach(uids: list[str], joins: set[frozenset[str]], start: str) -> set[str]:
    """All that can be walked to, by brute force."""
    found, more = {start}, True
    while more:
        next_ones = {uid for uid in uids if any(frozenset((uid, other)) in joins for other in found)} - found
        found, more = found | next_ones, bool(next_ones)
    return found


@QUICK
@given(anywhere(20), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.03, 0.1]))
def test_areas_are_what_links_and_frames_join(views: list[MapView], seed: int, share: float) -> None:
    uids, frames = [view.uid for view in views], {view.uid: view.frame for view in views}
    pairs = some_pairs(views, seed, share)
    joins = {frozenset(pair) for pair in pairs}
    joins |= {frozenset((a, b)) for a, b in combinations(uids, 2) if frames[a] == frames[b]}
    areas = connected(uids, pairs, frames)
    assert sorted(uid for area in areas for uid in area) == uids
    assert all(area == sorted(reach(uids, joins, area[0])) for area in areas)
    assert [len(area) for area in areas] == sorted((len(area) for area in areas), reverse=True)


@QUICK
@given(
    anywhere(60), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, 0.5]), st.integers(12, 40), st.integers(3, 6)
)
def test_parts_are_bounded_and_cover_everything(
    views: list[MapView], seed: int, share: float, most: int, overlap: int
) -> None:
    parts = divided(
        views, dict.fromkeys(some_pairs(views, seed, share), 30), MapConfig(max_views=most, overlap=overlap)
    )
    assert {uid for part in parts for uid in part} == {view.uid for view in views}
    assert all(len(part) == len(set(part)) <= most for part in parts)


def test_parts_are_bounded_when_the_overlap_is_large() -> None:
    views = [said(f"v{row:02}", (4.0 * row, 0.0)) for row in range(40)]
    pairs = [(a.uid, b.uid) for a, b in combinations(views, 2)]
    parts = divided(views, dict.fromkeys(pairs, 30), MapConfig(max_views=12, overlap=20))
    assert max(map(len, parts)) <= 12


@QUICK
@given(anywhere(60), st.integers(12, 30))
def test_a_panorama_is_in_one_part_whole(views: list[MapView], most: int) -> None:
    parts = [set(part) for part in divided(views, {}, MapConfig(max_views=most, overlap=3))]
    for frame in {view.frame for view in views}:
        members = {view.uid for view in views if view.frame == frame}
        assert any(members <= part for part in parts)


def test_what_is_small_enough_stays_whole() -> None:
    views = [said(f"v{row:02}", (4.0 * row, 0.0)) for row in range(40)]
    assert divided(views, {}, MapConfig(max_views=60)) == [[view.uid for view in views]]


def test_a_street_is_cut_across_and_neighbours_share_those_between() -> None:
    views = [said(f"v{row:02}", (4.0 * row, 0.1 * (row % 2))) for row in range(64)]
    pairs = [(f"v{row:02}", f"v{row + step:02}") for row in range(64) for step in (1, 2, 3) if row + step < 64]
    parts = sorted(divided(views, dict.fromkeys(pairs, 30), MapConfig(max_views=22, overlap=6)))
    assert len(parts) == 4
    for one, other in pairwise(parts):
        assert len(set(one) & set(other)) >= 3
    numbers = [[int(uid[1:]) for uid in part] for part in parts]
    assert all(max(rows) - min(rows) == len(rows) - 1 for rows in numbers)  # each a stretch of the street


def test_of_the_neighbours_those_that_share_most_are_taken_over() -> None:
    views = [said(f"v{row:02}", (4.0 * row, 0.0)) for row in range(16)]
    links = {("v00", "v09"): 40, ("v01", "v09"): 40, ("v10", "v12"): 500}  # together more than one of 70
    links |= {("v02", "v10"): 75, ("v03", "v11"): 73}
    links |= {("v04", f"v{row}"): 70 for row in range(12, 16)}
    parts = divided(views, links, MapConfig(max_views=11, overlap=3))
    first = next(part for part in parts if "v00" in part)
    assert [uid for uid in first if uid > "v07"] == ["v09", "v10", "v11"]
