"""When no further reference is needed: the pose is believed, certain, and explains the photo."""

from __future__ import annotations

from dataclasses import replace

import pytest

from geonav.pipeline.found import Stopwatch
from geonav.pipeline.solving import PhotoSolver
from geonav.pose.decide import DecideOptions
from tests.pose.worlds import Plan, World, make_world


def solver(world: World, **changes: object) -> PhotoSolver:
    return PhotoSolver(world.query(**changes), DecideOptions(), Stopwatch())


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(Plan(seed=1, num_points=400, match_probability=0.9))


def seen_by_all(world: World) -> World:
    """The world with a photo that has no keypoints but those that references saw."""
    seen = sorted({int(index) for view in world.views for index in view.query_index})
    renumbered = {index: number for number, index in enumerate(seen)}
    views = [
        replace(view, query_index=view.query_index * 0 + [renumbered[int(index)] for index in view.query_index])
        for view in world.views
    ]
    return replace(world, pixels=world.pixels[seen], xyz=world.xyz[seen], views=views)


def test_three_references_that_explain_the_photo_settle_it(world: World) -> None:
    asked = solver(seen_by_all(world))
    views = seen_by_all(world).views
    assert asked.is_settled(views[:3])
    assert asked.watch.seconds["pose"] > 0


def test_a_photo_that_is_hardly_explained_is_not_settled_nor_solved(world: World) -> None:
    asked = solver(world)
    few = [replace(view, pixels=view.pixels[:40], query_index=view.query_index[:40]) for view in world.views]
    assert not asked.is_settled(few[:3])
    assert asked.watch.seconds == {}


def test_references_that_are_metres_off_leave_it_open(world: World) -> None:
    world = seen_by_all(world)
    unsure = [replace(view, position_std_m=(2.0, 2.0, 2.0)) for view in world.views]
    assert not solver(world).is_settled(unsure[:3])


def test_a_focal_length_that_is_solved_for_takes_one_more(world: World) -> None:
    world = seen_by_all(world)
    asked = solver(world, intrinsics_free=True)
    assert not asked.is_settled(world.views[:3])
    assert asked.watch.seconds == {}


def test_a_decision_is_made_once_for_the_same_references(world: World) -> None:
    asked = solver(world)
    assert asked.decide(world.views) is asked.decide(world.views)
    assert asked.decide(world.views[:4]) is not asked.decide(world.views)


def test_a_stage_inside_another_counts_for_itself() -> None:
    watch = Stopwatch()
    with watch.stage("matching"):
        with watch.stage("pose"):
            sum(range(300_000))
        inner = watch.seconds["pose"]
    assert inner > 0
    assert watch.seconds["matching"] < inner
