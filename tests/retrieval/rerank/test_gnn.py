"""Re-ranking by shared neighbours: the figures of a worked example, and what must hold for any vectors."""

from __future__ import annotations

import statistics
import time

import numpy as np
import pytest

import geonav
from geonav.errors import UsageError

# Made once in numpy straight from the formulas, to four digits; the second with a blend of 0.3.
QUERIES = np.array([[1, 0.2, 0], [0, 1, 0.3]])
GALLERY = np.array([[1, 0, 0], [0.9, 0.4, 0.1], [0.6, 0.8, 0], [0, 1, 0], [0.1, 0.9, 0.5], [0, 0.2, 1]])
PURE = np.array([[1.0, 0.9957, 0.8704, 0.0163, 0, 0], [0, 0, 0.0681, 0.9902, 1.0, 0.9379]])
BLENDED = np.array([[0.9942, 0.9882, 0.8328, 0.0702, 0.0796, 0.0115], [0, 0.1248, 0.2776, 0.9805, 0.9917, 0.7974]])


def _places(seed: int, places: int, views: int, dim: int = 64, noise: float = 1.3) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of some places, and the place of each."""
    random = np.random.default_rng(seed)
    place = np.repeat(np.arange(places), views)
    return random.normal(size=(places, dim))[place] + noise * random.normal(size=(len(place), dim)), place


@pytest.mark.parametrize(("blend", "expected"), [(0.0, PURE), (0.3, BLENDED)])
def test_the_worked_example(blend: float, expected: np.ndarray) -> None:
    scores = geonav.rerank_gnn(QUERIES, GALLERY, 3, 2, 2, 2, blend)
    assert scores.dtype == np.float32
    # The example is given to four digits.
    assert np.abs(scores - expected).max() < 1e-4


def _by_loops(rows: np.ndarray, k1: int, k2: int, alpha: float, layers: int) -> np.ndarray:
    """The formulas once more, row by row."""
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    similar = rows @ rows.T
    nearest = np.argsort(-similar, axis=1, kind="stable")
    lists = np.zeros_like(similar)
    for i, near in enumerate(nearest):
        lists[i, near[:k1]] = 1
    for _ in range(layers):
        lists = lists + lists.T
        lists = np.array([sum(similar[i, j] ** alpha * lists[j] for j in near[:k2]) for i, near in enumerate(nearest)])
        lists /= np.linalg.norm(lists, axis=1, keepdims=True)
    return lists @ lists.T


@pytest.mark.parametrize(("k1", "k2", "layers"), [(7, 3, 2), (20, 6, 3), (5, 5, 1)])
def test_more_rows_than_are_worked_on_at_once_give_the_same(k1: int, k2: int, layers: int) -> None:
    rows, _ = _places(3, places=60, views=5)
    scores = geonav.rerank_gnn(rows[:1], rows[1:], k1, k2, 2.0, layers, 0.0)
    assert np.abs(scores - _by_loops(rows, k1, k2, 2.0, layers)[:1, 1:]).max() < 1e-5


def test_views_of_the_same_place_come_first_more_often() -> None:
    rows, place = _places(0, places=40, views=8)
    asked = np.arange(0, len(rows), 8)
    plain, better = [], []
    for query in asked:
        others = np.setdiff1d(np.arange(len(rows)), query)
        cosine = geonav.rerank_gnn(rows[query], rows[others], 8, 3, blend=1.0)[0]
        mixed = geonav.rerank_gnn(rows[query], rows[others], 8, 3)[0]
        for scores, found in ((cosine, plain), (mixed, better)):
            best = others[np.argsort(-scores)[:7]]
            found.append((place[best] == place[query]).mean())
    assert np.mean(better) > np.mean(plain) + 0.02


def test_one_neighbour_has_no_layers_and_one_query_may_be_a_vector() -> None:
    one = geonav.rerank_gnn(QUERIES[0], GALLERY, 3, 1, 2, 2, 0.0)
    assert one.shape == (1, 6)
    # Lists of three neighbours each, of which the query shares some: whole numbers.
    assert np.array_equal(one, one.round())


def test_an_empty_gallery_and_more_neighbours_than_rows() -> None:
    assert geonav.rerank_gnn(QUERIES, np.zeros((0, 3)), 3, 2).shape == (2, 0)
    assert np.isfinite(geonav.rerank_gnn(QUERIES, GALLERY, 50, 20)).all()


def test_zero_vectors_and_doubles_do_no_harm() -> None:
    rows = np.concatenate([GALLERY, np.zeros((2, 3)), GALLERY[:1]])
    scores = geonav.rerank_gnn(QUERIES, rows, 3, 2)
    assert np.isfinite(scores).all()
    assert np.argmax(scores[0]) in {0, 1, 8}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"queries": [[np.nan, 0, 0]]}, "row 0 is not finite"),
        ({"gallery": [[1, 0]]}, "2 numbers each, the others 3"),
        ({"gallery": np.ones((2, 3, 4))}, "not an array of shape"),
        ({"k1": 0}, "k1 = 0"),
        ({"k2": 0}, "k2 = 0"),
        ({"layers": -1}, "layers = -1"),
        ({"blend": 1.5}, "blend = 1.5"),
        ({"alpha": float("nan")}, "alpha = nan"),
    ],
)
def test_wrong_input_is_refused_in_one_line(change: dict[str, object], words: str) -> None:
    given = {"queries": QUERIES, "gallery": GALLERY, "k1": 3, "k2": 2, **change}
    with pytest.raises(UsageError, match=words) as caught:
        geonav.rerank_gnn(**given)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_thousand_candidates_cost_twice_their_product_at_most() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(1001, 512)).astype(np.float32)
    rows += 1.5 * random.normal(size=(50, 512))[random.integers(0, 50, len(rows))]
    bare, full = [], []
    for _ in range(15):  # by turns, so that a busy machine slows both
        start = time.perf_counter()
        np.argpartition(-(rows @ rows.T), 20, axis=1)[:, :20]
        between = time.perf_counter()
        geonav.rerank_gnn(rows[0], rows[1:], 20, 6)
        bare.append(between - start)
        full.append(time.perf_counter() - between)
    assert statistics.median(full) <= 2 * statistics.median(bare)
