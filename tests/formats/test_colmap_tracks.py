"""Keypoints and points of COLMAP models, written and read, also by pycolmap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.errors import InputError
from geonav.formats.colmap import Points, PosedImage, write_model
from geonav.formats.colmap_read import read_tracks
from geonav.geometry.camera import Camera
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_matrix

CAMERAS = [Camera.from_focal(96, 64, 70.0), Camera("OPENCV", 10, 20, (9.0, 8.0, 5.0, 10.0, 0.1, 0.2, 0.3, 0.4))]


@st.composite
def models(draw: Any) -> tuple[list[PosedImage], Points]:
    """Up to four images with keypoints that show some of up to five points."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_points = draw(st.integers(0, 5))
    images = []
    for number in range(draw(st.integers(1, 4))):
        keypoints = rng.uniform(-5, 100, (draw(st.integers(0, 6)), 2))
        points = rng.permutation(np.r_[np.arange(num_points), np.full(6, -1)])[: len(keypoints)]
        pose = pose_matrix(rotation_from_angles(*rng.uniform(-90, 90, 3)), rng.normal(size=3) * 1e3)
        name = draw(st.sampled_from(["a", "ü/b", "x/y.jpg"])) + str(number)
        images.append(PosedImage(name, CAMERAS[number % 2], pose, keypoints, points))
    return images, Points(rng.normal(size=(num_points, 3)), rng.uniform(0, 2, num_points))


@settings(max_examples=25, deadline=None)
@given(models(), st.sampled_from(["txt", "bin"]))
def test_a_model_round_trips(tmp_path_factory: pytest.TempPathFactory, model: Any, form: Any) -> None:
    images, points = model
    folder = tmp_path_factory.mktemp("model")
    write_model(folder, images, points, form=form)
    observed, read = read_tracks(folder)
    np.testing.assert_array_equal(read.xyz, points.xyz)
    np.testing.assert_array_equal(read.errors_px, points.errors_px)
    assert list(observed) == [image.name for image in images]
    by_peer = {image.name: image for image in pycolmap.Reconstruction(folder).images.values()}
    for image in images:
        np.testing.assert_array_equal(observed[image.name].keypoints, image.keypoints)
        np.testing.assert_array_equal(observed[image.name].points, image.points)
        np.testing.assert_allclose(by_peer[image.name].cam_from_world().matrix(), image.pose[:3], atol=1e-9)
        assert [point.has_point3D() for point in by_peer[image.name].points2D] == (image.points >= 0).tolist()


def test_a_name_with_a_blank_needs_a_binary_model(tmp_path: Path) -> None:
    images = [PosedImage("a b.jpg", CAMERAS[0], np.eye(4))]
    with pytest.raises(InputError, match="up to its blank: write a binary model"):
        write_model(tmp_path, images, form="txt")
    write_model(tmp_path, images, form="bin")
    assert list(read_tracks(tmp_path)[0]) == ["a b.jpg"]
    assert [image.name for image in pycolmap.Reconstruction(tmp_path).images.values()] == ["a b.jpg"]


def _model(folder: Path, form: Any) -> Path:
    keypoints = np.array([[1.0, 2.0], [3.0, 4.0]])
    images = [PosedImage(name, CAMERAS[0], np.eye(4), keypoints, np.array([0, -1])) for name in ("a", "b")]
    write_model(folder, images, Points(np.ones((1, 3)), np.ones(1)), form=form)
    return folder


@pytest.mark.parametrize("name", ["images.bin", "points3D.bin"])
def test_a_file_cut_anywhere_is_named(tmp_path: Path, name: str) -> None:
    path = _model(tmp_path, "bin") / name
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=name):
            read_tracks(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read_tracks(tmp_path)


@pytest.mark.parametrize(
    ("name", "line", "text"),
    [
        ("images.txt", 2, "1 1 0 0 0"),
        ("images.txt", 3, "1.0 2.0"),
        ("images.txt", 3, "1.0 x 1"),
        ("points3D.txt", 2, "1 1.0 2.0"),
        ("points3D.txt", 2, "x 1 1 1 0 0 0 1"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, name: str, line: int, text: str) -> None:
    path = _model(tmp_path, "txt") / name
    lines = path.read_text().split("\n")
    lines[line - 1] = text
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=rf"{name}, line {line}: ") as error:
        read_tracks(tmp_path)
    assert "\n" not in str(error.value)


def test_a_point_that_is_not_there_is_named(tmp_path: Path) -> None:
    (_model(tmp_path, "txt") / "points3D.txt").write_text("")
    with pytest.raises(InputError, match=r"image a shows point 1, which points3D\.txt lacks"):
        read_tracks(tmp_path)
