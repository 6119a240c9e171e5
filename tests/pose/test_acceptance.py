"""What is believed and what is refused: random matches, look-alikes, one place alone, places apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.geometry.camera import Camera
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import camera_center, pose_from_center, rotation_from_vector
from geonav.pose.acceptance import Evidence, Thresholds, contradicts, leads, objection, weigh
from geonav.pose.decide import DecideOptions, Decision, decide
from geonav.pose.dissent import rigid_matches
from geonav.pose.grouping import group_views
from geonav.pose.solver import Solution, SolveOptions, solve
from geonav.pose.tracks import View
from geonav.pose.uncertainty import ellipse_95
from tests.pose.worlds import USUAL, Plan, World, make_world, seen

OPTIONS = DecideOptions()
LOOSE = np.array([400.0, 12.0, 12.0, 2e-3, 3e-2])
GOOD = Evidence(100, 0.8, 30, 50, 0.1, 0.1)
CALIBRATED = np.array([0.24, 0.2, 0.2, 2e-3, 3e-2])


def decided(world: World, views: list[View] | None = None) -> Decision:
    return decide(world.query(intrinsics_std=CALIBRATED), world.views if views is None else views, OPTIONS)


def only(view: View, chosen: np.ndarray) -> View:
    return replace(view, pixels=view.pixels[chosen], query_index=view.query_index[chosen])


def moved(view: View, shift: tuple[float, float, float]) -> View:
    """The same view of the same street elsewhere."""
    pose = view.pose.copy()
    pose[:3, 3] -= pose[:3, :3] @ np.array(shift)
    return replace(view, uid=f"moved-{view.uid}", pose=pose)


def repeated(world: World, period_m: float, share: float) -> list[View]:
    """Views where a share of the keypoints are matched to the next window, a period further east."""
    elsewhere = world.rng.random(len(world.xyz)) < share
    views = []
    for view in world.views:
        there, visible = seen(view.camera, view.pose, world.xyz[view.query_index] + [period_m, 0, 0])
        shifted = elsewhere[view.query_index]
        pixels = np.where(shifted[:, None], there + world.rng.normal(0, 0.3, there.shape), view.pixels)
        views.append(only(replace(view, pixels=pixels), ~shifted | visible))
    return views


def two_streets(world: World, share: float) -> list[View]:
    """Each keypoint is matched in this street or in another just like it."""
    there = world.rng.random(len(world.xyz)) < share
    here = [only(view, ~there[view.query_index]) for view in world.views]
    return here + [moved(only(view, there[view.query_index]), (200.0, 30.0, 0.0)) for view in world.views]


@pytest.mark.parametrize(("seed", "outliers"), [(0, 0.0), (1, 0.3), (2, 0.6)])
def test_a_good_pose_is_believed(seed: int, outliers: float) -> None:
    world = make_world(Plan(seed=seed, outliers=outliers))
    decision = decided(world)
    assert decision.refusal is None
    assert decision.solution is not None
    assert world.position_error_m(decision.solution) < 0.03


@pytest.mark.parametrize("seed", range(5))
def test_random_matches_are_refused(seed: int) -> None:
    decision = decided(make_world(Plan(seed=seed, outliers=1.0)))
    assert decision.refusal is not None


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 6), st.integers(0, 300))
def test_random_matches_of_an_unknown_camera_are_refused(seed: int, num_views: int, num_matches: int) -> None:
    rng = np.random.default_rng(seed)
    size = [USUAL.width, USUAL.height]
    views = [
        View(
            f"r{index}",
            USUAL,
            pose_from_center(rotation_from_angles(rng.uniform(-40, 40), 0, 0), rng.uniform(-8, 8, 3)),
            rng.uniform([0, 0], size, (num_matches, 2)),
            np.sort(rng.choice(400, num_matches, replace=False)),
        )
        for index in range(num_views)
    ]
    world = make_world(Plan(seed=1))
    query = world.query(
        pixels=rng.uniform([0, 0], size, (400, 2)),
        noise_px=1.0,
        intrinsics_free=True,
        focal_unknown=True,
        intrinsics_std=LOOSE,
    )
    assert decide(query, views, OPTIONS).refusal is not None


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 5])
def test_a_facade_that_repeats_is_never_taken_for_its_neighbour(seed: int) -> None:
    world = make_world(Plan(seed=seed))
    decision = decided(world, repeated(world, 5.0, 0.5))
    assert decision.refusal is not None
    assert "look alike" in decision.refusal


@pytest.mark.parametrize("seed", range(4))
def test_a_few_matches_to_the_neighbour_do_no_harm(seed: int) -> None:
    world = make_world(Plan(seed=seed))
    decision = decided(world, repeated(world, 5.0, 0.15))
    assert decision.refusal is None
    assert decision.solution is not None
    assert world.position_error_m(decision.solution) < 0.03


@pytest.mark.parametrize("seed", range(4))
def test_two_streets_that_look_alike_are_refused(seed: int) -> None:
    world = make_world(Plan(seed=seed))
    decision = decided(world, two_streets(world, 0.5))
    assert decision.refusal is not None
    assert "look alike" in decision.refusal


@pytest.mark.parametrize("seed", range(3))
def test_the_street_that_is_clearly_better_is_believed(seed: int) -> None:
    world = make_world(Plan(seed=seed))
    decision = decided(world, two_streets(world, 0.2))
    assert decision.refusal is None
    assert decision.solution is not None
    assert world.position_error_m(decision.solution) < 0.03


@pytest.mark.parametrize("one_reference_each", [True, False])
def test_references_that_share_one_centre_are_refused(one_reference_each: bool) -> None:
    plan = Plan(seed=2, centers_m=((0.0, 0.0, 2.0),) * 5, one_reference_each=one_reference_each)
    decision = decided(make_world(plan))
    assert decision.refusal is not None


def test_a_second_place_with_few_matches_does_not_confirm_the_distance() -> None:
    world = make_world(Plan(seed=2, centers_m=(*((0.0, 0.0, 2.0),) * 4, (6.0, 0.0, 2.0))))
    few = only(world.views[4], np.arange(len(world.views[4].query_index)) < 10)
    decision = decided(world, [*world.views[:4], few])
    assert decision.refusal is not None
    assert "one place" in decision.refusal
    assert decided(world).refusal is None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("focal_px", [720.0, 900.0])
def test_a_calibration_that_the_matches_contradict_is_refused(seed: int, focal_px: float) -> None:
    world = make_world(Plan(seed=seed, outliers=0.2, believed=Camera.from_focal(1024, 768, focal_px)))
    decision = decided(world)
    assert decision.refusal is not None


@pytest.mark.parametrize("seed", range(3))
def test_a_calibration_that_is_a_little_off_is_believed(seed: int) -> None:
    world = make_world(Plan(seed=seed, outliers=0.2, believed=Camera.from_focal(1024, 768, 804.0)))
    assert decided(world).refusal is None


@pytest.mark.parametrize("seed", range(3))
def test_a_calibration_that_is_off_within_reason_widens_the_ellipse(seed: int) -> None:
    """One percent: believed, but the pose is bent, and the reported ellipse must own up to it."""
    world = make_world(Plan(seed=seed, outliers=0.2, believed=Camera.from_focal(1024, 768, 808.0)))
    exact = decided(make_world(Plan(seed=seed, outliers=0.2))).solution
    bent = decided(world)
    assert bent.refusal is None
    assert bent.solution is not None
    assert exact is not None
    reported, usual = (ellipse_95(solution.covariance.position[:2, :2])[0] for solution in (bent.solution, exact))
    assert reported > 2 * usual
    assert world.position_error_m(bent.solution) < 1.5 * reported


@pytest.mark.parametrize("seed", [3, 6, 7])
def test_a_focal_length_that_explains_no_more_refutes_no_calibration(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a flat facade a lens of any length does; what the matches of one reference share then decides which."""

    def flat(rng: np.random.Generator, count: int) -> np.ndarray:
        return np.column_stack(
            [rng.uniform(-18, 18, count), 25 + rng.uniform(-0.05, 0, count), rng.uniform(0, 12, count)]
        )

    monkeypatch.setattr("tests.pose.worlds.facade_points", flat)
    world = make_world(Plan(seed=seed))
    middle = np.array([512.0, 384.0])
    grown = [
        replace(view, pixels=middle + (view.pixels - middle) * (1 + 0.003 * (-1) ** index))
        for index, view in enumerate(world.views)
    ]
    decision = decided(world, grown)
    assert decision.refusal is None
    assert decision.solution is not None
    freely = solve(world.query(intrinsics_std=LOOSE, intrinsics_free=True), grown, SolveOptions())
    assert freely is not None
    assert abs(freely.camera.focal_px - USUAL.focal_px) > 6 * (freely.covariance.focal_std_px or 0.0)
    assert world.position_error_m(decision.solution) < ellipse_95(decision.solution.covariance.position[:2, :2])[0]


