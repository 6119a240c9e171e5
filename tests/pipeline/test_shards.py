"""Shares of a command, one after the other or again, come to what one run of everything gives."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from geonav.data.database import Database
from geonav.data.shards import Shard
from geonav.errors import DatabaseError
from geonav.pipeline.index import index_global, index_local
from geonav.pipeline.mapping.build import build_map
from geonav.pipeline.mapping.shares import match_share
from geonav.pipeline.stages import load_global
from tests.pipeline.mapping.painted import PaintedStreet, along_street, map_config, store
from tests.pipeline.test_index import add, settings

SHARDS = [Shard(number, 3) for number in (3, 1, 2)]


def files(folder: Path, *endings: str) -> dict[str, bytes]:
    """Content by path of the files that end so."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.name.endswith(endings) and path.is_file()
    }


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = Database.create(tmp_path_factory.mktemp("shards") / "db")
    for number in range(7):
        add(database, f"p{number}", number)
    database.add_entry("broken", b"no picture", database.metadata("p0"))
    return database.path


@pytest.fixture
def copied(pictures: Path, tmp_path: Path) -> Callable[[str], Database]:
    return lambda name: Database.open(shutil.copytree(pictures, tmp_path / name))


def test_indexing_by_shares_gives_the_files_of_one_run(copied: Callable[[str], Database]) -> None:
    config, whole, shared = settings(max_keypoints=60), copied("whole"), copied("shared")
    index_global(whole, config)
    reports = [index_local(Database.open(shared.path), config, shard=shard) for shard in SHARDS]
    assert sum(report.computed for report in reports) == 7
    assert sum(len(report.failed) for report in reports) == 1
    again = [index_local(shared, config, shard=shard) for shard in SHARDS]
    assert sum(report.computed for report in again) == 0
    described = [index_global(Database.open(shared.path), config, shard=shard) for shard in SHARDS]
    assert (sum(report.computed for report in described), [report.index for report in described]) == (7, [None] * 3)
    with pytest.raises(DatabaseError, match=r"no finished index|is not indexed"):
        load_global(shared, config)
    last = index_global(shared, config)
    assert (last.computed, last.reused) == (0, 7)
    assert last.index is not None
    assert last.index.count == 7
    kinds = (".npy", ".npz", ".bin", "settings.json", "stamp.json", "disk.json")
    assert files(whole.path, *kinds) == files(shared.path, *kinds)
    assert sorted(path.name for path in shared.index_dir("vlad").glob("journal*")) == ["journal.jsonl"]


def test_a_vocabulary_waits_for_the_features_of_all_shares(copied: Callable[[str], Database]) -> None:
    config, database = settings(max_keypoints=60), copied("early")
    with pytest.raises(DatabaseError, match="has none yet: let all shards of `geonav index local` end first"):
        index_global(database, config, shard=SHARDS[0])


def test_vectors_that_a_share_made_anew_replace_those_in_the_index(copied: Callable[[str], Database]) -> None:
    config, database = settings(max_keypoints=60), copied("anew")
    index_global(database, config)
    before = Path(database.image_path("p1")).read_bytes()
    database.image_path("p1").write_bytes(database.image_path("p2").read_bytes())
    index_local(database, config)
    for shard in SHARDS:
        index_global(database, config, shard=shard)
    index_global(database, config)
    place = load_global(database, config)
    found = place.index.vectors(["p1", "p2"])
    assert before != database.image_path("p1").read_bytes()
    assert found[0] == pytest.approx(found[1])


def test_pairs_matched_by_shares_give_the_map_of_one_run(tmp_path: Path) -> None:
    street, config = PaintedStreet(), map_config()
    store(tmp_path / "whole", street, along_street(street, 6))
    shutil.copytree(tmp_path / "whole", tmp_path / "shared")
    database = Database.open(tmp_path / "shared")
    with pytest.raises(DatabaseError, match="run `geonav index global"):
        match_share(database, config, SHARDS[0])
    index_global(database, config)
    reports = [match_share(database, config, shard) for shard in SHARDS]
    assert [bool(report.note) for report in reports] == [True, True, False]
    again = [match_share(database, config, shard) for shard in SHARDS]  # what closes loops, once all is there
    assert not any(report.note for report in again)
    assert sum(report.matched for report in [match_share(database, config, shard) for shard in SHARDS]) == 0
    whole, shared = build_map(Database.open(tmp_path / "whole"), config), build_map(database, config)
    assert (whole.num_pairs, whole.num_links) == (shared.num_pairs, shared.num_links)
    links = Path(".geonav/map/links")
    assert files(tmp_path / "whole" / links, ".npz") == files(tmp_path / "shared" / links, ".npz")
