"""The folder of references: its structure, what survives an interruption, and what is never used."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.data.metadata import ImageMetadata
from geonav.errors import DatabaseError, StorageError
from geonav.geometry.geodesy import GeoPoint
from tests.data.photos import jpeg

ORIGIN = GeoPoint(48.9, 8.4, 130.0)
METADATA = ImageMetadata(w=96, h=64, K=[[90.0, 0, 48], [0, 90, 32], [0, 0, 1]])


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database.create(tmp_path / "db", ORIGIN)
    made.add_entry("a", jpeg(), METADATA)
    return made


def features(count: int = 5, seed: int = 0) -> LocalFeatures:
    rng = np.random.default_rng(seed)
    return LocalFeatures(
        rng.uniform(0, 60, (count, 2)).astype(np.float32),
        rng.uniform(size=count).astype(np.float32),
        rng.normal(size=(count, 8)).astype(np.float16),
    )


def test_the_structure_on_disk(database: Database) -> None:
    database.write_features("a", "disk", features(), "stamp")
    database.write_global("a", "vlad", np.arange(4, dtype=np.float64))
    names = sorted(path.relative_to(database.path).as_posix() for path in database.path.rglob("*") if path.is_file())
    assert names == [
        ".geonav/database.json",
        "a/disk_descriptor.npz",
        "a/disk_keypoints.npy",
        "a/image.jpg",
        "a/metadata.json",
        "a/vlad_descriptor.npy",
    ]
    assert (database.path / "a/image.jpg").read_bytes() == jpeg()
    assert list(json.loads((database.path / "a/metadata.json").read_text())) == [
        "w", "h", "lat", "lng", "alt", "azn", "fov", "K", "E",
    ]  # fmt: skip
    keypoints = np.load(database.path / "a/disk_keypoints.npy", allow_pickle=False)
    assert (keypoints.dtype, keypoints.shape) == (np.float32, (5, 2))
    with np.load(database.path / "a/disk_descriptor.npz", allow_pickle=False) as stored:
        assert (stored["descriptors"].dtype, stored["descriptors"].shape) == (np.float16, (5, 8))
        assert (stored["scores"].dtype, stored["scores"].shape) == (np.float32, (5,))
        assert str(stored["stamp"]) == "stamp"
        assert int(stored["image_bytes"]) == len(jpeg())
    vector = np.load(database.path / "a/vlad_descriptor.npy", allow_pickle=False)
    assert (vector.dtype, vector.shape) == (np.float32, (4,))


def test_it_opens_again(database: Database) -> None:
    again = Database.open(database.path)
    assert (again.origin, again.alt_datum, again.schema_version) == (ORIGIN, "wgs84", 1)
    assert again.uids() == ["a"]
    assert len(again) == 1
    assert "a" in again
    assert "b" not in again
    assert again.metadata("a") == METADATA
    assert again.mask_path("a") is None


def test_uids_are_sorted_and_follow_what_is_added(database: Database) -> None:
    for uid in ("c", "b", "ä 1"):
        database.add_entry(uid, jpeg(), METADATA, mask_bytes=b"mask")
    (database.path / ".hidden").mkdir()
    (database.path / "notes.txt").write_text("mine")
    assert database.uids() == ["a", "b", "c", "ä 1"]
    assert Database.open(database.path).uids() == ["a", "b", "c", "ä 1"]
    mask = database.mask_path("b")
    assert mask is not None
    assert mask.read_bytes() == b"mask"
    database.uids().clear()
    assert len(database.uids()) == 4


@pytest.mark.parametrize("uid", ["", ".", "..", ".geonav", "a/b", "a\\b", "a\0", "x" * 300, "line\nbreak"])
def test_a_uid_must_be_a_plain_folder_name(database: Database, uid: Any) -> None:
    with pytest.raises(DatabaseError, match="cannot name an entry"):
        database.add_entry(uid, jpeg(), METADATA)


def test_an_entry_is_never_overwritten(database: Database) -> None:
    with pytest.raises(DatabaseError, match="has an entry 'a' already"):
        database.add_entry("a", jpeg(seed=1), METADATA)
    assert database.image_path("a").read_bytes() == jpeg()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["mkdir", "write_bytes", "replace"])
def test_an_entry_appears_whole_or_not_at_all(
    database: Database, monkeypatch: pytest.MonkeyPatch, step: Any, error: Any
) -> Any:
    original = getattr(Path, step)

    def refuse(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self.name == "tmp":
            return original(self, *args, **kwargs)
        raise error

    monkeypatch.setattr(Path, step, refuse)
    with pytest.raises((StorageError, KeyboardInterrupt)) as caught:
        database.add_entry("b", jpeg(), METADATA)
    monkeypatch.undo()
    assert isinstance(caught.value, KeyboardInterrupt) == isinstance(error, KeyboardInterrupt)
    assert database.uids() == Database.open(database.path).uids() == ["a"]
    assert list((database.path / ".geonav" / "tmp").iterdir()) == []
    database.add_entry("b", jpeg(), METADATA)
    assert "b" in database


def test_drafts_of_a_killed_run_are_no_entries_and_can_be_removed(database: Database) -> None:
    draft = database.path / ".geonav" / "tmp" / "1234"
    draft.mkdir(parents=True)
    (draft / "image.jpg").write_bytes(b"half")
    assert Database.open(database.path).uids() == ["a"]
    assert database.remove_drafts() == 1
    assert not draft.exists()


def test_features_come_back_only_with_their_own_stamp(database: Database) -> None:
    assert not database.has_features("a", "disk", "one")
    database.write_features("a", "disk", features(), "one")
    assert database.has_features("a", "disk", "one")
    assert not database.has_features("a", "disk", "two")
    assert not database.has_features("a", "xfeat", "one")
    stored = database.read_features("a", "disk", "one")
    np.testing.assert_array_equal(stored.keypoints, features().keypoints)
    np.testing.assert_array_equal(stored.descriptors, features().descriptors)
    with pytest.raises(DatabaseError, match="other settings: run 'geonav index local'"):
        database.read_features("a", "disk", "two")
    with pytest.raises(DatabaseError, match="missing or broken: run 'geonav index local'"):
        database.read_features("a", "xfeat", "one")


def test_no_features_at_all_is_a_result(database: Database) -> None:
    database.write_features("a", "disk", features(0), "one")
    assert database.has_features("a", "disk", "one")
    assert len(database.read_features("a", "disk", "one")) == 0


def test_features_of_another_picture_are_not_used(database: Database) -> None:
    database.write_features("a", "disk", features(), "one")
    database.image_path("a").write_bytes(jpeg((96, 64), seed=3) + b"longer")
    assert not database.has_features("a", "disk", "one")
    with pytest.raises(DatabaseError, match="another picture"):
        database.read_features("a", "disk", "one")


def test_a_kill_between_the_two_files_is_seen(database: Database, monkeypatch: pytest.MonkeyPatch) -> Any:
    database.write_features("a", "disk", features(5, seed=1), "one")
    original = Path.replace

    def kill(self: Path, target: Any) -> Any:
        if str(target).endswith(".npz"):
            raise KeyboardInterrupt
        return original(self, target)

    monkeypatch.setattr(Path, "replace", kill)
    with pytest.raises(KeyboardInterrupt):
        database.write_features("a", "disk", features(5, seed=2), "one")
    assert not database.has_features("a", "disk", "one")


@pytest.mark.parametrize("name", ["disk_keypoints.npy", "disk_descriptor.npz"])
@pytest.mark.parametrize("content", [b"", b"\x93NUMPY garbage", b"PK\x03\x04 garbage", None])
def test_broken_features_are_not_used(database: Database, name: Any, content: Any) -> None:
    database.write_features("a", "disk", features(), "one")
    path = database.path / "a" / name
    if content is None:
        content = path.read_bytes()[:-40]
    path.write_bytes(content)
    with pytest.raises(DatabaseError, match="missing or broken"):
        database.read_features("a", "disk", "one")


def test_keypoints_that_do_not_fit_their_descriptors_are_not_used(database: Database) -> None:
    database.write_features("a", "disk", features(), "one")
    np.save(database.path / "a" / "disk_keypoints.npy", features(4).keypoints)
    assert not database.has_features("a", "disk", "one")


def test_pickled_arrays_are_refused(database: Database) -> None:
    np.save(database.path / "a" / "vlad_descriptor.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(DatabaseError, match="missing or broken"):
        database.read_global("a", "vlad")


def test_global_descriptors(database: Database) -> None:
    assert not database.has_global("a", "vlad")
    with pytest.raises(DatabaseError, match="run 'geonav index global'"):
        database.read_global("a", "vlad")
    database.write_global("a", "vlad", np.arange(3, dtype=np.float32))
    np.testing.assert_array_equal(database.read_global("a", "vlad"), [0, 1, 2])
    np.save(database.path / "a" / "vlad_descriptor.npy", np.eye(3))
    with pytest.raises(DatabaseError, match="not a vector"):
        database.read_global("a", "vlad")


def test_settings_and_places_of_indexes(database: Database) -> None:
    assert database.local_settings("disk") is None
    database.set_local_settings("disk", {"model": "disk", "max_keypoints": 5})
    assert Database.open(database.path).local_settings("disk") == {"model": "disk", "max_keypoints": 5}
    assert database.index_dir("vlad") == database.path / ".geonav" / "index" / "vlad"
    with pytest.raises(DatabaseError, match="file name"):
        database.index_dir("../outside")
    with pytest.raises(DatabaseError, match="file name"):
        database.write_features("a", "../b", features(), "s")


def test_replacing_metadata(database: Database) -> None:
    database.replace_metadata("a", METADATA.model_copy(update={"licence": "CC0"}))
    assert Database.open(database.path).metadata("a").licence == "CC0"
    with pytest.raises(DatabaseError, match="no entry 'b'"):
        database.metadata("b")


def test_what_is_no_database(tmp_path: Path, database: Database) -> None:
    with pytest.raises(DatabaseError, match="there is no database at"):
        Database.open(tmp_path / "missing")
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    with pytest.raises(DatabaseError, match="is not a database"):
        Database.open(tmp_path / "photos")
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="is a file"):
        Database.create(tmp_path / "file")
    with pytest.raises(DatabaseError, match="is a database already"):
        Database.create(database.path)


def test_a_database_of_this_structure_made_by_others(tmp_path: Path) -> None:
    entry = tmp_path / "db" / "one"
    entry.mkdir(parents=True)
    (entry / "image.jpg").write_bytes(jpeg())
    (entry / "metadata.json").write_text(json.dumps(METADATA.to_json()))
    database = Database.open(tmp_path / "db")
    assert database.uids() == ["one"]
    assert database.origin is None
    with pytest.raises(DatabaseError, match="has no origin"):
        _ = database.frame


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"schema_version": 2}, "schema version 2 is not 1.*update"),
        ({"schema_version": None}, "schema version None"),
        ({"alt_datum": "moon"}, "alt_datum 'moon'"),
        ({"origin": {"lat": 1}}, "origin needs the numbers"),
        ({"origin": [1, 2, 3]}, "origin needs the numbers"),
        ({"origin": {"lat": 91, "lng": 0, "alt": 0}}, "no place on Earth"),
        ({"origin": {"lat": 1, "lng": 0, "alt": float("nan")}}, "no place on Earth"),
    ],
)
def test_broken_settings_of_the_database(database: Database, change: Any, expected: Any) -> None:
    path = database.path / ".geonav" / "database.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DatabaseError, match=expected) as caught:
        Database.open(database.path)
    assert "database.json" in str(caught.value)


def test_one_writer_at_a_time(database: Database) -> None:
    other = Database.open(database.path)
    with database.lock(), database.lock(), pytest.raises(DatabaseError, match=f"process {os.getpid()}"), other.lock():
        pytest.fail("two writers")
    with Database.open(database.path).lock():
        pass


def test_the_lock_of_a_dead_process_is_taken_over(database: Database, tmp_path: Path) -> None:
    code = (
        "import sys, time; from geonav.data.database import Database\n"
        "with Database.open(sys.argv[1]).lock(): print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(database.path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"locked"
        with pytest.raises(DatabaseError, match=f"process {process.pid}"), database.lock():
            pytest.fail("two writers")
        process.send_signal(signal.SIGKILL)
        process.wait()
        with database.lock():
            assert "a" in database


def test_a_database_that_may_not_be_written(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StorageError, match="make the disk writable"), database.lock():
        pytest.fail("wrote to a read-only disk")


@pytest.mark.slow
def test_a_hundred_thousand_entries_open_in_two_seconds(tmp_path: Path) -> None:
    database = Database.create(tmp_path / "db", ORIGIN)
    for number in range(100_000):
        (database.path / f"{number:06d}").mkdir()
    begin = time.perf_counter()
    again = Database.open(database.path)
    assert len(again.uids()) == len(again) == 100_000
    assert "099999" in again
    assert time.perf_counter() - begin < 2


def test_a_removed_entry_is_gone_whole(tmp_path: Path) -> None:
    database = Database.create(tmp_path / "db")
    database.add_entry("a", b"jpeg", ImageMetadata(w=1, h=1, K=None))
    database.remove_entry("a")
    assert ("a" in database, database.uids()) == (False, [])
    assert [path.name for path in (tmp_path / "db").iterdir()] == [".geonav"]
    assert list((tmp_path / "db" / ".geonav" / "tmp").iterdir()) == []
    with pytest.raises(DatabaseError, match="no entry 'a'"):
        database.remove_entry("a")
