"""A map's parts on disk: back as they were, whole or not at all; and what is looked up in them, against brute force."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.data.database import Database
from geonav.data.map_store import MapPart, MapStore
from geonav.errors import DatabaseError, StorageError
from geonav.geometry.camera import Camera
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center
from tests.pipeline.mapping.made_map import CAMERA, ORIGIN

QUICK = settings(max_examples=50, deadline=None)
RADIAL = Camera("SIMPLE_RADIAL", 640, 480, (470.0, 318.0, 243.0, -0.05))


def random_part(seed: int, num_views: int = 5, num_points: int = 12) -> MapPart:
    """References, some of one frame, that saw points at random; some points nobody saw."""
    rng = np.random.default_rng(seed)
    seen = rng.random((num_points, num_views)) < 0.6
    point, view = np.nonzero(seen)
    keypoint = np.zeros(len(point), np.int64)
    for row in range(num_views):
        own = view == row
        keypoint[own] = rng.permutation(40)[: own.sum()]
    frames = np.minimum(np.arange(num_views), num_views - 2)  # the last two are views of one panorama
    size = 6 * (num_views - 1)
    root = rng.normal(size=(size, size))
    poses = [
        pose_from_center(rotation_from_angles(*rng.uniform(-40, 40, 3)), rng.normal(size=3)) for _ in range(num_views)
    ]
    return MapPart(
        uids=[f"ü{row}" for row in range(num_views)],
        stamps=[f"s{row}" for row in range(num_views)],
        feature_stamps=[f"f{row}" for row in range(num_views)],
        cameras=[RADIAL if row % 2 else CAMERA for row in range(num_views)],
        poses=np.array(poses),
        frames=frames,
        covariance=(root @ root.T).astype(np.float32),
        own_std=rng.random((num_views - 1, 2)),
        points=rng.normal(size=(num_points, 3)),
        view=view,
        keypoint=keypoint,
        point=point,
        pixels=rng.random((len(point), 2)).astype(np.float32),
        errors_px=rng.random(len(point)).astype(np.float32),
        facts={"drives": [{"name": "d", "offset_m": [1.0, 2.0, 3.0]}], "weak_tilt_deg": 0.5},
    )


def same(one: MapPart, other: MapPart) -> bool:
    def equal(name: str) -> bool:
        a, b = getattr(one, name), getattr(other, name)
        return bool(np.array_equal(a, b) and a.dtype == b.dtype) if isinstance(a, np.ndarray) else a == b

    return all(equal(field.name) for field in fields(MapPart))


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def model(folder: Path) -> None:
    folder.mkdir()
    (folder / "points3D.bin").write_bytes(b"points")


@pytest.fixture
def store(tmp_path: Path) -> MapStore:
    return MapStore(Database.create(tmp_path / "db", ORIGIN))


@QUICK
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 45), max_size=20))
def test_the_points_that_keypoints_show(seed: int, keypoints: list[int]) -> None:
    part = random_part(seed)
    shown = {(v, k): p for v, k, p in zip(part.view.tolist(), part.keypoint.tolist(), part.point.tolist(), strict=True)}
    for row in range(len(part.uids)):
        found = part.points_at(row, np.array(keypoints, np.int64))
        assert found.tolist() == [shown.get((row, keypoint), -1) for keypoint in keypoints]


def test_a_reference_that_sees_nothing_shows_nothing() -> None:
    part = random_part(0)
    keep = part.view != 2
    part = replace(part, view=part.view[keep], keypoint=part.keypoint[keep], point=part.point[keep])
    assert part.points_at(2, np.arange(5)).tolist() == [-1] * 5


@QUICK
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 11), max_size=15))
def test_all_that_saw_some_points(seed: int, points: list[int]) -> None:
    part = random_part(seed)
    rows, of = part.sightings(np.array(points, np.int64))
    expected = [(row, n) for n, point in enumerate(points) for row in np.flatnonzero(part.point == point).tolist()]
    assert list(zip(rows.tolist(), of.tolist(), strict=True)) == expected


@QUICK
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_the_covariance_of_some_references(seed: int, rows: list[int]) -> None:
    part = random_part(seed)
    found = part.covariance_of(rows)
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            f, g = part.frames[a], part.frames[b]
            expected = part.covariance[6 * f : 6 * f + 6, 6 * g : 6 * g + 6].astype(float)
            if f == g:  # what a frame is off alone, it is off in each of its views
                expected = expected + np.diag(np.repeat(part.own_std[f] ** 2, 3))
            np.testing.assert_allclose(found[6 * i : 6 * i + 6, 6 * j : 6 * j + 6], expected, rtol=1e-6, atol=1e-9)
    assert np.linalg.eigvalsh(found).min() > -1e-4 * np.linalg.eigvalsh(found).max()


def test_rows_are_found_by_name() -> None:
    part = random_part(0)
    assert [part.row_of[uid] for uid in part.uids] == [0, 1, 2, 3, 4]


def test_a_part_comes_back_as_it_was(store: MapStore) -> None:
    part = random_part(1)
    assert not store.has("p1")
    store.write("p1", part, {"told": [1, None]}, model)
    again = MapStore(Database.open(store.folder.parents[1]))
    assert again.part_ids() == ["p1"]
    assert again.has("p1")
    assert same(again.read("p1"), part)
    assert again.report("p1") == {"told": [1, None]}
    assert files_of(again.model_path("p1")) == {"points3D.bin": b"points"}
    assert list((store.folder / "tmp").iterdir()) == []


def test_what_solving_gave_comes_back_in_order(store: MapStore) -> None:
    pieces = [random_part(seed) for seed in range(3)]
    assert store.read_solved("n") is None
    store.write_solved("n", pieces)
    store.write_solved("none", [])
    found = store.read_solved("n")
    assert found is not None
    assert all(same(one, other) for one, other in zip(found, pieces, strict=True))
    assert store.read_solved("none") == []


class KilledError(BaseException):
    """As an interrupt, nothing that anyone catches."""


@pytest.mark.parametrize("is_first", [True, False])
def test_a_write_that_is_killed_leaves_what_was_there(store: MapStore, is_first: bool) -> None:
    def killed(folder: Path) -> None:
        model(folder)
        raise KilledError

    if not is_first:
        store.write("p", random_part(1), {"told": 1}, model)
    before = files_of(store.folder)
    with pytest.raises(KilledError):
        store.write("p", random_part(2), {"told": 2}, killed)
    assert files_of(store.folder) == before
    assert store.has("p") != is_first
    store.write("p", random_part(2), {"told": 2}, model)  # and the next run can
    assert same(store.read("p"), random_part(2))


def test_a_report_that_cannot_be_written_leaves_no_part(store: MapStore) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.write("p", random_part(1), {"told": float("nan")}, model)
    assert store.part_ids() == []
    assert files_of(store.folder) == {}


def test_a_part_without_its_report_is_not_there(store: MapStore) -> None:
    store.write("p", random_part(1), {}, model)
    (store.part_path("p") / "report.json").unlink()
    assert store.part_ids() == []
    assert not store.has("p")


def test_where_nothing_can_be_written_one_line_says_so(store: MapStore) -> None:
    store.folder.mkdir()
    (store.folder / "parts").write_text("a file")
    with pytest.raises(StorageError) as caught:
        store.write("p", random_part(1), {}, model)
    assert "\n" not in str(caught.value)


def rewritten(path: Path, name: str, value: object) -> None:
    """One of the arrays of a part replaced; left out if None."""
    with np.load(path) as stored:
        arrays = {key: stored[key] for key in stored.files if key != name}
    if value is not None:
        arrays[name] = np.frombuffer(json.dumps(value).encode(), np.uint8)
    np.savez(path, **arrays)  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "short", "no poses", "no JSON"])
def test_a_broken_part_is_told_of_in_one_line(store: MapStore, damage: str) -> None:
    store.write("p", random_part(1), {}, model)
    store.write_solved("p", [random_part(1)])
    for path in (store.part_path("p") / "part.npz", store.folder / "solved" / "p" / "0.npz"):
        if damage == "missing":
            path.unlink()
        elif damage == "no poses":
            rewritten(path, "poses", None)
        elif damage == "no JSON":
            rewritten(path, "poses", None)
            path.write_bytes(path.read_bytes().replace(b'["s0"', b'[?s0"'))
        else:
            path.write_bytes({"empty": b"", "text": b"hello", "short": path.read_bytes()[:900]}[damage])
    with pytest.raises(DatabaseError, match="geonav map build") as caught:
        store.read("p")
    assert "\n" not in str(caught.value)
    assert store.read_solved("p") is None


@pytest.mark.parametrize("cameras", [[{"model": "NEWER", "size": [1, 1], "params": [1.0]}] * 5, 7])
def test_a_part_with_cameras_that_are_none_is_broken(store: MapStore, cameras: object) -> None:
    store.write("p", random_part(1), {}, model)
    rewritten(store.part_path("p") / "part.npz", "cameras", cameras)
    with pytest.raises(DatabaseError):
        store.read("p")


def test_a_part_with_a_wrong_byte_is_read_or_broken(store: MapStore) -> None:
    store.write("p", part := random_part(1), {}, model)
    path = store.part_path("p") / "part.npz"
    content = path.read_bytes()
    for at in [*range(0, len(content), 97), *range(len(content) - 1000, len(content))]:
        path.write_bytes(content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :])
        try:
            assert same(store.read("p"), part)
        except DatabaseError:
            continue


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pieces": "many"}', "{}", '{"pieces": null}'])
def test_a_broken_note_of_what_was_solved_counts_for_nothing(store: MapStore, text: str) -> None:
    store.write_solved("n", [random_part(1)])
    (store.folder / "solved" / "n" / "solved.json").write_text(text)
    assert store.read_solved("n") is None


@pytest.mark.parametrize("text", [None, "", "{", "[]"])
def test_a_broken_report_is_told_of_in_one_line(store: MapStore, text: str | None) -> None:
    store.write("p", random_part(1), {}, model)
    path = store.part_path("p") / "report.json"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(DatabaseError) as caught:
        store.report("p")
    assert "\n" not in str(caught.value)


def test_what_is_not_named_is_forgotten_with_what_was_left_behind(store: MapStore) -> None:
    for name in ("a", "b"):
        store.write(name, random_part(1), {}, model)
        store.write_solved(name, [random_part(1)])
    (store.folder / "tmp" / "left").mkdir()
    (store.folder / "tmp" / "a").mkdir()
    store.links.write("x", {})
    store.forget_all_but({"a"}, {"b"})
    assert store.part_ids() == ["a"]
    assert same(store.read("a"), random_part(1))
    assert store.read_solved("a") is None
    assert store.read_solved("b") is not None
    assert list((store.folder / "tmp").iterdir()) == []
    assert (store.folder / "links" / "x.npz").exists()


def test_names_stay_within_the_map(store: MapStore) -> None:
    for name in ("../a", "a/b", "", ".."):
        with pytest.raises(DatabaseError):
            store.part_path(name)
