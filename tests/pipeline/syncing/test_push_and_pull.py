"""Pushing and pulling whole: the same files, and no more traffic than what changed."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import geonav
from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.errors import DatabaseError, NetworkError, UsageError
from geonav.pipeline.syncing import PullOptions, PushOptions, pull_database, push_database, push_plan
from geonav.pipeline.syncing.store import ObjectStore
from tests.pipeline.syncing.s3_server import S3Server
from tests.pipeline.syncing.trees import add_entry, contents, everything, make_database, storage

CITY = "s3://bucket/city"


def test_what_is_pulled_is_what_was_pushed(tmp_path: Path, server: S3Server, s3: GeonavConfig) -> None:
    database = make_database(tmp_path / "here")
    (tmp_path / "here" / "0001" / "big.bin").write_bytes(np.random.default_rng(1).bytes((5 << 19) + 7))  # 3 packs
    (tmp_path / "here" / "0002" / os.fsdecode(b"no text \xff")).write_bytes(b"x")
    pushed = geonav.push_database(database, CITY, s3)
    pulled = geonav.pull_database(tmp_path / "there", CITY, s3)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert {path.name for path in (tmp_path / "there" / ".geonav").iterdir()} == {
        "lock",
        "sync",
        "index",
        "database.json",
    }
    for path in contents(tmp_path / "here"):  # packed features are valid only with the times of change
        assert (tmp_path / "there" / path).stat().st_mtime_ns == (tmp_path / "here" / path).stat().st_mtime_ns
    assert (pushed.generation, pulled.generation) == (1, 1)
    assert pushed.files == pulled.files == pulled.fetched_files == len(contents(tmp_path / "here"))
    assert Database.open(tmp_path / "there").origin == database.origin
    assert not list((tmp_path / "there" / ".geonav" / "sync").rglob("staged"))


def test_nothing_new_moves_nothing(tmp_path: Path, server: S3Server, s3: GeonavConfig) -> None:
    database = make_database(tmp_path / "here")
    push_database(database, CITY, s3)
    pull_database(tmp_path / "there", CITY, s3)
    server.requests.clear()
    assert push_database(database, CITY, s3).sent_bytes == 0
    again = pull_database(tmp_path / "there", CITY, s3)
    assert (again.fetched_files, again.removed, again.only_here) == (0, 0, 0)
    assert {method for method, _, _ in server.requests} == {"GET"}
    assert len(server.requests) == 4  # a listing of generations and the newest one, each time


def test_a_new_entry_moves_its_own_bytes_alone(tmp_path: Path, server: S3Server, s3: GeonavConfig) -> None:
    database = make_database(tmp_path / "here", entries=40)
    push_database(database, CITY, s3)
    pull_database(tmp_path / "there", CITY, s3)
    add_entry(tmp_path / "here", "new", np.random.default_rng(9))
    server.requests.clear()
    report = push_database(database, CITY, s3)
    (_, pack_bytes), (_, shard_bytes), (_, root_bytes) = server.written()
    own = sum(path.stat().st_size for path in (tmp_path / "here" / "new").iterdir())
    assert pack_bytes == own
    assert report.sent_bytes == own + shard_bytes + root_bytes
    assert report.sent_files == 2
    server.requests.clear()
    pulled = pull_database(tmp_path / "there", CITY, s3)
    assert pulled.fetched_files == 2
    assert pulled.fetched_bytes == own + shard_bytes + root_bytes
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_only_the_shard_of_a_changed_entry_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_plan, "_UNITS_PER_BUCKET", 10)  # a thousand outside of tests
    here, remote, config = tmp_path / "here", tmp_path / "remote", storage()
    database = make_database(here, entries=70)
    push_database(database, str(remote), config)
    assert len(list((remote / "shards").iterdir())) == 4
    before = everything(remote)
    (here / "0007" / "metadata.json").write_text('{"changed": true}')
    push_database(database, str(remote), config)
    added = sorted(name.partition("/")[0] for name in set(everything(remote)) - set(before))
    assert added == ["generations", "packs", "shards"]
    assert {name: content for name, content in everything(remote).items() if name in before} == before
    pull_database(tmp_path / "there", str(remote), config)
    for number in range(65):  # few enough for one shard
        database.remove_entry(f"{number:04d}")
    push_database(database, str(remote), config)
    pull_database(tmp_path / "there", str(remote), config)
    assert contents(tmp_path / "there") == contents(here)
    for number in range(90):  # and for more than ever
        add_entry(here, f"more{number}", np.random.default_rng(number))
    push_database(Database.open(here), str(remote), config)
    pull_database(tmp_path / "there", str(remote), config)
    assert contents(tmp_path / "there") == contents(here)


def test_a_file_that_was_only_touched_is_not_sent_again(tmp_path: Path) -> None:
    remote, config = str(tmp_path / "remote"), storage()
    database = make_database(tmp_path / "here")
    push_database(database, remote, config)
    picture = tmp_path / "here" / "0000" / "image.jpg"
    os.utime(picture, ns=(1, 1_600_000_000_123_456_789))
    report = push_database(database, remote, config)
    assert (report.generation, report.sent_files) == (2, 0)
    pull_database(tmp_path / "there", remote, config)
    assert (tmp_path / "there" / "0000" / "image.jpg").stat().st_mtime_ns == 1_600_000_000_123_456_789


def test_a_change_that_hides_behind_size_and_time_needs_checksum(tmp_path: Path) -> None:
    remote, config = str(tmp_path / "remote"), storage()
    database = make_database(tmp_path / "here")
    push_database(database, remote, config)
    picture = tmp_path / "here" / "0000" / "image.jpg"
    state = picture.stat()
    picture.write_bytes(bytes(state.st_size))
    os.utime(picture, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert push_database(database, remote, config).sent_files == 0
    assert push_database(database, remote, config, PushOptions(checksum=True)).sent_files == 1


def test_packs_that_are_mostly_waste_are_replaced(tmp_path: Path) -> None:
    remote, config = tmp_path / "remote", storage()
    database = make_database(tmp_path / "here", entries=10)
    push_database(database, str(remote), config)
    (old,) = (remote / "packs").iterdir()
    for number in range(8):
        database.remove_entry(f"{number:04d}")
    report = push_database(database, str(remote), config)
    assert report.gone == 16
    push_database(database, str(remote), storage(keep_days=0), PushOptions(prune=True))
    left = list((remote / "packs").iterdir())
    assert old not in left
    assert sum(path.stat().st_size for path in left) == sum(
        (tmp_path / "here" / path).stat().st_size for path in contents(tmp_path / "here")
    )
    pull_database(tmp_path / "there", str(remote), config)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_pruning_leaves_what_may_still_be_pulled(tmp_path: Path, server: S3Server, s3: GeonavConfig) -> None:
    database = make_database(tmp_path / "here")
    push_database(database, CITY, s3)
    (tmp_path / "here" / "0000" / "image.jpg").write_bytes(b"other")
    push_database(database, CITY, s3)
    (tmp_path / "here" / "0001" / "image.jpg").write_bytes(b"another")
    assert push_database(database, CITY, s3, PushOptions(prune=True)).pruned == 0
    now = s3.model_copy(update={"storage": s3.storage.model_copy(update={"keep_days": 0})})
    # Two roots and their shards; each pack still holds more than half of what it held.
    assert push_database(database, CITY, now, PushOptions(prune=True)).pruned == 4
    pull_database(tmp_path / "there", CITY, s3)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_of_two_pushes_at_once_one_wins(tmp_path: Path) -> None:
    remote, config = str(tmp_path / "remote"), storage()
    database = make_database(tmp_path / "here")
    push_database(database, remote, config)
    pull_database(tmp_path / "there", remote, config)
    other = Database.open(tmp_path / "there")
    add_entry(tmp_path / "here", "mine", np.random.default_rng(1))
    add_entry(tmp_path / "there", "theirs", np.random.default_rng(2))
    pulled = []

    def meanwhile(_: object) -> None:
        if not pulled:  # the pack is there, the generation is not
            pulled.append(pull_database(tmp_path / "third", remote, config).generation)
            push_database(other, remote, config)

    with pytest.raises(DatabaseError, match=r"another push came first \(generation 2\): pull it, then push again"):
        push_database(database, remote, config, on_progress=meanwhile)
    assert pulled == [1]
    with pytest.raises(DatabaseError, match=r"has generation 2 and .* last saw generation 1: pull it first"):
        push_database(database, remote, config)
    pull_database(tmp_path / "here", remote, config)
    assert push_database(Database.open(tmp_path / "here"), remote, config).generation == 3
    pull_database(tmp_path / "there", remote, config)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert {"mine", "theirs"} <= set(Database.open(tmp_path / "there").uids())


def test_a_database_that_never_saw_the_remote_does_not_replace_it(tmp_path: Path) -> None:
    remote, config = str(tmp_path / "remote"), storage()
    push_database(make_database(tmp_path / "here"), remote, config)
    other = make_database(tmp_path / "other", seed=5)
    with pytest.raises(DatabaseError, match="never saw it: pull it first, or --force"):
        push_database(other, remote, config)
    assert push_database(other, remote, config, PushOptions(force=True)).generation == 2
    pull_database(tmp_path / "there", remote, config)
    assert contents(tmp_path / "there") == contents(tmp_path / "other")


def test_what_sqlite_keeps_beside_the_manifest_is_pushed_too(tmp_path: Path) -> None:
    from geonav.data.manifest import Manifest, manifest_path

    database = make_database(tmp_path / "here")
    with Manifest.open(database):
        pass
    path = manifest_path(database)
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("INSERT INTO spend VALUES ('2024-05', 'x', 3)")
    copy = tmp_path / "log"
    copy.write_bytes(Path(f"{path}-wal").read_bytes())
    content = path.read_bytes()
    raw.close()
    path.write_bytes(content)  # as a process that was killed leaves it: the row is in the log alone
    Path(f"{path}-wal").write_bytes(copy.read_bytes())
    push_database(database, str(tmp_path / "remote"), storage())
    pull_database(tmp_path / "there", str(tmp_path / "remote"), storage())
    with closing(sqlite3.connect(manifest_path(tmp_path / "there"))) as pulled:
        assert pulled.execute("SELECT calls FROM spend").fetchall() == [(3,)]


def test_links_are_refused(tmp_path: Path) -> None:
    database = make_database(tmp_path / "here")
    (tmp_path / "here" / "0000" / "mask.png").symlink_to("/etc/hostname")
    with pytest.raises(DatabaseError, match=r"mask\.png' is a symbolic link, which is never copied"):
        push_database(database, str(tmp_path / "remote"), storage())
    assert not (tmp_path / "remote" / "generations").exists()


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    remote, config = tmp_path / "remote", storage()
    database = make_database(tmp_path / "here")
    before = everything(tmp_path / "here")
    report = push_database(database, str(remote), config, PushOptions(dry_run=True))
    assert (report.sent_files, report.is_dry_run) == (len(contents(tmp_path / "here")), True)
    assert everything(tmp_path / "here") == before
    assert not remote.exists()
    push_database(database, str(remote), config)
    pulled = pull_database(tmp_path / "there", str(remote), config, PullOptions(dry_run=True))
    assert (pulled.fetched_files, pulled.is_dry_run) == (len(contents(tmp_path / "here")), True)
    assert not (tmp_path / "there").exists()


def test_copies_inside_of_each_other_are_refused(tmp_path: Path) -> None:
    database = make_database(tmp_path / "here")
    for remote in (tmp_path / "here", tmp_path / "here" / "copy", tmp_path):
        with pytest.raises(UsageError, match="lie in each other"):
            push_database(database, str(remote), storage())


def test_a_database_in_use_is_left_alone(tmp_path: Path) -> None:
    database = make_database(tmp_path / "here")
    push_database(database, str(tmp_path / "remote"), storage())
    with database.lock():
        with pytest.raises(DatabaseError, match="is being written by process"):
            push_database(Database.open(tmp_path / "here"), str(tmp_path / "remote"), storage())
        with pytest.raises(DatabaseError, match="is being written by process"):
            pull_database(tmp_path / "here", str(tmp_path / "remote"), storage())


_NAMES = st.sampled_from(["a", "b", "c"])
_TREES = st.dictionaries(
    st.lists(_NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=40), min_size=1, max_size=8
).map(lambda tree: {path: data for path, data in tree.items() if not any(p.startswith(f"{path}/") for p in tree)})


def _write(folder: Path, tree: dict[str, bytes]) -> None:
    """Make the files of a database these alone."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if ".geonav" not in path.parts:
            path.unlink() if path.is_file() else path.rmdir()
    for name, data in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees=st.lists(_TREES, min_size=1, max_size=3), failing=st.lists(st.integers(1, 6), max_size=3))
def test_any_files_come_over_whatever_was_interrupted(
    tmp_path_factory: pytest.TempPathFactory, trees: list[dict[str, bytes]], failing: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    remote, config = f"memory://{folder}/remote", storage(workers=1)
    database = Database.create(folder / "here")
    for tree in trees:
        _write(folder / "here", tree)
        for calls in [*failing, None]:
            _after(calls, lambda: push_database(database, remote, config))
        for calls in [*failing, None]:
            _after(calls, lambda: pull_database(folder / "there", remote, config))
        assert contents(folder / "there") == contents(folder / "here")


def _after(calls: int | None, work: object) -> None:
    """Do ``work``, during which the network fails for good after so many calls, if it comes to that."""
    real = ObjectStore._try
    left = [10**9 if calls is None else calls]

    def counted(store: ObjectStore, key: str, call: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise NetworkError(key)
        return real(store, key, call)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ObjectStore, "_try", counted)
        try:
            work()  # type: ignore[operator]
        except NetworkError:
            assert calls is not None
