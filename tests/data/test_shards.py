"""Shares hold everything once, and nothing that is added moves what is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geonav.data.database import Database
from geonav.data.shards import Shard, share
from geonav.errors import DatabaseError, UsageError

names = st.sets(st.text(min_size=1), max_size=60)
counts = st.integers(1, 20)


@given(names, counts)
def test_shares_are_disjoint_and_complete(things: set[str], count: int) -> None:
    shares = [share(Shard(number, count), things, str) for number in range(1, count + 1)]
    assert sorted(name for part in shares for name in part) == sorted(things)


@given(names, names, counts, st.data())
def test_what_is_added_moves_nothing(things: set[str], more: set[str], count: int, data: st.DataObject) -> None:
    shard = Shard(data.draw(st.integers(1, count)), count)
    assert set(share(shard, things, str)) == set(share(shard, things | more, str)) & things


@given(st.permutations([f"photo{number}" for number in range(12)]))
def test_the_order_does_not_matter(things: list[str]) -> None:
    assert sorted(share(Shard(2, 3), things, str)) == sorted(share(Shard(2, 3), sorted(things), str))


def test_shares_are_the_same_on_every_machine_and_of_like_size() -> None:
    # Pinned: another assignment would tear apart what machines with different versions do.
    assert [name for name in "abcdefgh" if Shard(1, 3).holds(name)] == ["f"]
    sizes = [len(share(Shard(number, 16), [f"{n:06d}" for n in range(16_000)], str)) for number in range(1, 17)]
    assert 850 < min(sizes) <= max(sizes) < 1150


def test_without_a_share_everything_is_done() -> None:
    assert share(None, ["b", "a"], str) == ["b", "a"]


@given(counts, st.data())
def test_a_share_is_read_as_it_is_written(count: int, data: st.DataObject) -> None:
    shard = Shard(data.draw(st.integers(1, count)), count)
    assert Shard.parse(str(shard)) == shard


@pytest.mark.parametrize("text", ["0/4", "5/4", "4", "1/0", "-1/4", "a/b", "1/2/3", "1.5/3", ""])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no share: write 1/16"):
        Shard.parse(text)


HOLD = """
import sys, time
from geonav.data.database import Database
from geonav.data.shards import Shard
with Database.open(sys.argv[1]).lock(Shard.parse(sys.argv[2]) if len(sys.argv) > 2 else None):
    print("held", flush=True)
    sys.stdin.readline()
"""


def holding(path: Path, *shard: str) -> subprocess.Popen[str]:
    """A process that holds the lock until it is told to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), *shard],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def ended(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=20)


def test_shares_write_beside_each_other_and_exclude_who_writes_everything(tmp_path: Path) -> None:
    database = Database.create(tmp_path / "db")
    one = holding(database.path, "1/3")
    try:
        with Database.open(database.path).lock(Shard(2, 3)):
            pass
        with pytest.raises(DatabaseError, match=r"db is being written by shard 1/3: wait for it"), database.lock():
            pass
        with pytest.raises(DatabaseError, match="db is being written by process"), database.lock(Shard(1, 3)):
            pass
    finally:
        ended(one)
    with database.lock(), database.lock(Shard(1, 3)):
        pass


def test_who_writes_everything_excludes_shares_until_it_dies(tmp_path: Path) -> None:
    database = Database.create(tmp_path / "db")
    whole = holding(database.path)
    try:
        with pytest.raises(DatabaseError, match=f"written by process {whole.pid}"), database.lock(Shard(1, 3)):
            pass
    finally:
        whole.kill()
        whole.communicate()
    with database.lock(Shard(1, 3)):
        pass
