"""Damaged and hostile remotes: seen before a byte reaches the database, and mended where the database is whole."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.errors import DatabaseError
from geonav.pipeline.syncing import PushOptions, pull_database, push_database
from geonav.pipeline.syncing.address import Address
from geonav.pipeline.syncing.root import Root, ShardEntry
from geonav.pipeline.syncing.rows import FileRow, Segment
from geonav.pipeline.syncing.shard import encode, sha256_of
from geonav.pipeline.syncing.snapshot import generation_key, pack_key, shard_key
from geonav.pipeline.syncing.store import ObjectStore
from tests.pipeline.syncing.trees import contents, everything, make_database, storage

EVIL = b"* * * * * root evil"
PACK = sha256_of(EVIL)


@pytest.fixture
def config() -> GeonavConfig:
    return storage()


def _remote(tmp_path: Path, config: GeonavConfig, shard: bytes) -> str:
    """A remote whose one generation lists ``shard``."""
    remote = str(tmp_path / "remote")
    store = ObjectStore(Address.parse(remote), config.storage)
    store.put(pack_key(PACK), EVIL)
    store.put(shard_key(sha256_of(shard)), shard)
    store.put(generation_key(1), Root(1, (ShardEntry(sha256_of(shard), 1, len(EVIL)),)).encode())
    return remote


def _row(path: str, size: int = len(EVIL), offset: int = 0, mtime_ns: int = 1) -> FileRow:
    return FileRow(path, size, mtime_ns, sha256_of(EVIL), (Segment(PACK, offset, size),))


def test_an_honest_one_made_like_these_is_taken(tmp_path: Path, config: GeonavConfig) -> None:
    remote = _remote(tmp_path, config, encode([_row("0/image.jpg")], {PACK: len(EVIL)}))
    pull_database(tmp_path / "there", remote, config)
    assert (tmp_path / "there" / "0" / "image.jpg").read_bytes() == EVIL


@pytest.mark.parametrize(
    "path",
    ["../evil", "0/../../evil", "/etc/evil", "0//evil", "0/./evil", "0\\..\\evil", "", ".", "..", "0/\0evil", "0/a\nb",
     ".geonav", ".geonav/lock", ".geonav/sync/x/root.json", ".geonav/tmp/x", "0/.geonav-tmp-x", "0/" + "x" * 5000],
)  # fmt: skip
def test_no_file_leads_out_of_the_database(path: str, tmp_path: Path, config: GeonavConfig) -> None:
    remote = _remote(tmp_path, config, encode([_row(path)], {PACK: len(EVIL)}))
    before = everything(tmp_path)
    with pytest.raises(DatabaseError, match="is not a list of a database's files"):
        pull_database(tmp_path / "there", remote, config)
    added = set(everything(tmp_path)) - set(before)
    assert {name.split("/")[:3][-1] for name in added} <= {"sync", "lock"}


@pytest.mark.parametrize(
    "rows",
    [
        [_row("0/a"), _row("0/a")],
        [_row("0/a"), _row("0/a/b")],
        [_row("0/a", offset=1)],
        [_row("0/a", size=-1)],
        [_row("0/a", size=2**70)],
        [_row("0/a", mtime_ns=2**70)],
        [_row("0/a", offset=-1)],
        [FileRow("0/a", 5, 1, "x" * 64, (Segment(PACK, 0, 5),))],
        [FileRow("0/a", 5, 1, PACK, (Segment(PACK, 0, 4),))],
        [FileRow("0/a", 5, 1, PACK, ())],
    ],
    ids=["twice", "in a file", "outside", "negative", "huge", "no time", "before", "no hash", "short", "nowhere"],
)
def test_rows_that_contradict_themselves_are_refused(rows: list[FileRow], tmp_path: Path, config: GeonavConfig) -> None:
    remote = _remote(tmp_path, config, encode(rows, {PACK: len(EVIL)}))
    with pytest.raises(DatabaseError, match="is not a list of a database's files"):
        pull_database(tmp_path / "there", remote, config)


@pytest.mark.parametrize(
    "shard",
    [
        b"",
        b"no gzip",
        gzip.compress(b"{}"),
        gzip.compress(b"[" * 100_000),
        gzip.compress(json.dumps({"packs": [], "files": [["0/a", 1, 1, PACK, -1, 0, 1]]}).encode()),
        gzip.compress(json.dumps({"packs": [[PACK, 9.5]], "files": [["0/a", 1, 1, PACK, 0, 0, 1]]}).encode()),
        gzip.compress(bytes(300 << 20), 1),
        encode([_row("0/image.jpg")], {PACK: len(EVIL)})[:-9],
    ],
    ids=["empty", "no gzip", "no shard", "deep", "minus one", "no size", "bomb", "cut"],
)
def test_what_is_no_list_is_refused(shard: bytes, tmp_path: Path, config: GeonavConfig) -> None:
    with pytest.raises(DatabaseError, match="nothing was written"):
        pull_database(tmp_path / "there", _remote(tmp_path, config, shard), config)


@pytest.mark.parametrize(
    ("root", "message"),
    [
        (b"", "is not what geonav pushed"),
        (b"[]", "is not what geonav pushed"),
        (b'{"format": 2}', "has format 2, this geonav reads 1: update geonav"),
        (Root(1, (None, None, None)).encode(), "contradict"),
        (Root(0, (None,)).encode(), "contradict"),
        (b"x" * (5 << 20), "is larger than"),
    ],
)
def test_a_generation_that_is_none_is_refused(root: bytes, message: str, tmp_path: Path, config: GeonavConfig) -> None:
    from geonav.errors import GeonavError

    remote = str(tmp_path / "remote")
    ObjectStore(Address.parse(remote), config.storage).put(generation_key(1), root)
    with pytest.raises(GeonavError, match=message):
        pull_database(tmp_path / "there", remote, config)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


DAMAGE = {"flipped": _flip, "cut": _cut, "gone": Path.unlink}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("folder", ["packs", "shards"])
def test_damage_is_found_and_mended(
    folder: str, damage: Callable[[Path], None], tmp_path: Path, config: GeonavConfig
) -> None:
    remote = tmp_path / "remote"
    database = make_database(tmp_path / "here")
    push_database(database, str(remote), config)
    pull_database(tmp_path / "old", str(remote), config)
    (tmp_path / "here" / "0000" / "image.jpg").write_bytes(bytes(3000))
    push_database(database, str(remote), config)
    before = contents(tmp_path / "old")
    for path in (remote / folder).iterdir():
        damage(path)
    with pytest.raises(DatabaseError, match=r"is damaged .*: 'geonav database push --repair'"):
        pull_database(tmp_path / "there", str(remote), config)
    with pytest.raises(DatabaseError, match="is damaged"):
        pull_database(tmp_path / "old", str(remote), config)
    assert contents(tmp_path / "old") == before
    with pytest.raises(DatabaseError, match="is not a database"):
        Database.open(tmp_path / "there")
    report = push_database(database, str(remote), config, PushOptions(repair=True))
    assert report.damaged == (2 if folder == "packs" else 1)
    for name in ("there", "old"):
        pull_database(tmp_path / name, str(remote), config)
        assert contents(tmp_path / name) == contents(tmp_path / "here")


def test_lost_lists_of_files_are_made_anew(tmp_path: Path, config: GeonavConfig) -> None:
    import shutil

    remote = tmp_path / "remote"
    database = make_database(tmp_path / "here")
    push_database(database, str(remote), config)
    shutil.rmtree(remote / "shards")
    shutil.rmtree(tmp_path / "here" / ".geonav" / "sync")
    push_database(database, str(remote), config, PushOptions(repair=True, force=True))
    pull_database(tmp_path / "there", str(remote), config)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