def test_a_calibration_known_exactly_is_no_trouble() -> None:
    world = make_world(Plan(seed=1))
    assert decide(world.query(intrinsics_std=np.zeros(5)), world.views, OPTIONS).refusal is None


def test_no_references_are_refused() -> None:
    decision = decided(make_world(Plan(seed=1)), [])
    assert decision.solution is None
    assert decision.refusal is not None


def test_same_seed_same_decision() -> None:
    world = make_world(Plan(seed=3, outliers=0.3))
    first, second = decided(world), decided(world)
    assert first.solution is not None
    assert second.solution is not None
    np.testing.assert_array_equal(first.solution.pose, second.solution.pose)
    assert first.evidence == second.evidence


def test_evidence_counts_what_agrees() -> None:
    world = make_world(Plan(seed=4, outliers=0.3))
    solution = solve(world.query(), world.views, SolveOptions())
    assert solution is not None
    evidence = weigh(solution, world.query())
    matched = np.unique(np.concatenate([view.query_index for view in world.views]))
    assert evidence.inliers == solution.num_inliers
    assert evidence.inlier_ratio == pytest.approx(solution.num_inliers / len(matched))
    assert evidence.second_place_inliers == np.sort(solution.inliers_per_view())[-2]
    assert 20 < evidence.cells <= 64
    deviations = np.sqrt(np.linalg.eigvalsh(solution.covariance.position[:2, :2]) * 5.991)
    assert evidence.semi_major_m == pytest.approx(deviations[1], rel=1e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inliers": 29}, "29 keypoints"),
        ({"inlier_ratio": 0.24}, "24%"),
        ({"cells": 5}, "small a part"),
        ({"second_place_inliers": 11}, "one place"),
        ({"semi_major_m": 10.1}, "10 m"),
        ({"semi_major_m": float("nan")}, "uncertain"),
        ({"azimuth_std_deg": 11.0}, "11 degrees"),
        ({"azimuth_std_deg": float("inf")}, "heading"),
    ],
)
def test_each_threshold_refuses_by_itself(change: dict[str, float], words: str) -> None:
    reason = objection(replace(GOOD, **change), Thresholds())  # type: ignore[arg-type]
    assert reason is not None
    assert words in reason


