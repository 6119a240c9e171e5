"""Localisation against a map: references stand where it puts them while it holds, and silent ones join."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.data.database import Database
from geonav.data.map_store import MapPart, MapStore
from geonav.data.metadata import ImageMetadata
from geonav.geometry.camera import Camera
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center
from geonav.pipeline.mapped import Mapped, with_silent
from geonav.pipeline.mapping.views import stamp_of
from geonav.pipeline.stored import StoredFeatures
from geonav.pose.tracks import View
from tests.data.photos import jpeg
from tests.pipeline.mapping.made_map import CAMERA, ORIGIN, made_part

SOLVED = Camera("SIMPLE_RADIAL", 640, 480, (470.0, 318.0, 243.0, -0.05))
SAID = pose_from_center(rotation_from_angles(10.0), (1.0, 2.0, 3.0))
ENTRY: dict[str, Any] = {
    "w": 640, "h": 480, "K": CAMERA.K.tolist(), "E": SAID.tolist(), "position_std_m": 2.0, "source_sha256": "aa",
    "map_version": "p",
}  # fmt: skip
SETTINGS = {"model": "disk", "max_keypoints": 100}


def view_of(uid: str, keypoints: Sequence[int] = (), queries: Sequence[int] = (), std_m: float = 2.0) -> View:
    """A matched reference as its source describes it."""
    return View(
        uid, CAMERA, SAID, np.full((len(keypoints), 2), 5.0), np.array(queries, np.int64), noise_px=1.5,
        position_std_m=(std_m,) * 3, keypoints=np.array(keypoints, np.int64), scale_std=0.01,
    )  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Three references, all on a map."""
    made = Database.create(tmp_path / "db", ORIGIN)
    entry = ImageMetadata.model_validate(ENTRY)
    for uid in ("a", "b", "c"):
        made.add_entry(uid, jpeg(), entry)
    part = made_part(["a", "b", "c"], 20)
    features = StoredFeatures(made, SETTINGS)
    part = replace(
        part, stamps=[stamp_of(entry)] * 3, cameras=[SOLVED] * 3, feature_stamps=[features.stamp_of("a")] * 3
    )
    MapStore(made).write("p", part, {}, Path.mkdir)
    return made


def holds(database: Database, uid: str = "b", features: dict[str, Any] | None = None, **changes: Any) -> bool:
    metadata = ImageMetadata.model_validate({**ENTRY, **changes})
    return Mapped(database, StoredFeatures(database, features or SETTINGS)).holds(uid, metadata)


def test_a_reference_stands_where_the_map_puts_it(database: Database) -> None:
    mapped = Mapped(database, StoredFeatures(database, SETTINGS))
    view = view_of("b", [1, 2], [3, 4])
    placed = mapped.placed(view, database.metadata("b"))
    part = MapStore(database).read("p")
    np.testing.assert_array_equal(placed.pose, part.poses[1])
    assert placed.camera == SOLVED
    assert placed.row == 1
    assert isinstance(placed.joint, MapPart)
    np.testing.assert_array_equal(placed.joint.covariance_of([placed.row]), part.covariance_of([1]))
    np.testing.assert_array_equal(placed.keypoints, view.keypoints)
    assert mapped.placed(view_of("a"), database.metadata("a")).joint is placed.joint  # they know what they share


@pytest.mark.parametrize(
    "changes",
    [
        {"map_version": None},
        {"map_version": "another"},
        {"E": pose_from_center(rotation_from_angles(10.0), (1.0, 2.0, 3.5)).tolist()},
        {"K": [[400.0, 0, 320], [0, 400.0, 240], [0, 0, 1]]},
        {"position_std_m": 1.0},
        {"source_sha256": "bb"},
    ],
)
def test_the_map_holds_only_while_nothing_changed(database: Database, changes: dict[str, Any]) -> None:
    assert holds(database)
    assert not holds(database, **changes)
    metadata = ImageMetadata.model_validate({**ENTRY, **changes})
    view = view_of("b")
    assert Mapped(database, StoredFeatures(database, SETTINGS)).placed(view, metadata) is view


def test_the_map_does_not_hold_for_other_features_or_another_mask(database: Database) -> None:
    assert not holds(database, features={**SETTINGS, "max_keypoints": 200})
    (database.entry_path("b") / "mask.png").write_bytes(b"mask")
    assert not holds(database)
    assert holds(database, "a")


def test_who_is_in_no_part_or_in_a_broken_one_is_not_held(database: Database) -> None:
    assert not holds(database, "z")
    path = MapStore(database).part_path("p") / "part.npz"
    path.write_bytes(path.read_bytes()[:500])
    assert not holds(database)


def test_a_version_that_cannot_be_a_part_is_none(database: Database) -> None:
    assert not holds(database, map_version="../p")


