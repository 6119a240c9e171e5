"""The recipes of examples/ on tiny trees of the layouts in which their datasets are published."""

from __future__ import annotations

import io
import runpy
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from geonav.data.database import Database
from geonav.formats.hloc import write_query_list
from geonav.formats.quaternions import pose_numbers
from geonav.formats.vpr import UtmZone
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint, distance_m
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import camera_center, pose_from_center
from tests.data.photos import pixels, write_jpeg
from tests.providers.colmap_models import view, write_binary

RECIPES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Ended:
    """What a recipe left behind."""

    returncode: int
    stdout: str
    stderr: str


def _run(name: str, *arguments: str | Path) -> Ended:
    """Run a recipe as a script does, in this process: starting another takes longer than what most of them do."""
    out, code = io.StringIO(), None
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        try:
            runpy.run_path(str(RECIPES / f"{name}.py"), run_name="__main__")
        except SystemExit as error:
            code = error.code
    # The interpreter prints a text that a program exits with, and ends with 1.
    return Ended(0 if code is None else 1, out.getvalue(), "" if code is None else f"{code}\n")


def _entries(path: Path) -> dict[str, object]:
    database = Database.open(path)
    return {database.metadata(uid).source_name or uid: database.metadata(uid) for uid in database.uids()}


@pytest.fixture
def aachen(tmp_path: Path) -> Path:
    root = tmp_path / "aachen_v1.1"
    names = ["db/1.jpg", "db/2.jpg", "sequences/nexus4/aachen_000001.jpg"]
    for number, name in enumerate([*names, "query/day/milestone/3.jpg", "query/night/nexus5x/4.jpg"]):
        write_jpeg(root / "images_upright" / name, seed=number)
    write_binary(root / "3D-models" / "aachen_v_1_1", [view(name, number) for number, name in enumerate(names)])
    camera = Camera("SIMPLE_RADIAL", 96, 64, (90.0, 48.0, 32.0, 0.01))
    (root / "queries").mkdir()
    for time, name in (("day", "query/day/milestone/3.jpg"), ("night", "query/night/nexus5x/4.jpg")):
        write_query_list(root / "queries" / f"{time}_time_queries_with_intrinsics.txt", [(name, camera)])
    return root


def test_aachen(aachen: Path, tmp_path: Path) -> None:
    ended = _run("aachen", aachen, tmp_path / "out", "--prepare")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "3 references imported, 0 failed\n2 queries in 2 lists\n"
    entries = _entries(tmp_path / "out" / "references")
    np.testing.assert_allclose(entries["db/2.jpg"].pose, view("", 1).pose, atol=1e-9)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_aachen_to_the_end(aachen: Path, tmp_path: Path) -> None:
    ended = _run("aachen", aachen, tmp_path / "out")
    assert ended.returncode == 0
    assert "of 2 queries located\n" in ended.stdout
    assert (tmp_path / "out" / "Aachen_v1_1_eval_geonav.txt").exists()


@pytest.fixture
def cambridge(tmp_path: Path) -> Path:
    scene = tmp_path / "ShopFacade"
    header = "Visual Landmark Dataset V1\nImageFile, Camera Position [X Y Z W P Q R]\n\n"
    model = ["NVM_V3 ", "", "3"]
    lists: dict[str, str] = {"train": header, "test": header}
    for number, (part, name) in enumerate([("train", "seq1/a.png"), ("train", "seq1/b.png"), ("test", "seq2/c.png")]):
        (scene / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(seed=number)).save(scene / name)
        pose = _cambridge_pose(number)
        place = " ".join(f"{value:.9f}" for value in camera_center(pose))
        quaternion = " ".join(f"{value:.9f}" for value in pose_numbers(pose)[:4])
        lists[part] += f"{name} {place} {quaternion}\n"
        model.append(f"{name.replace('.png', '.jpg')}\t{80 + number}.5 {quaternion} {place} 0.01 0")
    for part, text in lists.items():
        (scene / f"dataset_{part}.txt").write_text(text)
    (scene / "reconstruction.nvm").write_text("\n".join([*model, "", "1", "1 2 3 255 255 255 1 0 0 1 1", "0"]) + "\n")
    return scene


def _cambridge_pose(number: int) -> np.ndarray:
    return pose_from_center(rotation_from_angles(30.0 * number, 2.0, 1.0), [number, 2.0, 1.5])


def test_cambridge(cambridge: Path, tmp_path: Path) -> None:
    ended = _run("cambridge", cambridge, tmp_path / "out")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "references: 2 imported, 0 failed\nqueries: 1 imported, 0 failed\n"
    for role, name, number in (("references", "seq1/b.png", 1), ("queries", "seq2/c.png", 2)):
        entry = _entries(tmp_path / "out" / role)[name]
        np.testing.assert_allclose(entry.pose, _cambridge_pose(number), atol=1e-7)  # type: ignore[attr-defined]
        assert entry.camera.focal_px == 80.5 + number  # type: ignore[attr-defined]


