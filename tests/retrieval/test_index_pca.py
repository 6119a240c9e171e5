"""PCA keeps what varies, whitens as told, and refuses what it cannot do."""

from __future__ import annotations

import numpy as np
import pytest

from geonav.errors import DatabaseError
from geonav.retrieval.axes import principal_axes
from geonav.retrieval.pca import Kin, Pca

STD = np.linspace(3, 0.2, 20)
TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(20, 20)))[0]


def cloud(count: int = 4000, seed: int = 0) -> np.ndarray:
    """Rows with the known spread ``STD`` along the rows of ``TURN``, about (1, ..., 1)."""
    return (1 + np.random.default_rng(seed).normal(size=(count, 20)) * STD @ TURN).astype(np.float32)


def learned(count: int, whitening: float) -> Pca:
    return Pca.learn(np.array_split(cloud(), 7), count, whitening)


def test_it_finds_the_axes_that_vary_most() -> None:
    pca = learned(5, 0.0)
    np.testing.assert_allclose(np.abs(pca.axes @ TURN.T)[:, :5], np.eye(5), atol=0.25)
    np.testing.assert_allclose(pca.axes @ pca.axes.T, np.eye(5), atol=1e-5)


@pytest.mark.parametrize(("whitening", "power"), [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)])
def test_whitening_leaves_the_spread_to_a_power(whitening: float, power: float) -> None:
    pca = learned(10, whitening)
    spread = ((cloud(seed=1) - pca.mean) @ pca.axes.T).std(0)
    np.testing.assert_allclose(spread / spread[0], (STD[:10] / STD[0]) ** power, rtol=0.08)


def test_what_comes_out_has_length_one_and_nothing_stays_nothing() -> None:
    rows = cloud(5)
    rows[2] = 0
    out = learned(8, 0.5).apply(rows)
    assert out.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), [1, 1, 0, 1, 1], atol=1e-6)


def test_what_is_stored_gives_the_same() -> None:
    pca = learned(8, 0.5)
    again = Pca.load(dict(pca.learned()))
    np.testing.assert_array_equal(again.apply(cloud(9)), pca.apply(cloud(9)))
    for broken in (
        {},
        {"mean": pca.mean},
        {"mean": pca.mean, "axes": pca.axes[:, :3]},
        {**pca.learned(), "mean": pca.mean * np.nan},
    ):
        with pytest.raises(DatabaseError, match="retrain"):
            Pca.load(broken)


def test_few_photos_give_fewer_axes_and_none_gives_none() -> None:
    assert Pca.learn([cloud(6)], 12, 0.5).dim == 5
    assert learned(99, 0.5).dim == 20
    for nothing in ([], [np.zeros((9, 20), np.float32)], [cloud(1)], [np.repeat(cloud(1), 9, 0)]):
        with pytest.raises(DatabaseError, match="leave --pca out"):
            Pca.learn(nothing, 4, 0.5)


def slowly_falling(num: int, dim: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (num, dim) whose second moment has eigenvalues 1 / i, as descriptors have; its eigenvectors (dim, R) too."""
    rng, rank = np.random.default_rng(3), min(num, 200)
    left, right = (np.linalg.qr(rng.normal(size=(size, rank)))[0] for size in (num, dim))
    weights = 1 / np.arange(1.0, rank + 1)
    return (left * np.sqrt(weights * num) @ right.T).astype(np.float32), weights, right


@pytest.mark.parametrize("num", [300, 2060])
def test_long_vectors_get_their_axes_without_a_full_decomposition(num: int) -> None:
    """Few vectors are decomposed exactly, many by iteration; the last axes are as good as the first."""
    rows, weights, exact = slowly_falling(num, 2060)
    count = 60
    axes, found = principal_axes(rows, count)
    np.testing.assert_allclose(axes @ axes.T, np.eye(count), atol=1e-5)
    np.testing.assert_allclose(found, weights[:count], rtol=0.01)
    assert (np.linalg.norm(exact[:, :count].T @ axes.T, axis=0) > 0.99).all()


def test_more_axes_than_vectors_are_filled_up() -> None:
    axes, weights = principal_axes(np.random.default_rng(0).normal(size=(20, 2300)).astype(np.float32), 30)
    np.testing.assert_allclose(axes @ axes.T, np.eye(30), atol=1e-5)
    assert (weights[:20] > 1).all()
    assert (weights[20:] < 1e-3).all()


def test_what_differs_within_places_counts_less() -> None:
    """Places are told apart along eight axes; four others vary more, but within every place."""
    rng = np.random.default_rng(5)
    places = np.repeat(rng.normal(size=(200, 8)), 2, 0)
    rows = np.hstack([places, 3 * rng.normal(size=(400, 4))]).astype(np.float32)
    kin = Kin(np.arange(0, 400, 2), np.arange(1, 400, 2), np.ones(200))

    def right(pca: Pca) -> float:
        turned = pca.apply(rows)
        scores = turned @ turned.T - 2 * np.eye(400)
        return float((scores.argmax(1) == np.arange(400) ^ 1).mean())

    plain, learned_within = (Pca.learn([rows], 12, 0.5, pairs) for pairs in (None, kin))
    assert right(learned_within) > right(plain) + 0.2
    # A photo that shows nothing is nobody's kin, and too few pairs teach nothing.
    empty = np.vstack([np.zeros((1, 12), np.float32), rows])
    shifted = Kin(np.append(kin.first + 1, 0), np.append(kin.second + 1, 1), np.ones(201))
    np.testing.assert_allclose(
        np.abs(Pca.learn([empty], 12, 0.5, shifted).axes), np.abs(learned_within.axes), rtol=1e-3
    )
    few = Pca.learn([rows], 12, 0.5, Kin(kin.first[:3], kin.second[:3], np.ones(3)))
    np.testing.assert_allclose(few.axes, plain.axes)
