"""Maps of made features: what is built, added, kept, resumed and refused."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from PIL import Image

from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.data.map_store import MapStore
from geonav.errors import DatabaseError
from geonav.geometry.pose import camera_center, pose_from_center
from geonav.pipeline.mapping.build import add_to_map, build_map
from geonav.pipeline.mapping.report import map_report
from geonav.pipeline.stages import load_features
from geonav.vision.mutual_nn import MutualNearestNeighbor
from tests.pipeline.mapping.painted import (
    CAMERA,
    PaintedStreet,
    Reference,
    along_street,
    errors_m,
    map_config,
    said_errors_m,
    store,
)

STREET = PaintedStreet()
REFERENCES = along_street(STREET, 8)
LATER = along_street(STREET, 11, prefix="z")[8:]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("painted") / "db"
    store(path, STREET, REFERENCES)
    return path


@pytest.fixture(scope="module")
def built(stored: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("built") / "db"
    shutil.copytree(stored, path)
    build_map(Database.open(path), map_config())
    return path


def copied(path: Path, folder: Path) -> Database:
    shutil.copytree(path, folder / "copy")
    return Database.open(folder / "copy")


def poses(database: Database) -> dict[str, np.ndarray]:
    found = {uid: database.metadata(uid).E_refined for uid in database.uids()}
    return {uid: np.array(pose) for uid, pose in found.items() if pose is not None}


def relative_errors_m(found: dict[str, np.ndarray], references: list[Reference]) -> np.ndarray:
    """Errors left when the whole is laid over the truth: what the pictures, not the sources, are to blame for."""
    model = np.array([camera_center(found[each.uid]) for each in references])
    truth = np.array([camera_center(each.true_pose) for each in references])
    a, b = model - model.mean(0), truth - truth.mean(0)
    u, sizes, vt = np.linalg.svd(b.T @ a)  # Umeyama, 1991
    signs = np.array([1.0, 1.0, np.linalg.det(u @ vt)])
    return np.linalg.norm((sizes @ signs) / (a**2).sum() * a @ (u * signs @ vt).T - b, axis=1)


def test_the_map_averages_what_sources_are_wrong_by(built: Path) -> None:
    database = Database.open(built)
    report = map_report(database)
    assert [part.num_views for part in report.parts] == [len(REFERENCES)]
    assert np.median(errors_m(database, REFERENCES)) < np.median(said_errors_m(REFERENCES))
    assert relative_errors_m(poses(database), REFERENCES).max() < 0.05
    assert not report.parts[0].suspects


def test_what_the_source_said_stays(built: Path) -> None:
    database = Database.open(built)
    for reference in REFERENCES:
        metadata = database.metadata(reference.uid)
        assert np.allclose(np.array(metadata.E), reference.said_pose)
        covariance = np.array(metadata.E_refined_cov)
        assert covariance.shape == (6, 6)
        assert np.linalg.eigvalsh(covariance).min() > -1e-9
        assert metadata.map_version in MapStore(database).part_ids()


def test_the_model_opens_in_colmap(built: Path) -> None:
    database = Database.open(built)
    store_ = MapStore(database)
    part_id = store_.part_ids()[0]
    model, part = pycolmap.Reconstruction(store_.model_path(part_id)), store_.read(part_id)
    assert model.num_reg_images() == len(REFERENCES)
    assert model.num_points3D() == len(part.points)
    assert model.compute_mean_reprojection_error() < 1.0
    for image in model.images.values():
        assert (database.path / image.name).is_file()
        expected = part.poses[part.row_of[Path(image.name).parent.name]]
        assert np.allclose(image.cam_from_world().matrix(), expected[:3], atol=1e-6)


def test_built_again_nothing_is_matched_and_nothing_moves(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = copied(built, tmp_path)
    before = {uid: (database.entry_path(uid) / "metadata.json").stat().st_mtime_ns for uid in database.uids()}
    monkeypatch.setattr(MutualNearestNeighbor, "match", lambda *_: pytest.fail("nothing is new"))
    build_map(database, map_config())
    assert before == {uid: (database.entry_path(uid) / "metadata.json").stat().st_mtime_ns for uid in database.uids()}


def test_new_entries_join_without_a_rebuild(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = copied(built, tmp_path)
    store(database.path, STREET, LATER, seed=7)
    database = Database.open(database.path)
    real, asked = MutualNearestNeighbor.match, []

    def counted(self: MutualNearestNeighbor, a: object, *rest: object) -> object:
        asked.append(len(a))  # type: ignore[arg-type]
        return real(self, a, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(MutualNearestNeighbor, "match", counted)
    report = add_to_map(database, map_config())
    assert report.num_pairs <= len(LATER) * 12
    assert [part.num_views for part in report.parts] == [len(REFERENCES) + len(LATER)]
    assert relative_errors_m(poses(database), [*REFERENCES, *LATER]).max() < 0.06
    assert len(asked) <= 2 * report.num_pairs  # a first look, then all


def test_what_is_gone_or_another_leaves_the_map(built: Path, tmp_path: Path) -> None:
    database = copied(built, tmp_path)
    gone, other = REFERENCES[0].uid, REFERENCES[1].uid
    database.remove_entry(gone)
    moved = database.metadata(other).model_copy(update={"position_std_m": 50.0})
    database.replace_metadata(other, moved)
    report = add_to_map(database, map_config())
    assert gone not in {view.uid for part in report.parts for view in part.views}
    assert {view.uid for part in report.parts for view in part.views} == set(database.uids())
    assert relative_errors_m(poses(database), REFERENCES[1:]).max() < 0.06


def test_features_made_anew_are_not_taken_for_those_that_were_mapped(built: Path, tmp_path: Path) -> None:
    database = copied(built, tmp_path)
    uid = REFERENCES[0].uid
    features = load_features(database, map_config()).read(uid)
    Image.new("L", (CAMERA.width, CAMERA.height), 255).save(database.entry_path(uid) / "mask.png")
    order = np.random.default_rng(0).permutation(len(features))
    again = LocalFeatures(features.keypoints[order], features.scores, features.descriptors[order])
    load_features(database, map_config()).write(uid, again)
    database = store(database.path, STREET, LATER, seed=7)
    add_to_map(database, map_config())
    part = MapStore(database).read(MapStore(database).part_ids()[0])
    assert (part.view == part.row_of[uid]).sum() > 100
    assert relative_errors_m(poses(database), [*REFERENCES, *LATER]).max() < 0.06


def test_a_picture_that_cannot_be_read_is_left_out_and_named(built: Path, tmp_path: Path) -> None:
    database, uid = copied(built, tmp_path), REFERENCES[3].uid
    database.image_path(uid).write_text("not a picture")
    for made in database.entry_path(uid).glob("*.np*"):
        made.unlink()
    for report in (add_to_map(database, map_config()), build_map(database, map_config(), rebuild=True)):
        assert report.num_mapped == len(REFERENCES) - 1
        assert [(name, "not a picture" in reason) for name, reason in report.alone] == [(uid, True)]
    rest = [reference for reference in REFERENCES if reference.uid != uid]
    assert relative_errors_m(poses(database), rest).max() < 0.06


def test_parts_of_bounded_size_are_brought_together(stored: Path, tmp_path: Path) -> None:
    whole, parted = copied(stored, tmp_path / "a"), copied(stored, tmp_path / "b")
    build_map(whole, map_config())
    report = build_map(parted, map_config(max_views=6, overlap=3))
    assert len(report.parts) > 1
    assert all(part.num_views <= 7 for part in report.parts)
    assert report.num_mapped == len(REFERENCES)
    assert relative_errors_m(poses(parted), REFERENCES).max() < 0.25


_BUILD = """
import sys
from geonav.data.database import Database
from geonav.pipeline.mapping.build import build_map
from tests.pipeline.mapping.painted import map_config
build_map(Database.open(sys.argv[1]), map_config())
"""


def test_killed_at_any_moment_it_goes_on(built: Path, stored: Path, tmp_path: Path) -> None:
    database = copied(stored, tmp_path)
    delays = np.random.default_rng(0).uniform(1.5, 7.0, 5)
    for delay in delays:
        child = subprocess.Popen([sys.executable, "-c", _BUILD, str(database.path)], stderr=subprocess.DEVNULL)
        time.sleep(delay)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        for uid in database.uids():
            database.metadata(uid)  # whole, or an error
    build_map(database, map_config())
    expected, found = poses(Database.open(built)), poses(database)
    assert found.keys() == expected.keys()
    for uid, pose in found.items():
        assert np.abs(pose - expected[uid]).max() < 1e-3
    assert not list((MapStore(database).folder / "tmp").glob("*"))


def test_one_picture_is_no_map(tmp_path: Path) -> None:
    database = store(tmp_path / "db", STREET, REFERENCES[:1])
    with pytest.raises(DatabaseError, match="has 1 places that can be mapped, and a map takes 3"):
        build_map(database, map_config())


def test_pictures_that_share_nothing_are_no_map(tmp_path: Path) -> None:
    path = tmp_path / "db"
    for number in range(3):  # each of a street of its own
        store(path, PaintedStreet(seed=10 + number), [along_street(STREET, 3, prefix=f"s{number}")[number]])
    with pytest.raises(DatabaseError, match="nothing to map"):
        build_map(Database.open(path), map_config())


def test_pictures_from_one_spot_are_no_map(tmp_path: Path) -> None:
    spot = [
        Reference(f"r{n}", pose, pose, {"position_std_m": 1.0, "heading_std_deg": 2.0})
        for n, pose in enumerate(STREET.pose(10.0, azimuth) for azimuth in (30.0, 40.0, 50.0, 60.0))
    ]
    database = store(tmp_path / "db", STREET, spot)
    with pytest.raises(DatabaseError, match="one spot"):
        build_map(database, map_config())


def test_two_cities_are_two_parts(tmp_path: Path) -> None:
    other = PaintedStreet(seed=5, east_m=40_000.0)
    path = tmp_path / "db"
    store(path, STREET, REFERENCES[:5])
    store(path, other, along_street(other, 5, seed=3, prefix="other"), seed=4)
    report = build_map(Database.open(path), map_config())
    members = [{view.uid[:5] == "other" for view in part.views} for part in report.parts]
    assert sorted(members, key=str) == [{False}, {True}]


def test_a_picture_that_is_there_twice_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "db"
    database = store(path, STREET, REFERENCES)
    twin = REFERENCES[2]
    metadata = database.metadata(twin.uid)
    database.add_entry("twin", database.image_path(twin.uid).read_bytes(), metadata)
    for file in database.entry_path(twin.uid).glob("disk_*"):
        shutil.copy(file, database.entry_path("twin") / file.name)
    build_map(database, map_config())
    assert relative_errors_m(poses(database), REFERENCES).max() < 0.06
    apart = camera_center(poses(database)["twin"]) - camera_center(poses(database)[twin.uid])
    assert np.linalg.norm(apart) < 0.02


def test_a_gross_error_is_named(tmp_path: Path) -> None:
    wrong = REFERENCES[3]
    pose = pose_from_center(wrong.said_pose[:3, :3], camera_center(wrong.said_pose) + np.array([30.0, -20.0, 0.0]))
    references = [Reference(wrong.uid, wrong.true_pose, pose, wrong.keys) if r is wrong else r for r in REFERENCES]
    database = store(tmp_path / "db", STREET, references)
    report = build_map(database, map_config())
    assert [view.uid for view in report.parts[0].suspects] == [wrong.uid]
    assert "position" in (report.parts[0].suspects[0].suspect or "")
    assert errors_m(database, references).max() < 3.0


def test_no_map_is_said_so(stored: Path) -> None:
    for call in (map_report, lambda database: add_to_map(database, map_config())):
        with pytest.raises(DatabaseError, match="has no map: run `geonav map build`"):
            call(Database.open(stored))