def test_what_just_reaches_every_threshold_is_believed() -> None:
    assert objection(GOOD, Thresholds()) is None
    assert objection(Evidence(30, 0.25, 6, 12, 10.0, 10.0), Thresholds()) is None


def test_solutions_contradict_when_both_cannot_be_true() -> None:
    world = make_world(Plan(seed=5))
    solution = solve(world.query(), world.views, SolveOptions())
    assert solution is not None

    def shifted(east_m: float, turn_deg: float = 0.0) -> Solution:
        rotation = rotation_from_vector([0, np.radians(turn_deg), 0]) @ solution.pose[:3, :3]
        return replace(
            solution, pose=pose_from_center(rotation, camera_center(solution.pose) + np.array([east_m, 0, 0]))
        )

    assert not contradicts(solution, shifted(0.1))
    assert contradicts(solution, shifted(3.0))
    assert contradicts(solution, shifted(0.0, 8.0))
    assert not contradicts(solution, shifted(0.0, 3.0))
    unsure = replace(solution, widened=1e3)
    assert not contradicts(unsure, shifted(3.0))  # metres that its uncertainty covers


def test_only_keypoints_that_tell_two_poses_apart_count() -> None:
    world = make_world(Plan(seed=5))
    solution = solve(world.query(), world.views, SolveOptions())
    assert solution is not None
    tracks = solution.tracks

    def with_tracks(low: float, high: float) -> Solution:
        number = tracks.track / tracks.num_tracks
        return replace(solution, tracks=tracks.select((number >= low) & (number < high)))

    assert leads(with_tracks(0.0, 0.9), with_tracks(0.3, 0.9), Thresholds())
    assert not leads(with_tracks(0.0, 0.9), with_tracks(0.1, 0.9), Thresholds())  # hardly more than the other
    assert leads(with_tracks(0.0, 0.7), with_tracks(0.5, 0.7), Thresholds())
    assert not leads(with_tracks(0.0, 0.7), with_tracks(0.3, 1.0), Thresholds())  # as many alone for either
    assert leads(with_tracks(0.0, 0.7), with_tracks(0.3, 1.0), Thresholds(min_lead=0.5))