PLACES = {"000/000001_pitch1_yaw1.jpg": (40.4401, -80.0011), "000/000001_pitch1_yaw2.jpg": (40.4401, -80.0011)}
QUERY = ("000/000002_pitch2_yaw3.jpg", (40.4402, -80.0012))


@pytest.fixture
def pitts30k(tmp_path: Path) -> Path:
    """As the authors of NetVLAD publish it."""
    root = tmp_path / "pitts30k"
    for number, name in enumerate(PLACES):
        write_jpeg(root / name, seed=number)
    write_jpeg(root / "queries_real" / QUERY[0], seed=9)
    zone = UtmZone.parse("17T")
    struct = {
        "whichSet": "test",
        "dbImageFns": np.array([[name] for name in PLACES], object),  # cells of one column
        "utmDb": np.array([zone.east_north(*place) for place in PLACES.values()]).T,
        "qImageFns": np.array([[QUERY[0]]], object),
        "utmQ": np.array([zone.east_north(*QUERY[1])]).T,
        "numImages": 2,
        "numQueries": 1,
        "posDistThr": 25,
    }
    (root / "datasets").mkdir()
    savemat(root / "datasets" / "pitts30k_test.mat", {"dbStruct": struct})
    return root


def _check_pitts(out: Path, num_references: int) -> None:
    references, queries = _entries(out / "references"), _entries(out / "queries")
    assert (len(references), len(queries)) == (num_references, 1)
    (query,) = queries.values()
    place = GeoPoint(query.lat, query.lng)  # type: ignore[attr-defined]
    assert distance_m(place, GeoPoint(*QUERY[1])) < 0.01


def test_pitts30k_as_published(pitts30k: Path, tmp_path: Path) -> None:
    ended = _run("pitts30k", pitts30k, tmp_path / "out")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "references: 2 imported, 0 failed\nqueries: 1 imported, 0 failed\n"
    _check_pitts(tmp_path / "out", 2)


def test_pitts30k_as_a_tree(tmp_path: Path) -> None:
    zone = UtmZone.parse("17T")
    for role, (lat, lng) in (("database", PLACES["000/000001_pitch1_yaw1.jpg"]), ("queries", QUERY[1])):
        east, north = zone.east_north(lat, lng)
        name = f"@{east:010.2f}@{north:010.2f}@17@T@{lat:09.5f}@{lng:010.5f}@000001@00@@@@@@pitch1_yaw1@.jpg"
        write_jpeg(tmp_path / "tree" / "images" / "val" / role / name)
    ended = _run("pitts30k", tmp_path / "tree", tmp_path / "out", "--split", "val")
    assert (ended.returncode, ended.stderr) == (0, "")
    _check_pitts(tmp_path / "out", 1)


@pytest.fixture
def msls(tmp_path: Path) -> Path:
    root = tmp_path / "MSLS"
    for role, keys in (("database", "abc"), ("query", "d")):
        folder = root / "train_val" / "cph" / role
        lines = [",key,lon,lat,ca,captured_at,pano"]
        for number, key in enumerate(keys):
            write_jpeg(folder / "images" / f"{key}.jpg", seed=ord(key))
            lines.append(f"{number},{key},12.5{number},55.6{number},{90 + number}.5,2018-06-01,{key == 'c'}")
        (folder / "raw.csv").write_text("\n".join(lines) + "\n")
    return root


def test_msls(msls: Path, tmp_path: Path) -> None:
    ended = _run("msls", msls, tmp_path / "out")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "references: 2 imported, 0 failed\nqueries: 1 imported, 0 failed\n"
    entry = _entries(tmp_path / "out" / "references")["b.jpg"]
    assert (entry.lat, entry.lng, entry.azn, entry.E) == (55.61, 12.51, 91.5, None)  # type: ignore[attr-defined]


def test_a_broken_list_is_named(msls: Path, cambridge: Path, aachen: Path, pitts30k: Path, tmp_path: Path) -> None:
    with (msls / "train_val" / "cph" / "query" / "raw.csv").open("a") as stream:
        stream.write("1,e,12.5,x,1,2018-06-01,False\n")
    with (cambridge / "dataset_test.txt").open("a") as stream:
        stream.write("seq2/c.png 1 2 3\n")
    (aachen / "queries" / "day_time_queries_with_intrinsics.txt").write_text("a PINHOLE\n")
    (pitts30k / "datasets" / "pitts30k_test.mat").write_bytes(b"nonsense")
    runs = [
        (_run("msls", msls, tmp_path / "m"), "raw.csv, line 3: "),
        (_run("cambridge", cambridge, tmp_path / "c"), "dataset_test.txt, line 5: "),
        (_run("aachen", aachen, tmp_path / "a", "--prepare"), "day_time_queries_with_intrinsics.txt, line 1: "),
        (_run("pitts30k", pitts30k, tmp_path / "p"), "pitts30k_test.mat does not hold"),
        (_run("pitts30k", tmp_path, tmp_path / "p"), "holds neither"),
    ]
    for ended, reason in runs:
        assert ended.returncode == 1
        assert ended.stderr.startswith("error: ")
        assert reason in ended.stderr
        assert ended.stderr.count("\n") == 1
