"""Query expansion, database-side augmentation and k-reciprocal re-ranking."""

from __future__ import annotations

import numpy as np
import pytest

from geonav.errors import UsageError
from geonav.retrieval.rerank.k_reciprocal import rerank_k_reciprocal
from geonav.retrieval.rerank.query_expansion import augmented_database, expanded_query


def _places(seed: int, places: int, views: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    place = np.repeat(np.arange(places), views)
    return random.normal(size=(places, 64))[place] + 1.3 * random.normal(size=(len(place), 64)), place


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_an_expanded_query_is_the_mean_weighted_by_powers_of_similarity() -> None:
    query, near = np.array([1.0, 0, 0]), np.array([[0.8, 0.6, 0], [0, 0, 2.0], [-1, 0, 0]])
    expected = _unit(query + 0.8**3 * near[0])  # the second is orthogonal, the third points away: neither counts
    assert expanded_query(query, near) == pytest.approx(expected, abs=1e-6)
    assert expanded_query(query, np.zeros((0, 3))) == pytest.approx(query)


def test_augmented_vectors_lie_nearer_to_those_of_their_place() -> None:
    rows, place = _places(1, places=30, views=8)
    better = augmented_database(rows, 5)
    assert np.linalg.norm(better, axis=1) == pytest.approx(1, abs=1e-5)

    def mean_first(rows: np.ndarray) -> float:
        similar = rows @ rows.T - 10 * np.eye(len(rows))
        return float((place[similar.argmax(1)] == place).mean())

    assert mean_first(better) > mean_first(_unit(rows))
    assert augmented_database(rows, 1) == pytest.approx(_unit(rows), abs=1e-6)


def test_reciprocal_neighbours_by_the_papers_own_steps() -> None:
    rows, _ = _places(5, places=6, views=4)
    scores = rerank_k_reciprocal(rows[:2], rows[2:], 5, 3, 0.3)
    assert np.abs(scores - _by_steps(rows, 5, 3, 0.3)[:2, 2:]).max() < 1e-5


def _by_steps(rows: np.ndarray, k1: int, k2: int, blend: float) -> np.ndarray:
    """One minus the final distance, following sections 3.2 to 3.4 with sets and loops."""
    unit = _unit(rows)
    distance = 2 - 2 * unit @ unit.T
    distance = np.maximum(distance, 0) / distance.max(axis=1, keepdims=True)
    ranks = np.argsort(distance, axis=1, kind="stable")

    def reciprocal(i: int, k: int) -> set[int]:
        return {int(j) for j in ranks[i, : k + 1] if i in ranks[j, : k + 1]}

    sets = np.zeros_like(distance)
    for i in range(len(rows)):
        own = reciprocal(i, k1)
        members = set(own)
        for j in own:
            theirs = reciprocal(j, round(k1 / 2))
            if len(theirs & own) > 2 / 3 * len(theirs):
                members |= theirs
        for j in members:
            sets[i, j] = np.exp(-distance[i, j])
        sets[i] /= sets[i].sum()
    sets = np.array([sets[ranks[i, :k2]].mean(0) for i in range(len(rows))])
    shared = np.array([[np.minimum(a, b).sum() for b in sets] for a in sets])
    return 1 - ((1 - blend) * (1 - shared / (2 - shared)) + blend * distance)


def test_an_empty_gallery_gives_no_scores() -> None:
    assert rerank_k_reciprocal(np.ones(3), np.zeros((0, 3)), 5, 3).shape == (1, 0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: expanded_query([1, np.inf], [[1, 0]]),
        lambda: expanded_query([1, 0], [[1, 0, 0]]),
        lambda: expanded_query([1, 0], [[1, 0]], alpha=-1),
        lambda: augmented_database([[np.nan, 0]], 2),
        lambda: augmented_database([[1, 0]], 0),
        lambda: rerank_k_reciprocal([[1, 0]], [[1, 0]], 0, 1),
        lambda: rerank_k_reciprocal([[1, 0]], [[1, 0]], 2, 1, 2.0),
    ],
)
def test_wrong_input_is_refused(call: object) -> None:
    with pytest.raises(UsageError):
        call()  # type: ignore[operator]