def looking(uid: str, east_m: float, azimuth_deg: float, keypoints: np.ndarray) -> View:
    pose = pose_from_center(rotation_from_angles(azimuth_deg, 0, 0), [east_m, 0.0, 2.0])
    return View(uid, USUAL, pose, np.zeros((len(keypoints), 2)), keypoints)


def names(groups: list[list[View]]) -> list[list[str]]:
    return [[view.uid for view in group] for group in groups]


def test_places_apart_are_kept_apart() -> None:
    views = [
        looking("a", 0, 0, np.arange(20)),
        looking("far-a", 100, 0, np.arange(50)),
        looking("b", 20, 10, np.arange(20)),
        looking("far-b", 120, 0, np.arange(60)),
    ]
    # The one with most matches comes first; references keep their order.
    assert names(group_views(views, 30.0, 10)) == [["far-a", "far-b"], ["a", "b"]]
    assert names(group_views(views, 5.0, 10)) == [["far-b"], ["far-a"], ["a"], ["b"]]
    assert names(group_views(views, 200.0, 10)) == [["a", "far-a", "b", "far-b"]]
    assert group_views([], 30.0, 10) == []


def test_a_chain_of_neighbours_is_one_place() -> None:
    views = [looking(str(i), 25.0 * i, 0, np.arange(10)) for i in (0, 2, 1, 3)]
    assert names(group_views(views, 30.0, 5)) == [["0", "2", "1", "3"]]


def test_opposite_sides_of_a_street_belong_together_only_where_they_share_keypoints() -> None:
    north, south = looking("north", 0, 0, np.arange(0, 40)), looking("south", 3, 180, np.arange(30, 70))
    assert names(group_views([north, south], 30.0, 10)) == [["north", "south"]]
    assert names(group_views([north, south], 30.0, 11)) == [["north"], ["south"]]


def at_one_place(views: list[View], place: tuple[float, float, float]) -> list[View]:
    """Views with the same matches, as if they had been cut from one panorama elsewhere."""
    return [moved(view, tuple(np.array(place) - camera_center(view.pose))) for view in views]


