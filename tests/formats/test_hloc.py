"""hloc's files, read back by h5py alone and by geonav."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.config import load_config
from geonav.errors import InputError
from geonav.formats import hloc
from geonav.geometry.camera import Camera
from geonav.pipeline.export_hloc import HlocExport, export_hloc
from tests.formats.scene import Scene, make_scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("scene") / "db")


@pytest.fixture(scope="module")
def exported(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hloc")
    report = export_hloc(scene.database.path, folder, load_config(), HlocExport(num_pairs=2))
    assert (report.num_images, [uid for uid, _ in report.left_out]) == (4, ["unposed"])
    return folder


def test_h5py_finds_what_hloc_wants(scene: Scene, exported: Path) -> None:
    with h5py.File(exported / "feats-disk.h5") as file:
        group = file["p0/image.jpg"]
        keypoints = scene.database.read_features("p0", "disk", _stamp(scene)).keypoints
        np.testing.assert_array_equal(group["keypoints"][()], keypoints - np.float32(0.5))
        assert group["descriptors"].shape == (128, 40)
        assert group["scores"].shape == (40,)
        assert list(group["image_size"]) == [96, 64]
        # p1 is stored on its side: hloc sees 96x64 pixels, and keypoints must lie where they are in those.
        x, y = scene.database.read_features("p1", "disk", _stamp(scene)).keypoints[0]
        assert list(file["p1/image.jpg"]["image_size"]) == [96, 64]
        np.testing.assert_allclose(file["p1/image.jpg"]["keypoints"][0], [y - 0.5, 64 - x - 0.5], atol=1e-4)


def _stamp(scene: Scene) -> str:
    from geonav.pipeline.stored import StoredFeatures
    from tests.formats.scene import SETTINGS

    return StoredFeatures(scene.database, SETTINGS).stamp


def test_features_round_trip(scene: Scene, exported: Path) -> None:
    rows = list(hloc.read_features(exported / "feats-disk.h5"))
    assert [row.name for row in rows] == [f"p{i}/image.jpg" for i in range(4)]
    stored = scene.database.read_features("p2", "disk", _stamp(scene))
    (row,) = hloc.read_features(exported / "feats-disk.h5", ["p2/image.jpg"])
    np.testing.assert_allclose(row.features.keypoints, stored.keypoints, atol=1e-5)
    np.testing.assert_array_equal(row.features.descriptors, stored.descriptors)


def test_pairs_are_the_nearest_that_look_the_same_way(exported: Path) -> None:
    pairs = hloc.read_pairs(exported / "pairs.txt")
    assert pairs[:2] == [("p0/image.jpg", "p1/image.jpg"), ("p0/image.jpg", "p2/image.jpg")]
    assert len(pairs) == 8


def test_the_query_list_has_the_cameras_of_the_stored_pictures(scene: Scene, exported: Path) -> None:
    cameras = hloc.read_query_list(exported / "queries_with_intrinsics.txt")
    assert cameras["p0/image.jpg"] == scene.database.metadata("p0").camera
    upright = scene.database.metadata("p1").camera
    assert cameras["p1/image.jpg"].rotated(6)[0] == upright


@settings(max_examples=15)
@given(st.permutations(range(6)), st.integers(0, 6))
def test_matches_round_trip_both_ways(tmp_path_factory: pytest.TempPathFactory, order: list[int], count: int) -> None:
    path = tmp_path_factory.mktemp("m") / "matches.h5"
    pairs = np.column_stack([np.arange(count), np.array(order[:count], int)]).reshape(-1, 2)
    scores = np.linspace(0, 1, count).astype(np.float32)
    assert hloc.write_matches(path, [hloc.MatchRow("a/b.jpg", "c/d.jpg", pairs, scores, 6)]) == 1
    (row,) = hloc.read_matches(path, [("a/b.jpg", "c/d.jpg"), ("a/b.jpg", "e")])
    (turned,) = hloc.read_matches(path, [("c/d.jpg", "a/b.jpg")])
    for found in (row, turned):
        assert (found.name0, found.name1) == ("a/b.jpg", "c/d.jpg")
        np.testing.assert_array_equal(found.pairs, pairs)
        np.testing.assert_allclose(found.scores, scores, atol=1e-3)
    with h5py.File(path) as file:
        assert file["a-b.jpg/c-d.jpg/matches0"].shape == (6,)


def test_lists_round_trip(tmp_path: Path) -> None:
    cameras = {"a.jpg": Camera("OPENCV", 10, 20, (1.5, 2.5, 3.5, 4.5, 0.1, 0.2, 0.3, 0.4))}
    hloc.write_query_list(tmp_path / "q.txt", cameras.items())
    assert hloc.read_query_list(tmp_path / "q.txt") == cameras
    hloc.write_pairs(tmp_path / "p.txt", [("a", "b"), ("a", "c")])
    assert hloc.read_pairs(tmp_path / "p.txt") == [("a", "b"), ("a", "c")]
    with pytest.raises(InputError, match="split at blanks"):
        hloc.write_pairs(tmp_path / "p.txt", [("a b", "c")])


@pytest.mark.parametrize(
    "line",
    ["b.jpg PINHOLE 1 2 3", "b.jpg NOPE 10 10 5 5 5", "b.jpg PINHOLE x 2 3 4 5 6", "b", "a.jpg PINHOLE 10 10 5 5 5 5"],
)
def test_a_broken_query_list_names_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "q.txt").write_text(f"a.jpg PINHOLE 10 10 5 5 5 5\n\n{line}\n")
    with pytest.raises(InputError, match=r"q\.txt, line 3: ") as error:
        hloc.read_query_list(tmp_path / "q.txt")
    assert "\n" not in str(error.value)


def test_a_broken_pair_list_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("a b\na b c\n")
    with pytest.raises(InputError, match=r"p\.txt, line 2: "):
        hloc.read_pairs(tmp_path / "p.txt")


def test_files_that_are_not_hlocs_are_named(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with pytest.raises(InputError, match=r"f\.h5 cannot be read: there is no such file"):
        list(hloc.read_features(path))
    path.write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"f\.h5 cannot be read: it is not HDF5"):
        list(hloc.read_features(path))
    path.unlink()
    with h5py.File(path, "w") as file:
        file["a/keypoints"] = np.zeros((3, 2))
        file["a-b/c/nothing"] = 1
    with pytest.raises(InputError, match=r"f\.h5: the features of 'a' are not hloc's"):
        list(hloc.read_features(path))
    with pytest.raises(InputError, match=r"f\.h5 has no image 'z'"):
        list(hloc.read_features(path, ["z"]))
    with pytest.raises(InputError, match=r"f\.h5: the matches of 'a-b/c' are not hloc's"):
        list(hloc.read_matches(path, [("a/b", "c")]))
