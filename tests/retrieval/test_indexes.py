"""Every registered index finds what brute force finds, and refuses what it was not made for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geonav.errors import DatabaseError, UsageError
from geonav.retrieval.registries import INDEXES

DIM = 24
pytestmark = pytest.mark.parametrize("kind", INDEXES.names())


def vectors(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def filled(kind: str, count: int = 50) -> Any:
    index = INDEXES.load(kind)(DIM, "aa")
    index.add([f"u{i:03}" for i in range(count)], vectors(count))
    return index


def test_it_agrees_with_brute_force(kind: str) -> None:
    index, query = filled(kind), vectors(1, seed=5)[0]
    products = vectors(50) @ query
    order = np.argsort(-products)[:7]
    hits = index.search(query, 7)
    assert [uid for uid, _ in hits] == [f"u{i:03}" for i in order]
    np.testing.assert_allclose([score for _, score in hits], products[order], atol=1e-6 if kind == "flat" else 1e-3)


def test_exact_ties_come_in_order_of_uid_whatever_the_order_of_adding(kind: str) -> None:
    index, row = INDEXES.load(kind)(DIM, "aa"), vectors(1)
    uids = [f"t{i:02}" for i in np.random.default_rng(0).permutation(40)]
    index.add(uids, np.repeat(row, 40, 0))
    index.add(["best"], row * 2)
    assert [uid for uid, _ in index.search(row[0], 4)] == ["best", "t00", "t01", "t02"]


def test_more_than_there_is_and_nothing_at_all(kind: str) -> None:
    query = vectors(1)[0]
    assert len(filled(kind, 3).search(query, 10)) == 3
    assert INDEXES.load(kind)(DIM, "aa").search(query, 10) == []
    assert filled(kind, 3).search(query, 0) == []


def test_adding_replaces_and_removing_removes(kind: str) -> None:
    index = filled(kind)
    new = vectors(1, seed=9)
    index.add(["u007"], new)
    assert len(index) == 50
    assert index.search(new[0], 1)[0][0] == "u007"
    assert index.remove(["u007", "unknown"]) == 1
    assert "u007" not in index.uids
    assert index.uids == sorted(index.uids)
    assert "u007" not in [uid for uid, _ in index.search(new[0], 50)]
    brute = vectors(50) @ new[0]
    brute[7] = -9
    assert index.search(new[0], 1)[0][0] == f"u{brute.argmax():03}"


def test_it_loads_back_and_grows(kind: str, tmp_path: Path) -> None:
    index = filled(kind)
    folder = tmp_path / "new" / "folder"
    index.save(folder)
    again = INDEXES.load(kind).load(folder, "aa")
    query = vectors(1, seed=4)[0]
    assert again.search(query, 9) == index.search(query, 9)
    again.add(["zz"], vectors(1, seed=4))
    again.save(folder)
    assert INDEXES.load(kind).load(folder, "aa").search(query, 1)[0][0] == "zz"


def test_an_empty_index_loads_back(kind: str, tmp_path: Path) -> None:
    INDEXES.load(kind)(DIM, "aa").save(tmp_path)
    assert len(INDEXES.load(kind).load(tmp_path, "aa")) == 0


def test_another_stamp_a_missing_one_and_broken_files_are_refused(kind: str, tmp_path: Path) -> None:
    load = INDEXES.load(kind).load
    with pytest.raises(DatabaseError, match="index global"):
        load(tmp_path, "aa")
    filled(kind).save(tmp_path)
    with pytest.raises(DatabaseError, match=r"other settings.*index global"):
        load(tmp_path, "bb")
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DatabaseError, match="index global"):
            load(tmp_path, "aa")
        path.write_bytes(whole)
    load(tmp_path, "aa")


def die(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_save_that_is_cut_short_leaves_the_old_index(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = vectors(1, seed=8)[0]
    index = filled(kind)
    index.save(tmp_path)
    before = index.search(query, 50)
    index.remove(["u001"])
    index.add(["zz"], vectors(1, seed=8))
    monkeypatch.setattr("geonav.retrieval.shelf.atomic_write_json", die)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            index.save(tmp_path)
        assert INDEXES.load(kind).load(tmp_path, "aa").search(query, 50) == before
    monkeypatch.undo()
    index.save(tmp_path)
    again = INDEXES.load(kind).load(tmp_path, "aa")
    assert again.search(query, 1)[0][0] == "zz"
    assert "u001" not in again.uids


@pytest.mark.parametrize(
    ("uids", "rows"),
    [
        (["a"], np.ones((1, DIM + 1), np.float32)),
        (["a"], np.ones((2, DIM), np.float32)),
        (["a"], np.full((1, DIM), np.nan, np.float32)),
        (["a", "a"], np.ones((2, DIM), np.float32)),
    ],
)
def test_vectors_that_do_not_fit_are_refused(kind: str, uids: list[str], rows: np.ndarray) -> None:
    index = filled(kind)
    with pytest.raises(UsageError):
        index.add(uids, rows)
    assert len(index) == 50


@pytest.mark.parametrize("query", [np.ones(DIM + 1, np.float32), np.full(DIM, np.nan, np.float32)])
def test_queries_that_do_not_fit_are_refused(kind: str, query: np.ndarray) -> None:
    with pytest.raises(UsageError):
        filled(kind).search(query, 3)


def test_only_what_is_allowed_is_found(kind: str) -> None:
    index, query = filled(kind), vectors(1, seed=6)[0]
    allowed = [f"u{i:03}" for i in range(10, 30, 2)]
    order = 10 + 2 * np.argsort(-(vectors(50)[10:30:2] @ query))
    assert [uid for uid, _ in index.search(query, 4, allowed=[*allowed, "unknown"])] == [f"u{i:03}" for i in order[:4]]
    assert {uid for uid, _ in index.search(query, 99, allowed=set(allowed))} == set(allowed)
    assert index.search(query, 4, allowed=[]) == []
    assert index.search(query, 4, allowed=["unknown"]) == []


def test_vectors_are_given_back_in_the_order_asked_for(kind: str) -> None:
    index = filled(kind)
    np.testing.assert_allclose(index.vectors(["u009", "u002"]), vectors(50)[[9, 2]], atol=0.02)
    assert index.vectors([]).shape == (0, DIM)
    with pytest.raises(DatabaseError, match="nobody"):
        index.vectors(["u001", "nobody"])