def test_a_place_without_scale_that_shows_all_that_the_pose_explains_is_a_look_alike() -> None:
    """References that share a centre give no pose of their own to compare with."""
    world = make_world(Plan(seed=3))
    decision = decided(world, [*world.views, *at_one_place(world.views, (200.0, 30.0, 0.0))])
    assert decision.refusal is not None
    assert "look alike" in decision.refusal


def test_a_place_that_shows_a_part_of_what_the_pose_explains_does_not_matter() -> None:
    """As a copy of one house of several in the photo does."""
    world = make_world(Plan(seed=3))
    decision = decided(world, [*world.views, moved(world.views[0], (200.0, 30.0, 0.0))])
    assert decision.refusal is None
    assert decision.solution is not None
    assert world.position_error_m(decision.solution) < 0.03


@pytest.mark.parametrize("shift_m", [(8.0, 0.0, 0.0), (200.0, 30.0, 0.0)])
def test_two_places_that_show_just_the_same_are_told_apart_by_nothing(shift_m: tuple[float, float, float]) -> None:
    """No keypoint speaks for one alone, a few doors apart or streets apart."""
    world = make_world(Plan(seed=3))
    decision = decided(world, [*world.views, *(moved(view, shift_m) for view in world.views)])
    assert decision.refusal is not None
    assert "look alike" in decision.refusal


def test_copies_a_few_doors_apart_each_get_their_pose() -> None:
    """In one group of references the copies may win; those that stand where the photo was taken are asked too."""
    world = make_world(Plan(seed=3))
    elsewhere = [moved(view, (200.0, 30.0, 0.0)) for view in world.views]
    copies = [moved(only(view, view.query_index % 5 < 4), (8.0, 0.0, 0.0)) for view in world.views]
    here = [only(view, view.query_index % 3 == 0) for view in world.views]
    decision = decided(world, [*elsewhere, *copies, *here])
    assert decision.refusal is not None
    assert min(world.position_error_m(candidate) for candidate in decision.candidates) < 0.05


def test_a_place_that_shows_what_the_pose_does_not_explain_is_a_look_alike() -> None:
    world = make_world(Plan(seed=3))
    here = [only(view, view.query_index % 2 == 0) for view in world.views]
    there = at_one_place([only(view, view.query_index % 2 == 1) for view in world.views], (200.0, 30.0, 0.0))
    decision = decided(world, [*here, *there])
    assert decision.refusal is not None
    assert "look alike" in decision.refusal


def test_a_reference_that_denies_the_pose_with_a_third_of_the_matches_does_not_matter() -> None:
    world = make_world(Plan(seed=3))
    few = np.arange(len(world.views[0].query_index)) % 3 == 0
    decision = decided(world, [*world.views, moved(only(world.views[0], few), (200.0, 30.0, 0.0))])
    assert decision.refusal is None


def test_a_reference_with_random_matches_does_not_matter() -> None:
    world = make_world(Plan(seed=4))
    mixed = world.rng.permutation(len(world.views[0].query_index))
    wrong = replace(moved(world.views[0], (200.0, 30.0, 0.0)), query_index=world.views[0].query_index[mixed])
    assert decided(world, [*world.views, wrong]).refusal is None


def test_a_best_reference_must_agree_nearly_whole() -> None:
    """Matches at random do not count against it; only those that one rigid scene explains do."""
    world = make_world(Plan(seed=1, outliers=0.5))
    strict = replace(OPTIONS, thresholds=Thresholds(min_best_share=1.2))
    refusal = decide(world.query(intrinsics_std=CALIBRATED), world.views, strict).refusal
    assert refusal is not None
    assert "belong together" in refusal


@pytest.mark.parametrize("outliers", [0.0, 0.4])
def test_matches_that_one_rigid_scene_explains_are_counted(outliers: float) -> None:
    world = make_world(Plan(seed=2, outliers=outliers))
    view = world.views[0]
    share = rigid_matches(world.query(intrinsics_std=CALIBRATED), view, seed=0) / len(view.query_index)
    assert share == pytest.approx(1 - outliers, abs=0.08)
