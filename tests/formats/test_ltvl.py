"""The pose file of the long-term visual localisation benchmark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pycolmap
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geonav.errors import InputError
from geonav.formats.ltvl import located_poses, read_ltvl, write_ltvl
from geonav.formats.quaternions import quaternion_from_rotation, rotation_from_quaternion
from geonav.geometry.pose import camera_center, pose_matrix
from tests.formats.results import located, pose_of, refused

QUATERNIONS = arrays(float, 4, elements=st.floats(-1, 1)).filter(lambda q: np.linalg.norm(q) > 1e-3)


@settings(max_examples=50)
@given(QUATERNIONS)
def test_rotations_are_those_of_pycolmap(raw: np.ndarray) -> None:
    quaternion = raw / np.linalg.norm(raw)
    w, x, y, z = quaternion
    rotation = rotation_from_quaternion(quaternion.tolist())
    np.testing.assert_allclose(rotation, pycolmap.Rotation3d(np.array([x, y, z, w])).matrix(), atol=1e-12)
    back = np.array(quaternion_from_rotation(rotation))
    assert back[0] >= 0
    np.testing.assert_allclose(rotation_from_quaternion(back.tolist()), rotation, atol=1e-12)


@settings(max_examples=20)
@given(st.lists(st.tuples(QUATERNIONS, arrays(float, 3, elements=st.floats(-1e5, 1e5))), max_size=4))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, raw: list[tuple]) -> None:
    poses = [
        (f"db/{i}.jpg", pose_matrix(rotation_from_quaternion(q / np.linalg.norm(q)), t)) for i, (q, t) in enumerate(raw)
    ]
    path = tmp_path_factory.mktemp("ltvl") / "poses.txt"
    assert write_ltvl(path, poses) == len(poses)
    read = read_ltvl(path)
    assert list(read) == [name for name, _ in poses]
    for name, pose in poses:
        np.testing.assert_allclose(read[name][:3, :3], pose[:3, :3], atol=1e-12)
        np.testing.assert_array_equal(read[name][:3, 3], pose[:3, 3])


def test_t_is_the_translation_and_not_the_centre(tmp_path: Path) -> None:
    result = located("queries/night/a.jpg")
    write_ltvl(tmp_path / "p.txt", located_poses([result, refused()]))
    name, *numbers = (tmp_path / "p.txt").read_text().split()
    w, x, y, z, *t = map(float, numbers)
    rotation = pycolmap.Rotation3d(np.array([x, y, z, w])).matrix()
    assert name == "a.jpg"
    np.testing.assert_allclose(t, pose_of(result)[:3, 3], atol=1e-9)
    np.testing.assert_allclose(-rotation.T @ t, camera_center(pose_of(result)), atol=1e-9)


def test_folders_are_kept_where_asked(tmp_path: Path) -> None:
    assert located_poses([located("rear/1.jpg")], keep_folders=True)[0][0] == "rear/1.jpg"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a.jpg 1 0 0 0 1 2", "not name qw qx qy qz tx ty tz"),
        ("a.jpg 1 0 0 0 1 2 x", "not name qw qx qy qz tx ty tz"),
        ("a.jpg 1 1 0 0 1 2 3", "not of length 1"),
        ("a.jpg 1 0 0 0 1 2 nan", "finite"),
        ("first.jpg 1 0 0 0 1 2 3", "twice"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "poses.txt"
    path.write_text(f"# comment\nfirst.jpg 1 0 0 0 1 2 3\n{line}\n")
    with pytest.raises(InputError, match=rf"poses\.txt, line 3: .*{reason}") as error:
        read_ltvl(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00\xd8"])
def test_a_file_that_is_none_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "poses.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"poses\.txt"):
        read_ltvl(path)


@pytest.mark.parametrize("names", [["a b.jpg"], [""], ["a", "a"], ["#a"]])
def test_names_that_the_format_cannot_hold_are_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(InputError, match="pose file cannot hold"):
        write_ltvl(tmp_path / "p.txt", [(name, np.eye(4)) for name in names])
    with pytest.raises(InputError, match="not finite"):
        write_ltvl(tmp_path / "p.txt", [("a", np.full((4, 4), np.nan))])
    assert list(tmp_path.iterdir()) == []
