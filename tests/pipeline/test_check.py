"""A check finds what is broken or half done, and a repair never touches what is the user's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.data.metadata import ImageMetadata, camera_fields, pose_fields
from geonav.data.progress import ProgressEvent
from geonav.data.stamps import stamp
from geonav.errors import DatabaseError
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center
from geonav.pipeline.check import CheckReport, check_database, describe
from geonav.retrieval.choose import new_index
from geonav.retrieval.flat import FlatIndex
from tests.data.photos import exif, jpeg

ORIGIN = GeoPoint(48.9, 8.4, 130.0)
SETTINGS = {"model": "disk", "max_keypoints": 5}


def features(keypoints: Any = ((1, 2), (95.5, 63)), descriptor: float = 0.5) -> LocalFeatures:
    points = np.array(keypoints, np.float32)
    return LocalFeatures(points, np.ones(len(points), np.float32), np.full((len(points), 4), descriptor, np.float16))


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Three whole entries with features, descriptors and an index."""
    made = Database.create(tmp_path / "db", ORIGIN)
    made.set_local_settings("disk", SETTINGS)
    made.index_dir("vlad").mkdir(parents=True)
    for number, uid in enumerate("abc"):
        pose = pose_from_center(rotation_from_angles(10.0 * number), [5.0 * number, 2.0, 1.0])
        fields = camera_fields(Camera.from_focal(96, 64, 90.0)) | pose_fields(pose, made.frame)
        made.add_entry(uid, jpeg(seed=number), ImageMetadata(**fields, provider="colmap"))
        made.write_features(uid, "disk", features(), stamp(SETTINGS))
        made.write_global(uid, "vlad", np.ones(4, np.float32))
    write_index(made, ["a", "b", "c"])
    return made


def write_index(database: Database, uids: list[str]) -> None:
    index = FlatIndex(4, "aa")
    index.add(uids, np.ones((len(uids), 4), np.float32))
    index.save(database.index_dir("vlad"))


def change(database: Database, uid: str, **keys: Any) -> None:
    path = database.path / uid / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def only(report: CheckReport) -> tuple[str, str]:
    assert len(report.findings) == 1, report.findings
    return report.findings[0].where, report.findings[0].problem


def test_a_whole_database_has_no_findings(database: Database) -> None:
    events: list[ProgressEvent] = []
    report = check_database(database, on_progress=events.append)
    assert report == CheckReport(checked=3)
    assert report.is_sound
    assert [(event.done, event.total, event.item) for event in events] == [(1, 3, "a"), (2, 3, "b"), (3, 3, "c")]


def damage_metadata(database: Database) -> None:
    change(database, "b", K=[[0, 0, 0]] * 3, w="x")


def remove_metadata(database: Database) -> None:
    (database.path / "b/metadata.json").unlink()


def damage_json(database: Database) -> None:
    (database.path / "b/metadata.json").write_text("{")


def damage_pose(database: Database) -> None:
    change(database, "b", E=np.diag([1, 1, -1, 1]).tolist())


def move(database: Database) -> None:
    change(database, "b", lat=48.9001)


def resize(database: Database) -> None:
    change(database, "b", w=97)


def remove_picture(database: Database) -> None:
    (database.path / "b/image.jpg").unlink()


def truncate_picture(database: Database) -> None:
    path = database.path / "b/image.jpg"
    path.write_bytes(path.read_bytes()[:-900])


def damage_mask(database: Database) -> None:
    (database.path / "b/mask.png").write_bytes(b"no picture")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (damage_metadata, "w Input should be a valid integer; K is not an invertible"),
        (remove_metadata, "metadata.json is missing"),
        (damage_json, "cannot be read as JSON"),
        (damage_pose, "E its upper left 3x3 part is not a rotation"),
        (move, "E and lat lng alt are 9.1 m apart"),
        (resize, "metadata.json says 97x64, its upright picture 96x64"),
        (remove_picture, "No such file"),
        (truncate_picture, "cannot be decoded"),
        (damage_mask, "not a picture"),
    ],
)
def test_what_only_a_person_can_mend_is_named_and_left_alone(database: Database, damage: Any, expected: Any) -> None:
    damage(database)
    own = ["image.jpg", "metadata.json", "mask.png"]
    before = {path: path.read_bytes() for path in database.path.glob("*/*") if path.name in own}
    report = check_database(database)
    assert {finding.where for finding in report.findings} == {"b"}
    assert any(expected in finding.problem for finding in report.findings)
    report = check_database(database, repair=True)
    left = [finding for finding in report.findings if not finding.repaired]
    assert [finding.where for finding in left] == ["b"]
    assert expected in left[0].problem
    assert "\n" not in left[0].problem
    assert not report.is_sound
    assert before == {path: path.read_bytes() for path in database.path.glob("*/*") if path.name in own}


def half_features(database: Database) -> None:
    (database.path / "b/disk_descriptor.npz").unlink()


def stale_features(database: Database) -> None:
    database.write_features("b", "disk", features(), "of other settings")


def outside_features(database: Database) -> None:
    database.write_features("b", "disk", features([[1, 2], [98, 3]]), stamp(SETTINGS))


def nan_features(database: Database) -> None:
    database.write_features("b", "disk", features(descriptor=np.nan), stamp(SETTINGS))


def broken_features(database: Database) -> None:
    (database.path / "b/disk_descriptor.npz").write_bytes(b"PK\x03\x04 garbage")


