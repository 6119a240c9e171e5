"""References whose poses are doubtful are adjusted with the photo: how they stand together is then the pictures'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from geonav.data.map_store import MapPart
from geonav.geometry.pose import camera_center, pose_from_center, rotation_error_deg
from geonav.pipeline.adjusting import is_doubtful, with_adjusted
from geonav.pose.decide import DecideOptions
from geonav.pose.solver import Query
from geonav.pose.tracks import View
from tests.pipeline.mapping.painted import CAMERA, NOISE_PX, PaintedStreet, Reference, along_street
from tests.pipeline.mapping.painted_part import features_of, pairs_of

STREET = PaintedStreet()
OPTIONS = DecideOptions()
TRUTH = STREET.pose(9.0, 52.0, aside_m=0.3)
SURE = (0.05, 0.05, 0.05), (0.05, 0.05)


def references(count: int = 4, sigma_m: float = 1.5, seed: int = 0, prefix: str = "r") -> list[Reference]:
    return along_street(STREET, 8, sigma_m=sigma_m, sigma_deg=2.0, seed=seed, prefix=prefix)[:count]


def photographed(given: Sequence[Reference], seed: int = 0) -> tuple[Query, list[View]]:
    """A photo of the street, and what of it each reference was matched to."""
    photo = STREET.features(TRUTH, np.random.default_rng([seed, 9]))
    query = Query(CAMERA, photo.keypoints.astype(float), NOISE_PX, np.zeros(5))
    views = []
    for reference, features in zip(given, features_of(STREET, given, seed).values(), strict=True):
        pairs = pairs_of(photo, features).astype(np.int64)
        std, heading = reference.keys["position_std_m"], reference.keys["heading_std_deg"]
        pixels = features.keypoints[pairs[:, 1]].astype(float)
        views.append(
            View(
                reference.uid, CAMERA, reference.said_pose, pixels, pairs[:, 0], NOISE_PX, (std,) * 3, (heading,) * 2,
                keypoints=pairs[:, 1],
            )
        )  # fmt: skip
    return query, views


def matched_elsewhere(view: View) -> View:
    """Few matches, and none of them right."""
    rng = np.random.default_rng(len(view.pixels))
    pixels = rng.uniform(0, [CAMERA.width, CAMERA.height], (40, 2))
    return replace(view, pixels=pixels, query_index=view.query_index[:40], keypoints=view.keypoints[:40])


def steps(poses: Sequence[np.ndarray]) -> np.ndarray:
    """How far each two stand from each other, in the axes of the first."""
    return np.array([a[:3, :3] @ (camera_center(b) - camera_center(a)) for a in poses for b in poses])


def misfit(views: Sequence[View], given: Sequence[Reference]) -> tuple[float, float]:
    """Share of the distances between references, and degrees, that they stand wrong to each other.

    The photo says nothing of how large the whole is: that share is all sources' together.
    """
    by_uid = {reference.uid: reference.true_pose for reference in given}
    found, true = steps([view.pose for view in views]), steps([by_uid[view.uid] for view in views])
    scale = (found * true).sum() / (true**2).sum()
    turned = max(
        rotation_error_deg(a.pose[:3, :3] @ b.pose[:3, :3].T, by_uid[a.uid][:3, :3] @ by_uid[b.uid][:3, :3].T)
        for a in views
        for b in views
    )
    return float(np.linalg.norm(found - scale * true) / np.linalg.norm(scale * true)), turned


@pytest.mark.parametrize("seed", range(4))
def test_doubtful_references_stand_to_each_other_as_the_pictures_say(seed: int) -> None:
    given = references(seed=seed)
    query, views = photographed(given, seed)
    found = with_adjusted(query, views, OPTIONS)
    assert sorted(view.uid for view in found) == [reference.uid for reference in given]
    before, after = misfit(views, given), misfit(found, given)
    assert before[0] > 0.05
    assert after[0] < 0.03
    assert after[1] < 0.3 < before[1]


def test_what_else_is_known_of_them_stays() -> None:
    query, views = photographed(references())
    found = {view.uid: view for view in with_adjusted(query, views, OPTIONS)}
    for view in views:
        after = found[view.uid]
        np.testing.assert_array_equal(after.pixels, view.pixels)
        np.testing.assert_array_equal(after.query_index, view.query_index)
        np.testing.assert_array_equal(after.keypoints, view.keypoints)
        assert after.camera == view.camera


def test_they_know_what_they_are_off_in_common() -> None:
    query, views = photographed(references())
    found = with_adjusted(query, views, OPTIONS)
    parts = {id(view.joint): view.joint for view in found}
    (part,) = parts.values()
    assert isinstance(part, MapPart)
    assert part.facts["adjusted_with_photo"]
    for view in found:
        np.testing.assert_array_equal(view.pose, part.poses[view.row])
    rows = [view.row for view in found]
    joint = part.covariance_of(rows)
    first, second = joint[3:6, 3:6], joint[9:12, 9:12]
    between = first + second - joint[3:6, 9:12] - joint[9:12, 3:6]
    apart = first + second  # were they independent
    assert np.sqrt(np.diag(between)[:2].max()) < 0.5 * np.sqrt(np.diag(apart)[:2].max())


def test_references_that_are_known_well_are_left_as_they_are() -> None:
    query, views = photographed(references(sigma_m=0.02))
    sure = [replace(view, position_std_m=SURE[0], rotation_std_deg=SURE[1]) for view in views]
    assert not any(map(is_doubtful, sure))
    assert with_adjusted(query, sure, OPTIONS) == sure
    mixed = [sure[0], *views[1:]]  # beside one that holds the world, nothing is moved
    assert with_adjusted(query, mixed, OPTIONS) == mixed


def test_references_of_a_map_are_left_as_they_are() -> None:
    query, views = photographed(references())
    adjusted = with_adjusted(query, views, OPTIONS)
    assert with_adjusted(query, adjusted, OPTIONS) == adjusted


@pytest.mark.parametrize("count", [0, 1])
def test_one_alone_has_nothing_to_be_adjusted_to(count: int) -> None:
    query, views = photographed(references(count))
    assert with_adjusted(query, views, OPTIONS) == views


def test_one_that_cannot_be_joined_is_left_out_where_others_can() -> None:
    given = references(5)
    query, views = photographed(given)
    wrong = matched_elsewhere(views[2])
    found = with_adjusted(query, [*views[:2], wrong, *views[3:]], OPTIONS)
    assert {view.uid for view in found} == {view.uid for view in views} - {wrong.uid}
    assert misfit(found, given)[0] < 0.03


def test_where_none_can_be_joined_all_stay() -> None:
    query, views = photographed(references())
    wrong = [matched_elsewhere(view) for view in views]
    assert with_adjusted(query, wrong, OPTIONS) == wrong


def test_places_apart_are_adjusted_apart() -> None:
    given = references()
    query, views = photographed(given)
    away = np.array([500.0, 0.0, 0.0])
    there = [
        replace(v, uid=f"far {v.uid}", pose=pose_from_center(v.pose[:3, :3], camera_center(v.pose) + away))
        for v in views
    ]
    found = with_adjusted(query, [*views, *there], OPTIONS)
    here = [view for view in found if not view.uid.startswith("far")]
    beyond = [view for view in found if view.uid.startswith("far")]
    assert len(here) == len(beyond) == len(views)
    assert {id(view.joint) for view in here}.isdisjoint({id(view.joint) for view in beyond})
    assert misfit(here, given)[0] < 0.03
    for one, other in zip(here, beyond, strict=True):
        np.testing.assert_allclose(camera_center(other.pose) - camera_center(one.pose), away, atol=0.01)


def test_the_same_photo_gives_the_same() -> None:
    query, views = photographed(references())
    first, again = (with_adjusted(query, views, OPTIONS) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert one.uid == other.uid
        np.testing.assert_array_equal(one.pose, other.pose)
