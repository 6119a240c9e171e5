"""Every registered index finds what brute force finds, and refuses what it was not made for."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geonav.errors import DatabaseError, UsageError
from geonav.retrieval.registries import INDEXES

DIM = 24
EXACT = {"flat", "milvus"}
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
    np.testing.assert_allclose([score for _, score in hits], products[order], atol=1e-6 if kind in EXACT else 1e-3)


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
    for path in own_files(tmp_path):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DatabaseError, match="index global"):
            load(tmp_path, "aa")
        path.write_bytes(whole)
    load(tmp_path, "aa")


def own_files(folder: Path) -> list[Path]:
    """What the index wrote itself: milvus-lite keeps a folder of its own in there."""
    return sorted(path for path in folder.iterdir() if path.is_file())


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


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


def city(count: int, seed: int = 0) -> np.ndarray:
    """Vectors of places with a few views each, so that there is something to find."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(-(-count // 10), DIM)), 10, 0)[:count]
    rows = (centres + 0.4 * rng.normal(size=(count, DIM))).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


MANY = 1500


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Folders with indexes of many vectors, each made once; copy them before writing."""
    made: dict[str, Path] = {}

    def get(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind)
            index = INDEXES.load(kind)(DIM, "aa")
            index.add([f"v{i:04}" for i in range(MANY)], city(MANY))
            index.save(made[kind])
        return made[kind]

    return get


def best(products: np.ndarray, count: int, prefix: str = "v") -> set[str]:
    return {f"{prefix}{i:04}" for i in np.argsort(-products)[:count]}


def recall(index: Any, rows: np.ndarray, queries: np.ndarray, allowed: Any = None) -> float:
    mask = np.ones(len(rows), bool) if allowed is None else np.isin([f"v{i:04}" for i in range(len(rows))], allowed)
    shares = []
    for query in queries:
        wanted = best(np.where(mask, rows @ query, -9), 10)
        shares.append(len(wanted & {uid for uid, _ in index.search(query, 10, allowed=allowed)}) / 10)
    return float(np.mean(shares))


def test_many_vectors_are_found_and_scores_are_inner_products(kind: str, saved: Any) -> None:
    index, rows = INDEXES.load(kind).load(saved(kind), "aa"), city(MANY)
    queries = city(40, seed=0) + 0.05
    assert recall(index, rows, queries) >= 0.95
    for uid, score in index.search(queries[0], 5):
        assert score == pytest.approx(float(rows[int(uid[1:])] @ queries[0]), abs=2e-3)


def test_filters_hold_among_many(kind: str, saved: Any) -> None:
    index, rows, queries = INDEXES.load(kind).load(saved(kind), "aa"), city(MANY), city(20) + 0.05
    index.add([f"w{i:04}" for i in range(MANY)], city(MANY, seed=1))  # more than are compared one by one
    allowed = [f"v{i:04}" for i in range(100, MANY)] + [f"w{i:04}" for i in range(700)]
    for query in queries:
        hits = index.search(query, 10, allowed=allowed)
        wanted = best(np.r_[np.full(100, -9), rows[100:] @ query], 10) | best(city(MANY, seed=1)[:700] @ query, 10, "w")
        assert len(hits) == 10
        assert {uid for uid, _ in hits} <= set(allowed)
        assert len({uid for uid, _ in hits} & wanted) >= 8
    assert len(index.search(queries[0], 5000)) == 2 * MANY


def test_many_are_removed_and_added_without_learning_again(kind: str, saved: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(saved(kind), tmp_path / "copy")
    index, rows = INDEXES.load(kind).load(folder, "aa"), city(MANY + 100)
    gone = [f"v{i:04}" for i in range(0, 300, 3)]
    assert index.remove(gone) == 100
    index.add([f"v{i:04}" for i in range(MANY, MANY + 100)], rows[MANY:])
    rows_or_link = folder / ("milvus-1.json" if kind == "milvus" else "rows-1.bin")
    size = rows_or_link.stat().st_size
    index.save(folder)
    grown = 0 if kind == "milvus" else 100 * (size - 4096) // MANY
    assert rows_or_link.stat().st_size - size == grown
    for one in (index, INDEXES.load(kind).load(folder, "aa")):
        assert len(one) == MANY
        left = rows.copy()
        left[0:300:3] = 0
        assert recall(one, left, rows[MANY:] + 0.02) >= 0.95
        assert not {uid for uid, _ in one.search(rows[3], MANY)} & set(gone)


def test_much_removed_is_dropped_from_the_files(kind: str, saved: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(saved(kind), tmp_path / "copy")
    index, rows = INDEXES.load(kind).load(folder, "aa"), city(MANY)
    size = size_of(folder)
    index.remove([f"v{i:04}" for i in range(1100)])
    index.save(folder)
    assert size_of(folder) < 0.5 * size
    rows[:1100] = 0
    assert recall(INDEXES.load(kind).load(folder, "aa"), rows, rows[1200:1220] + 0.02) == 1.0


def test_the_order_of_adding_changes_nothing(kind: str, saved: Any, tmp_path: Path) -> None:
    index, rows = INDEXES.load(kind)(DIM, "aa"), city(MANY)
    order = np.random.default_rng(1).permutation(MANY)
    for some in np.array_split(order, 3):
        index.add([f"v{i:04}" for i in some], rows[some])
    index.save(tmp_path)
    for path in own_files(saved(kind)):
        if path.name != "milvus-1.json":  # holds the collection's own name
            assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_zero_vectors_are_kept_and_never_found(kind: str, tmp_path: Path) -> None:
    index = filled(kind)
    index.add(["black"], np.zeros((1, DIM), np.float32))
    index.save(tmp_path)
    for one in (index, INDEXES.load(kind).load(tmp_path, "aa")):
        assert len(one) == 51
        assert "black" in one
        assert len(one.search(vectors(1)[0], 99)) == 50
        assert one.search(vectors(1)[0], 3, allowed=["black"]) == []
        assert one.search(np.zeros(DIM, np.float32), 3) == []


def test_an_index_of_another_kind_is_refused(kind: str, tmp_path: Path) -> None:
    filled(kind).save(tmp_path)
    other = next(name for name in INDEXES.names() if name != kind)
    with pytest.raises(DatabaseError, match=f"was made as {kind}, not as {other}.*index global"):
        INDEXES.load(other).load(tmp_path, "aa")


UIDS = [f"u{i}" for i in range(12)] + ["ä/ö", "w"]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.sampled_from(UIDS), unique=True, max_size=5), st.integers(0, 6)),
        st.tuples(st.just("remove"), st.lists(st.sampled_from(UIDS), max_size=5), st.just(0)),
        st.tuples(st.just("save"), st.just([]), st.just(0)),
        st.tuples(st.just("reload"), st.just([]), st.just(0)),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, k=st.integers(0, 16), allowed=st.none() | st.lists(st.sampled_from(UIDS)))
def test_any_sequence_of_changes_leaves_what_brute_force_finds(
    kind: str, tmp_path: Path, steps: list[Any], k: int, allowed: list[str] | None
) -> None:
    cls = INDEXES.load(kind)
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    index, truth, stored = cls(DIM, "aa"), dict[str, np.ndarray](), dict[str, np.ndarray]()
    for what, uids, seed in steps:
        if what == "add":
            rows = vectors(5, seed)[: len(uids)] if seed else np.zeros((len(uids), DIM), np.float32)
            index.add(uids, rows)
            truth |= dict(zip(uids, rows, strict=True))
        elif what == "remove":
            assert index.remove(uids) == len(set(uids) & set(truth))
            truth = {uid: row for uid, row in truth.items() if uid not in uids}
        elif what == "save":
            index.save(folder)
            stored = dict(truth)
        elif (folder / "stamp.json").exists():
            index, truth = cls.load(folder, "aa"), dict(stored)
    assert index.uids == sorted(truth)
    query = vectors(1, seed=50)[0]
    found = [uid for uid, row in truth.items() if row.any() and (allowed is None or uid in allowed)]
    keep = np.float32 if kind in EXACT else np.float16
    score = {uid: float(truth[uid].astype(keep).astype(np.float32) @ query) for uid in found}
    hits = index.search(query, k, allowed=allowed)
    assert len(hits) == min(k, len(found))
    np.testing.assert_allclose([s for _, s in hits], sorted(score.values(), reverse=True)[:k], atol=1e-5)
    for (uid, mine), (after, less) in itertools.pairwise(hits):
        assert mine > less or uid < after
    for uid, mine in hits:
        assert score[uid] == pytest.approx(mine, abs=1e-5)