def features_of_another_picture(database: Database) -> None:
    (database.path / "b/image.jpg").write_bytes(jpeg(seed=77))


def nan_global(database: Database) -> None:
    database.write_global("b", "vlad", np.array([1, np.nan], np.float32))


def broken_global(database: Database) -> None:
    (database.path / "b/vlad_descriptor.npy").write_bytes(b"")


def leave_file(database: Database) -> None:
    (database.path / "b/.geonav-tmp-0123").write_bytes(b"half")


def leave_draft(database: Database) -> None:
    draft = database.path / ".geonav/tmp/0123/deep"
    draft.mkdir(parents=True)
    (draft / "image.jpg").write_bytes(b"half")


def leave_own_file(database: Database) -> None:
    (database.index_dir("vlad") / ".geonav-tmp-0123").write_bytes(b"half")


def delete_indexed_entry(database: Database) -> None:
    write_index(database, ["a", "b", "c", "gone"])


def damage_index(database: Database) -> None:
    (database.index_dir("vlad") / "names-1.bin").write_bytes(b"{")


def lose_vectors(database: Database) -> None:
    pytest.importorskip("milvus_lite", reason="pip install 'geonav[milvus]'")
    index = new_index("milvus", 4, "aa")
    index.add(list("abc"), np.ones((3, 4), np.float32))
    index.save(database.index_dir("vlad"))
    assert check_database(database).findings == []
    shutil.rmtree(database.index_dir("vlad") / "milvus.db")


@pytest.mark.parametrize(
    ("damage", "where", "expected"),
    [
        (half_features, "b", "missing or broken"),
        (stale_features, "b", "made with other settings"),
        (outside_features, "b", "disk keypoints lie outside its picture"),
        (nan_features, "b", "disk features hold NaN"),
        (broken_features, "b", "missing or broken"),
        (features_of_another_picture, "b", "made with another picture"),
        (nan_global, "b", "vlad descriptor is not a vector of finite numbers"),
        (broken_global, "b", "vlad descriptor is not a vector of finite numbers"),
        (leave_file, "b/.geonav-tmp-0123", "interrupted run"),
        (leave_draft, ".geonav/tmp/0123", "interrupted run"),
        (leave_own_file, ".geonav/index/vlad/.geonav-tmp-0123", "interrupted run"),
        (delete_indexed_entry, ".geonav/index/vlad", "names 1 deleted entries"),
        (damage_index, ".geonav/index/vlad", "list of entries is broken"),
        (lose_vectors, ".geonav/index/vlad", "milvus.db: put that back, or run"),
    ],
)
def test_what_was_derived_is_removed_by_a_repair(database: Database, damage: Any, where: Any, expected: Any) -> None:
    damage(database)
    found = only(check_database(database))
    assert found[0] == where
    assert expected in found[1]
    report = check_database(database, repair=True)
    assert report.is_sound
    assert report.findings[0].repaired
    assert check_database(database) == CheckReport(checked=3)
    assert all((database.path / uid / name).exists() for uid in "abc" for name in ("image.jpg", "metadata.json"))


def test_a_check_writes_nothing(database: Database) -> None:
    stale_features(database)
    leave_draft(database)
    before = {path: path.stat().st_mtime_ns for path in database.path.rglob("*")}
    check_database(database)
    assert before == {path: path.stat().st_mtime_ns for path in database.path.rglob("*")}


def test_files_of_other_tools_are_left_alone(database: Database) -> None:
    foreign = database.path / "b/superpoint_descriptor.npz"
    foreign.write_bytes(b"theirs")
    (database.path / "b/netvlad_descriptor.npy").write_bytes(b"theirs")
    assert check_database(database, repair=True).findings == []
    assert foreign.read_bytes() == b"theirs"


def test_a_repair_waits_for_no_other_writer(database: Database) -> None:
    with Database.open(database.path).lock(), pytest.raises(DatabaseError, match="being written"):
        check_database(database, repair=True)


def test_a_turned_picture_is_measured_upright(database: Database) -> None:
    fields = camera_fields(Camera.from_focal(64, 96, 90.0))
    database.add_entry("d", jpeg(tags=exif({274: 6})), ImageMetadata(**fields))
    assert check_database(database).findings == []


def test_poses_without_an_origin_are_named(database: Database) -> None:
    database.set_origin(None, "wgs84")
    assert [finding.where for finding in check_database(database).findings] == ["a", "b", "c"]


def test_an_empty_database_is_whole(tmp_path: Path) -> None:
    database = Database.create(tmp_path / "db")
    assert check_database(database, repair=True) == CheckReport()
    info = describe(database)
    assert (info.num_entries, info.origin, info.area) == (0, None, None)


def test_info(database: Database) -> None:
    damage_json(database)
    half_features(database)
    database.add_entry("d", jpeg(), ImageMetadata(**camera_fields(Camera.from_focal(96, 64, 90.0))))
    info = describe(database)
    assert (info.num_entries, info.num_invalid, info.num_with_pose, info.num_with_position) == (4, 1, 2, 2)
    assert info.providers == {"colmap": 2, "unknown": 1}
    assert info.local_features == {"disk": 2}
    assert info.global_descriptors == {"vlad": 3}
    assert info.map_parts == {}
    assert info.origin == {"lat": 48.9, "lng": 8.4, "alt": 130.0}
    assert info.area is not None
    assert info.area["lat_min"] == pytest.approx(48.9, abs=1e-3)
    assert info.area["lng_max"] > info.area["lng_min"]
