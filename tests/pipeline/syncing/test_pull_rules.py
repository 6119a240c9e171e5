"""A pull never loses what is the user's, and names what stands in its way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.errors import DatabaseError, InputError
from geonav.pipeline.syncing import PullOptions, pull_database, push_database
from tests.pipeline.syncing.trees import add_entry, contents, everything, make_database, storage


@pytest.fixture
def config() -> GeonavConfig:
    return storage()


@pytest.fixture
def remote(tmp_path: Path, config: GeonavConfig) -> str:
    """What ``here`` was pushed to and ``there`` was pulled from."""
    remote = str(tmp_path / "remote")
    push_database(make_database(tmp_path / "here"), remote, config)
    pull_database(tmp_path / "there", remote, config)
    return remote


def test_entries_that_are_only_here_stay_unless_told(tmp_path: Path, remote: str, config: GeonavConfig) -> None:
    there = tmp_path / "there"
    add_entry(there, "mine", np.random.default_rng(3))
    report = pull_database(there, remote, config)
    assert (report.only_here, report.removed) == (2, 0)
    assert "mine" in Database.open(there)
    report = pull_database(there, remote, config, PullOptions(delete=True))
    assert (report.only_here, report.removed) == (0, 2)
    assert not (there / "mine").exists()
    assert contents(there) == contents(tmp_path / "here")


def test_what_the_remote_removed_goes_unless_it_changed_here(tmp_path: Path, remote: str, config: GeonavConfig) -> None:
    here, there = Database.open(tmp_path / "here"), tmp_path / "there"
    here.remove_entry("0000")
    here.remove_entry("0001")
    (there / "0001" / "metadata.json").write_text("mine")
    push_database(here, remote, config)
    report = pull_database(there, remote, config)
    assert (report.removed, report.only_here) == (3, 1)
    assert Database.open(there).uids() == ["0001", "0002"]
    assert (there / "0001" / "metadata.json").read_text() == "mine"


def test_what_was_removed_here_comes_back(tmp_path: Path, remote: str, config: GeonavConfig) -> None:
    Database.open(tmp_path / "there").remove_entry("0002")
    assert pull_database(tmp_path / "there", remote, config).fetched_files == 2
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_a_file_that_changed_here_is_never_overwritten_unasked(
    tmp_path: Path, remote: str, config: GeonavConfig
) -> None:
    there = tmp_path / "there"
    (tmp_path / "here" / "0001" / "metadata.json").write_text("theirs")
    (tmp_path / "here" / "0002" / "metadata.json").write_text("theirs")
    push_database(Database.open(tmp_path / "here"), remote, config)
    (there / "0001" / "metadata.json").write_text("mine")
    before = contents(there)
    with pytest.raises(DatabaseError, match=r"different on .*: 0001/metadata.json; nothing was written: --force"):
        pull_database(there, remote, config)
    assert contents(there) == before
    pull_database(there, remote, config, PullOptions(force=True))
    assert contents(there) == contents(tmp_path / "here")


def test_the_same_change_on_both_sides_is_no_conflict(tmp_path: Path, remote: str, config: GeonavConfig) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder / "0001" / "metadata.json").write_text("both")
    push_database(Database.open(tmp_path / "here"), remote, config)
    assert pull_database(tmp_path / "there", remote, config).fetched_files == 0


def test_a_copy_made_otherwise_is_compared_by_content(tmp_path: Path, remote: str, config: GeonavConfig) -> None:
    import shutil

    other = tmp_path / "other"
    shutil.copytree(tmp_path / "here", other, copy_function=shutil.copy)  # other times of change
    shutil.rmtree(other / ".geonav" / "sync")
    report = pull_database(other, remote, config)
    assert (report.fetched_files, report.only_here) == (0, 0)
    assert push_database(Database.open(other), remote, config).generation == 1


def test_a_file_of_mine_in_a_folder_of_theirs_is_named(tmp_path: Path, remote: str, config: GeonavConfig) -> None:
    (tmp_path / "here" / "new").write_bytes(b"a file")
    push_database(Database.open(tmp_path / "here"), remote, config)
    add_entry(tmp_path / "there", "new", np.random.default_rng(3))
    with pytest.raises(DatabaseError, match=r"new/image\.jpg"):
        pull_database(tmp_path / "there", remote, config, PullOptions(force=True))
    pull_database(tmp_path / "there", remote, config, PullOptions(delete=True))
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_a_folder_becomes_a_file_and_a_file_a_folder(tmp_path: Path, remote: str, config: GeonavConfig) -> None:
    here = tmp_path / "here"
    Database.open(here).remove_entry("0000")
    (here / "0000").write_bytes(b"a file now")
    push_database(Database.open(here), remote, config)
    pull_database(tmp_path / "there", remote, config)
    assert contents(tmp_path / "there") == contents(here)
    (here / "0000").unlink()
    add_entry(here, "0000", np.random.default_rng(1))
    push_database(Database.open(here), remote, config)
    pull_database(tmp_path / "there", remote, config)
    assert contents(tmp_path / "there") == contents(here)


def test_documents_are_no_place_for_a_database(tmp_path: Path, remote: str, config: GeonavConfig) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="is not a database"):
        pull_database(documents, remote, config)
    assert everything(documents) == {"letter.txt": b"dear"}


def test_nothing_pushed_leaves_no_folder(tmp_path: Path, config: GeonavConfig) -> None:
    with pytest.raises(InputError, match="nothing was pushed there yet"):
        pull_database(tmp_path / "new", str(tmp_path / "nowhere"), config)
    assert not (tmp_path / "new").exists()


def test_a_full_disk_is_seen_before(
    tmp_path: Path, remote: str, config: GeonavConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from geonav.errors import StorageError

    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(StorageError, match="has 0 bytes free, the pull needs"):
        pull_database(tmp_path / "new", remote, config)
