"""Which references are matched: few of each, near and looking a similar way, and what looks alike anywhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.pipeline.mapping.pairs import choose_pairs, closing_pairs
from geonav.pipeline.mapping.views import MapView
from geonav.settings.mapping import MapConfig
from tests.pipeline.mapping.said import anywhere, said

QUICK = settings(max_examples=50, deadline=None)
NONE = MapConfig(similar=0)


def nothing(view: MapView) -> list[str]:
    return []


@QUICK
@given(anywhere(), st.integers(1, 6), st.integers(0, 4))
def test_their_number_grows_with_the_references_however_crowded(
    views: list[MapView], neighbours: int, similar: int
) -> None:
    uids = [view.uid for view in views]
    pairs = choose_pairs(views, lambda view: uids, MapConfig(neighbours=neighbours, similar=similar))
    assert len(pairs) <= (neighbours + similar) * len(views)


@QUICK
@given(anywhere(), st.integers(0, 4))
def test_each_pair_is_there_once_and_joins_two_frames(views: list[MapView], similar: int) -> None:
    uids = [view.uid for view in views]
    pairs = choose_pairs(views, lambda view: uids, MapConfig(similar=similar))
    frames = {view.uid: view.frame for view in views}
    assert pairs == sorted(set(pairs))
    assert all(first < second and frames[first] != frames[second] for first, second in pairs)


@QUICK
@given(anywhere(), st.data())
def test_only_pairs_with_one_that_is_wanted(views: list[MapView], data: st.DataObject) -> None:
    uids = [view.uid for view in views]
    wanted = data.draw(st.sets(st.sampled_from(uids or [""])))
    pairs = choose_pairs(views, lambda view: uids[:7], MapConfig(), wanted)
    assert all(wanted & set(pair) for pair in pairs)
    assert len(pairs) <= 12 * len(wanted)
    assert set(pairs) <= set(choose_pairs(views, lambda view: uids[:7], MapConfig()))
    assert choose_pairs(views, lambda view: uids[:7], MapConfig(), uids) == choose_pairs(
        views, lambda view: uids[:7], MapConfig()
    )


@QUICK
@given(anywhere())
def test_neighbours_are_near_and_look_a_similar_way(views: list[MapView]) -> None:
    known = {view.uid: view for view in views}
    for first, second in choose_pairs(views, nothing, NONE):
        one, other = known[first], known[second]
        assert np.linalg.norm(one.position_m - other.position_m) <= 50.0 + 2.0 * 1.0
        turn = abs((one.azimuth_deg - other.azimuth_deg + 180) % 360 - 180)
        assert not turn > 100.0  # NaN where a heading is not known


@QUICK
@given(anywhere())
def test_the_nearest_of_all_is_among_them(views: list[MapView]) -> None:
    """Checked against all pairs of references with headings alike, so that nearness alone decides."""
    views = [replace(view, heading_std_deg=np.inf) for view in views]
    pairs = choose_pairs(views, nothing, NONE)
    for view in views:
        away = {
            other.uid: float(np.linalg.norm((other.position_m - view.position_m)[:2]))
            for other in views
            if other.frame != view.frame
        }
        if away and min(away.values()) < 50.0:
            joined = {uid for pair in pairs if view.uid in pair for uid in pair} - {view.uid}
            assert min(away[uid] for uid in joined) == min(away.values())


def test_a_row_of_references_is_joined_to_those_beside() -> None:
    views = [said(f"v{row:02}", (5.0 * row, 0.0)) for row in range(12)]
    pairs = choose_pairs(views, nothing, MapConfig(neighbours=2, similar=0))
    assert {(f"v{row:02}", f"v{row + 1:02}") for row in range(11)} <= set(pairs)
    assert max(int(b[1:]) - int(a[1:]) for a, b in pairs) == 2  # of the two at the ends


def test_those_that_look_the_other_way_are_no_neighbours_unless_the_heading_is_not_known() -> None:
    there, back, anyhow = said("a", (0, 0), 90.0), said("b", (1, 0), 270.0), said("c", (2, 0), None)
    assert choose_pairs([there, back], nothing, NONE) == []
    assert choose_pairs([there, back, anyhow], nothing, NONE) == [("a", "c"), ("b", "c")]


def test_one_panorama_does_not_take_all_places() -> None:
    near = [said(f"n{row}", (1.0, 0.0), 10.0 * row, "near") for row in range(8)]
    far = [said(f"f{row}", (5.0 + row, 0.0)) for row in range(4)]
    pairs = choose_pairs([said("a", (0.0, 0.0)), *near, *far], nothing, MapConfig(neighbours=6, similar=0), ["a"])
    frames = Counter(other[0] for _, other in pairs)
    assert frames == {"n": 3, "f": 3}


def test_what_looks_alike_is_matched_wherever_it_stands() -> None:
    views = [said("a", (0, 0)), said("b", (9e5, 0)), said("c", (0, 9e5)), said("d", (9e5, 9e5))]
    similar = {"a": ["a", "gone", "d", "b", "c"]}
    pairs = choose_pairs(views, lambda view: similar.get(view.uid, []), MapConfig(similar=2))
    assert pairs == [("a", "b"), ("a", "d")]


def test_doubtful_positions_are_looked_for_farther_away() -> None:
    apart = [said("a", (0, 0)), said("b", (70.0, 0))]
    doubtful = [replace(view, position_std_m=np.full(3, 15.0)) for view in apart]
    assert choose_pairs(apart, nothing, NONE) == []
    assert choose_pairs(doubtful, nothing, NONE) == [("a", "b")]


def test_who_has_few_links_is_matched_to_what_its_links_lead_to() -> None:
    views = {uid: said(uid, (0.0, 0.0)) for uid in "abcd"}
    matches = {("a", "b"): 100, ("b", "c"): 50, ("c", "d"): 3}
    assert closing_pairs(matches, 30, views) == [("a", "c")]


def test_views_of_one_panorama_are_tied_by_each_others_links() -> None:
    """The first of them has three links, and one of these leads to another that has many."""
    uids = ["p0", "p1", "far", *(f"s{row}" for row in range(6)), *(f"t{row}" for row in range(6))]
    apart = {uid: said(uid, (0.0, 0.0)) for uid in uids}
    together = apart | {uid: replace(apart[uid], frame="panorama") for uid in ("p0", "p1")}
    matches = {(f"p{row // 3}", f"s{row}"): 100 for row in range(6)}
    matches |= {("far", f"t{row}"): 100 for row in range(6)} | {("far", "s0"): 100}
    assert ("far", "p0") in closing_pairs(matches, 30, apart)
    assert ("far", "p0") not in closing_pairs(matches, 30, together)
