"""Links that the others contradict go, and only those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.data.links import Link
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import rotation_from_vector
from geonav.pipeline.mapping.consistency import agree, consistent
from geonav.pipeline.mapping.views import MapView
from tests.pipeline.mapping.said import said

SEEDS = st.integers(0, 2**32 - 1)
QUICK = settings(max_examples=50, deadline=None)
UNKNOWN = np.full((3, 3), np.nan)
Pair = tuple[str, str]
ENDS = {("v0", "v1")}


def some_turn(rng: np.random.Generator, low_deg: float, high_deg: float) -> np.ndarray:
    axis = rng.normal(size=3)
    return rotation_from_vector(axis / np.linalg.norm(axis) * np.radians(rng.uniform(low_deg, high_deg)))


class Survey:
    """Pictures that truly look anywhere, and links between them whose turns are known to two degrees."""

    def __init__(self, seed: int, count: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.true = {f"v{row}": some_turn(self.rng, 0.0, 180.0) for row in range(count)}
        # Sources say nothing of how the pictures stand to each other: only links do.
        self.views = {uid: replace(said(uid, (0.0, 0.0)), heading_std_deg=np.inf) for uid in self.true}
        self.links: dict[Pair, Link] = {}

    @property
    def pairs(self) -> list[Pair]:
        return list(combinations(self.true, 2))

    def link(self, pairs: Iterable[Pair], matches: int | None = None, *, wrong: bool = False) -> Survey:
        for first, second in pairs:
            turn = some_turn(self.rng, 20.0, 180.0) if wrong else some_turn(self.rng, 0.0, 1.9)
            count = matches or int(self.rng.integers(15, 400))
            shown = np.zeros((count, 2), np.int32)
            self.links[first, second] = Link("s", count, shown, turn @ self.true[second] @ self.true[first].T)
        return self

    def unknown(self, *pairs: Pair) -> Survey:
        self.links |= {pair: replace(self.links[pair], rotation=UNKNOWN) for pair in pairs}
        return self

    @property
    def dropped(self) -> set[Pair]:
        kept = consistent(self.links, self.views)
        assert all(link is self.links[pair] for pair, link in kept.items())
        return self.links.keys() - kept.keys()


@QUICK
@given(SEEDS, st.integers(2, 7), st.floats(0.2, 1.0))
def test_right_links_stay_whatever_their_noise(seed: int, count: int, share: float) -> None:
    survey = Survey(seed, count)
    survey.link(pair for pair in survey.pairs if survey.rng.random() < share)
    assert survey.dropped == set()


@QUICK
@given(SEEDS, st.integers(6, 8), st.integers(1, 3))
def test_wrong_links_among_consistent_ones_go_alone(seed: int, count: int, num_wrong: int) -> None:
    survey = Survey(seed, count)
    wrong = {(f"v{2 * row}", f"v{2 * row + 1}") for row in range(num_wrong)}
    survey.link(survey.pairs, 50).link(wrong, 50, wrong=True)
    assert survey.dropped == wrong


@QUICK
@given(SEEDS)
def test_of_three_as_strong_that_contradict_each_other_none_is_believed(seed: int) -> None:
    survey = Survey(seed, 3).link([("v0", "v1"), ("v1", "v2")], 50).link([("v0", "v2")], 50, wrong=True)
    assert survey.dropped == set(survey.pairs)


@QUICK
@given(SEEDS)
def test_the_worst_goes_first_for_it_spoils_the_loops_of_others(seed: int) -> None:
    strong = [("v0", "v1"), ("v1", "v2")]  # each in a loop with the wrong one, which outweighs the loop that closes
    survey = Survey(seed, 4)
    survey.link(survey.pairs, 60).link(strong, 100).link([("v0", "v2")], 100, wrong=True)
    assert survey.dropped == {("v0", "v2")}


@QUICK
@given(SEEDS)
def test_what_is_in_no_loop_stays(seed: int) -> None:
    ring = [("v0", "v1"), ("v1", "v2"), ("v2", "v3"), ("v0", "v3")]
    alone, of_four = Survey(seed, 2).link([("v0", "v1")], wrong=True), Survey(seed, 4).link(ring, wrong=True)
    assert alone.dropped == set()
    assert of_four.dropped == set()
    assert consistent({}, alone.views) == {}


@QUICK
@given(SEEDS)
def test_unknown_turns_stay_and_speak_neither_for_nor_against(seed: int) -> None:
    wrong, others = ("v0", "v1"), [(first, f"v{row}") for first in ("v0", "v1") for row in (2, 3, 4)]
    survey = Survey(seed, 5)
    survey.link(survey.pairs, 50).link([wrong], 50, wrong=True)
    assert survey.dropped == {wrong}
    assert survey.unknown(("v2", "v3")).dropped == {wrong}
    assert survey.unknown(*others).dropped == set()


def cut_from_panoramas(survey: Survey, num_views: int) -> tuple[dict[str, MapView], dict[Pair, Link]]:
    """Each picture a panorama of several views that look all around, and its links each between two of those."""
    looks = [rotation_from_angles(360.0 * row / num_views, 5.0 * row) for row in range(num_views)]
    views, links = {}, {}
    for uid in survey.true:
        north = some_turn(survey.rng, 0.0, 180.0)  # what the source takes for it: only turns within a panorama hold
        for row, look in enumerate(looks):
            silent = replace(said(f"{uid}.{row}", (0.0, 0.0), frame=uid), heading_std_deg=np.inf)
            views[silent.uid] = replace(silent, rotation=look @ north)
    for (first, second), link in survey.links.items():
        a, b = survey.rng.integers(0, num_views, 2)
        ahead = looks[0].T  # of the first view, whose axes are the panorama's
        turn = looks[b] @ ahead @ link.rotation @ (looks[a] @ ahead).T
        links[f"{first}.{a}", f"{second}.{b}"] = replace(link, rotation=turn)
    return views, links


def frames_of(pairs: Iterable[Pair], views: Mapping[str, MapView]) -> set[Pair]:
    return {(views[first].frame, views[second].frame) for first, second in pairs}


@QUICK
@given(SEEDS, st.integers(2, 4))
def test_loops_close_through_other_views_of_a_panorama(seed: int, num_views: int) -> None:
    survey = Survey(seed, 6)
    views, links = cut_from_panoramas(survey.link(survey.pairs, 50), num_views)
    assert consistent(links, views) == links
    views, links = cut_from_panoramas(survey.link(ENDS, 50, wrong=True), num_views)
    kept = consistent(links, views)
    assert frames_of(links.keys() - kept.keys(), views) == ENDS


@QUICK
@given(SEEDS)
def test_of_two_links_between_panoramas_the_wrong_one_goes(seed: int) -> None:
    survey = Survey(seed, 5)
    views, links = cut_from_panoramas(survey.link(survey.pairs, 50), 2)
    (first, second), link = next((pair, link) for pair, link in links.items() if frames_of([pair], views) == ENDS)
    other = first, "v1.1" if second == "v1.0" else "v1.0"
    links[other] = replace(link, rotation=views[other[1]].rotation @ views[second].rotation.T @ link.rotation)
    links["v0.0", "v0.1"] = replace(link, rotation=some_turn(survey.rng, 0.0, 180.0))  # within: nothing to be checked
    assert consistent(links, views) == links
    links[other] = replace(link, rotation=some_turn(survey.rng, 20.0, 180.0) @ links[other].rotation)
    assert links.keys() - consistent(links, views).keys() == {other}


@QUICK
@given(SEEDS, st.floats(0.1, 10.0))
def test_links_that_turn_as_sources_say_agree(seed: int, heading_std_deg: float) -> None:
    survey = Survey(seed, 4).link(ENDS)
    truth = {
        uid: replace(view, rotation=survey.true[uid], heading_std_deg=heading_std_deg)
        for uid, view in survey.views.items()
    }
    assert agree(survey.links, truth) == survey.links
    survey.unknown(("v0", "v1"))
    off = {**survey.links, ("v2", "v3"): turned(survey, ("v2", "v3"), 70.0)}
    assert agree(off, truth).keys() == {("v0", "v1")}  # what is not known contradicts nobody
    lost = truth | {"v3": replace(truth["v3"], heading_std_deg=np.inf)}
    assert agree(off, lost) == off


def turned(survey: Survey, pair: Pair, degrees: float) -> Link:
    """A link that is off by an angle."""
    turn = some_turn(survey.rng, degrees, degrees) @ survey.true[pair[1]] @ survey.true[pair[0]].T
    return Link("s", 50, np.zeros((50, 2), np.int32), turn)


@QUICK
@given(SEEDS)
def test_what_sources_can_be_asked_about_is_not_left_to_loops(seed: int) -> None:
    survey = Survey(seed, 5)
    survey.link(survey.pairs, 50).link(ENDS, 50, wrong=True)
    heard = {uid: replace(v, rotation=survey.true[uid], heading_std_deg=1.0) for uid, v in survey.views.items()}
    assert consistent(survey.links, heard) == survey.links
    assert survey.links.keys() - agree(survey.links, heard).keys() == ENDS


@QUICK
@given(SEEDS)
def test_one_gross_error_of_a_source_costs_no_links(seed: int) -> None:
    survey = Survey(seed, 5)
    survey.link(survey.pairs, 50)
    heard = {uid: replace(v, rotation=survey.true[uid], heading_std_deg=1.0) for uid, v in survey.views.items()}
    heard["v0"] = replace(heard["v0"], rotation=some_turn(survey.rng, 60.0, 180.0) @ survey.true["v0"])
    assert agree(survey.links, heard) == survey.links