def street_part(seed: int, num_views: int = 10, num_points: int = 60) -> MapPart:
    """A part whose points were seen at random, each keypoint where its number says."""
    rng = np.random.default_rng(seed)
    part = made_part([f"r{row}" for row in range(num_views)], num_points)
    point, view = np.nonzero(rng.random((num_points, num_views)) < rng.uniform(0.2, 0.9, num_views))
    keypoint = point + 100 * view
    pixels = np.column_stack([keypoint, view]).astype(np.float32)
    cameras = [Camera.from_focal(320 * (1 + row % 3), 480, 500.0) for row in range(num_views)]
    return replace(
        part, view=view, point=point, keypoint=keypoint, pixels=pixels, errors_px=np.ones(len(point), np.float32),
        cameras=cameras,
    )  # fmt: skip


def matched(part: MapPart, row: int, rng: np.random.Generator, num_queries: int = 60) -> View:
    """A reference on the map; of its matches, some show points, and each keypoint of the photo is matched once."""
    own = part.keypoint[part.view == row]
    keypoints = np.concatenate([rng.permutation(own)[: rng.integers(0, len(own) + 1)], [5000 + row, 6000 + row]])
    queries = rng.permutation(max(num_queries, len(keypoints)))[: len(keypoints)]
    view = view_of(part.uids[row], keypoints.tolist(), queries.tolist())
    pixels = np.column_stack([keypoints, np.full(len(keypoints), row)]).astype(float)
    return replace(view, pixels=pixels, camera=part.cameras[row], pose=part.poses[row], joint=part, row=row)


def shown(part: MapPart, views: Sequence[View]) -> set[tuple[int, int]]:
    """Keypoints of the photo and points, by brute force."""
    at = {(v, k): p for v, k, p in zip(part.view.tolist(), part.keypoint.tolist(), part.point.tolist(), strict=True)}
    return {
        (int(query), at[view.row, int(keypoint)])
        for view in views
        for query, keypoint in zip(view.query_index, view.keypoints, strict=True)
        if (view.row, int(keypoint)) in at
    }


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_silent_references_show_what_the_map_says_they_saw(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    part = street_part(seed)
    own = [matched(part, row, rng) for row in rng.permutation(len(part.uids))[:count].tolist()]
    found = with_silent(own)
    seen = {(v, p): pixel for v, p, pixel in zip(part.view.tolist(), part.point.tolist(), part.pixels, strict=True)}
    pairs = shown(part, own)
    assert [view.uid for view in found[:count]] == [view.uid for view in own]
    assert len({view.uid for view in found}) == len(found) <= count + 6
    for number, view in enumerate(found):
        assert view.joint is part
        assert len(view.pixels) == len(view.query_index) == len(set(view.query_index.tolist()))
        start = len(own[number].pixels) if number < count else 0
        if number < count:
            np.testing.assert_array_equal(view.pixels[:start], own[number].pixels)  # its own matches come first
            np.testing.assert_array_equal(view.query_index[:start], own[number].query_index)
            assert len(view.keypoints) == len(view.pixels)
        else:
            assert len(view.pixels) >= 12
            assert view.camera == part.cameras[view.row]
            np.testing.assert_array_equal(view.pose, part.poses[view.row])
            assert view.noise_px == pytest.approx(1.5 * view.camera.width / own[0].camera.width)
        for query, pixel in zip(view.query_index[start:].tolist(), view.pixels[start:], strict=True):
            could = [seen[view.row, point] for q, point in pairs if q == query and (view.row, point) in seen]
            assert any(np.array_equal(pixel, one) for one in could)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_those_that_saw_most_join(seed: int) -> None:
    rng = np.random.default_rng(seed)
    part = street_part(seed)
    own = [matched(part, 0, rng)]
    pairs = shown(part, own)
    seen = set(zip(part.view.tolist(), part.point.tolist(), strict=True))
    counts = {row: len({q for q, point in pairs if (row, point) in seen}) for row in range(1, len(part.uids))}
    found = {view.row: len(view.pixels) for view in with_silent(own)[1:]}
    assert found == {row: counts[row] for row in found}
    enough = [count for count in counts.values() if count >= 12]
    assert sorted(found.values(), reverse=True) == sorted(enough, reverse=True)[:6]


def test_without_a_map_nothing_changes() -> None:
    views = [view_of("a", [1], [2]), view_of("b", [3], [4])]
    assert with_silent(views) == views
    assert with_silent([]) == []


def test_doubtful_references_off_the_map_are_left_out_beside_it() -> None:
    part = street_part(1)
    on_map = matched(part, 0, np.random.default_rng(1))
    doubtful, sure = view_of("x", [1], [2], std_m=2.0), view_of("y", [1], [2], std_m=0.05)
    found = with_silent([doubtful, on_map, sure])
    assert [view.uid for view in found[:2]] == [on_map.uid, "y"]
    assert "x" not in {view.uid for view in found}
    assert found[1] is sure


def test_references_of_two_parts_each_bring_their_own() -> None:
    parts = [street_part(2), street_part(3)]
    own = [matched(part, 0, np.random.default_rng(seed)) for seed, part in enumerate(parts)]
    both = with_silent(own)
    alone = [with_silent([view]) for view in own]
    for part, single in zip(parts, alone, strict=True):
        ours = {view.row: view.pixels.tolist() for view in both if view.joint is part}
        assert ours == {view.row: view.pixels.tolist() for view in single}
