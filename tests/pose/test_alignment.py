"""A model finds its place on Earth by what its cameras' sources say, gross errors among them or not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import rotation_error_deg, rotations_from_vectors
from geonav.pose.alignment import Similarity, align
from geonav.pose.bundle import Scene
from geonav.pose.priors import PosePrior
from tests.pose.surveys import EXACT, Trust, columns, exact_priors, noisy_priors

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=20, deadline=None)
POSITIONS_ONLY = Trust((1.0, 1.0, np.inf), np.inf, (15.0, 4.0))


@dataclass(frozen=True)
class Model:
    """Cameras as they truly stand, and in a frame and scale of their own."""

    scene: Scene
    truth: Similarity
    rotations: np.ndarray
    centers: np.ndarray
    rng: np.random.Generator


def made(seed: int, centers: np.ndarray | None = None, count: int = 12) -> Model:
    """Cameras held nearly level that look anywhere, brought into a model by a random similarity."""
    rng = np.random.default_rng(seed)
    if centers is None:
        centers = np.column_stack([rng.uniform(-60, 60, (count, 2)), rng.uniform(0, 10, count)])
    rotations = np.array(
        [rotation_from_angles(rng.uniform(0, 360), rng.normal() * 5, rng.normal() * 2) for _ in range(len(centers))]
    )
    turn, scale = rotations_from_vectors(rng.normal(size=3) * 2)[0], float(np.exp(rng.normal()))
    shift = rng.normal(size=3) * 30
    truth = Similarity(turn.T, 1 / scale, -turn.T @ shift / scale)  # world from model
    scene = Scene(rotations, centers, np.zeros((0, 3)), np.zeros((0, 3)))
    return Model(scene, truth, rotations @ turn.T, scale * centers @ turn.T + shift, rng)


def aligned(model: Model, priors: list[PosePrior]) -> tuple[float, float, float]:
    """Degrees, share of the scale, and metres in the middle, that the similarity found is off."""
    found = align(model.rotations, model.centers, columns(priors))
    assert found is not None
    moved = found.similarity.points(model.centers) - model.scene.centers
    return (
        rotation_error_deg(found.similarity.rotation, model.truth.rotation),
        abs(found.similarity.scale / model.truth.scale - 1),
        float(np.linalg.norm(moved.mean(0))),
    )


@FEW
@given(SEEDS)
def test_any_similarity_comes_back(seed: int) -> None:
    model = made(seed)
    turn, growth, shift = aligned(model, exact_priors(model.scene, EXACT))
    assert turn < 1e-3
    assert growth < 1e-5
    assert shift < 1e-3


@FEW
@given(SEEDS)
def test_points_and_rotations_go_where_the_cameras_go(seed: int) -> None:
    model = made(seed)
    np.testing.assert_allclose(model.truth.points(model.centers), model.scene.centers, atol=1e-9)
    np.testing.assert_allclose(model.truth.rotations(model.rotations), model.scene.rotations, atol=1e-9)


@FEW
@given(SEEDS)
def test_a_fifth_of_gross_errors_makes_no_difference(seed: int) -> None:
    model = made(seed, count=20)
    trust = Trust((0.3, 0.3, 0.5), 1.0, (1.0, 1.0))
    priors = noisy_priors(model.scene, trust, model.rng)
    for row in range(4):
        far = model.rng.normal(size=3) * [80, 80, 10]
        turn = rotations_from_vectors([0, 0, model.rng.uniform(1.0, 5.0)])[0]
        priors[row] = replace(
            priors[row], position_m=priors[row].position_m + far, rotation=priors[row].rotation @ turn
        )
    turn_deg, growth, shift = aligned(model, priors)
    assert turn_deg < 1.0
    assert growth < 0.02
    assert shift < 0.5


@FEW
@given(SEEDS)
def test_positions_alone_tell_where_the_model_lies(seed: int) -> None:
    model = made(seed, count=20)
    level = [
        replace(prior, position_m=prior.position_m * [1, 1, np.nan], rotation=rotation_from_angles(0.0))
        for prior in noisy_priors(model.scene, POSITIONS_ONLY, model.rng)
    ]
    found = align(model.rotations, model.centers, columns(level))
    assert found is not None
    away = (found.similarity.points(model.centers) - model.scene.centers)[:, :2]
    assert np.abs(away).max() < 3.0
    assert rotation_error_deg(found.similarity.rotation, model.truth.rotation) < 10.0


def on_a_line(count: int = 10) -> np.ndarray:
    return np.column_stack([np.linspace(-40, 40, count), np.linspace(-20, 20, count), np.full(count, 2.0)])


@pytest.mark.parametrize("seed", range(3))
def test_on_a_line_only_gravity_holds_the_roll_about_it(seed: int) -> None:
    model = made(seed, on_a_line())
    weak_tilts = []
    for tilt_deg in (0.5, 4.0, 60.0):
        trust = Trust((0.5, 0.5, 0.5), np.inf, (tilt_deg, tilt_deg))
        found = align(model.rotations, model.centers, columns(exact_priors(model.scene, trust)))
        assert found is not None
        np.testing.assert_allclose(found.similarity.points(model.centers), model.scene.centers, atol=0.01)
        weak_tilts.append(found.weak_tilt_deg)
    # Ten cameras know it better than one by the root of ten.
    np.testing.assert_allclose(weak_tilts, np.array([0.5, 4.0, 60.0]) / np.sqrt(10), rtol=0.1)


def test_spread_cameras_know_their_tilt_without_gravity() -> None:
    model = made(0)
    trust = Trust((0.5, 0.5, 0.5), 2.0, (60.0, 60.0))
    found = align(model.rotations, model.centers, columns(exact_priors(model.scene, trust)))
    assert found is not None
    assert found.weak_tilt_deg < 1.0


def test_what_nothing_holds_is_not_certain() -> None:
    model = made(0, on_a_line())
    trust = Trust((0.5, 0.5, 0.5), np.inf, (np.inf, np.inf))
    found = align(model.rotations, model.centers, columns(exact_priors(model.scene, trust)))
    assert found is not None
    assert found.weak_tilt_deg > 30.0


@pytest.mark.parametrize("at", ["one spot of the model", "one spot of the world", "nowhere"])
def test_without_two_places_nothing_says_how_large_it_is(at: str) -> None:
    model = made(0)
    priors = exact_priors(model.scene, Trust())
    if at == "one spot of the model":
        model = replace(model, centers=np.tile(model.centers[:1], (len(model.centers), 1)))
    elif at == "one spot of the world":
        priors = [replace(prior, position_m=np.array([1.0, 2.0, 3.0])) for prior in priors]
    else:
        priors = [replace(prior, position_std_m=np.full(3, np.inf)) for prior in priors]
    assert align(model.rotations, model.centers, columns(priors)) is None


def test_two_cameras_are_enough() -> None:
    model = made(3, count=2)
    turn, growth, shift = aligned(model, exact_priors(model.scene, EXACT))
    assert (turn < 0.01, growth < 1e-4, shift < 0.01) == (True, True, True)


def test_the_same_draw_gives_the_same_place() -> None:
    model = made(5, count=60)  # more pairs than are tried
    priors = columns(noisy_priors(model.scene, Trust(), model.rng))
    first, again = (align(model.rotations, model.centers, priors, seed=7) for _ in range(2))
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(first.similarity.rotation, again.similarity.rotation)
    assert first.cost == again.cost


def test_better_sources_pull_harder() -> None:
    model = made(6)
    priors = exact_priors(model.scene, Trust((2.0, 2.0, 2.0), 2.0, (2.0, 2.0)))
    off = np.array([3.0, 0.0, 0.0])
    priors = [replace(p, position_m=p.position_m + off) if row % 2 else p for row, p in enumerate(priors)]
    middles = []
    for std in (0.1, 2.0, 20.0):
        mixed = [replace(p, position_std_m=np.full(3, std)) if row % 2 else p for row, p in enumerate(priors)]
        found = align(model.rotations, model.centers, columns(mixed))
        assert found is not None
        middles.append((found.similarity.points(model.centers) - model.scene.centers).mean(0)[0])
    assert middles == sorted(middles, reverse=True)
    assert middles[0] > 2.5
    assert middles[-1] < 0.5


@pytest.mark.parametrize("seed", range(3))
def test_misfits_tell_wrong_sources_from_a_wrong_model(seed: int) -> None:
    model = made(seed, count=20)
    trust = Trust((0.3, 0.3, 0.5), 1.0, (1.0, 1.0))
    right = noisy_priors(model.scene, trust, model.rng)
    shouting = [
        replace(p, position_m=p.position_m + np.array([90, 20, 0])) if row < 6 else p for row, p in enumerate(right)
    ]
    turns = rotations_from_vectors(np.column_stack([np.zeros((20, 2)), np.linspace(0, 2.5, 20)]))
    bent = replace(model, rotations=model.rotations @ turns, centers=model.centers * np.linspace(0.3, 2, 20)[:, None])
    misfits = []
    for which, priors in ((model, right), (model, shouting), (bent, right)):
        found = align(which.rotations, which.centers, columns(priors))
        assert found is not None
        misfits.append(found.misfits)
    honest, loud, wrong = misfits
    assert max(honest) < 40  # six terms of about one
    assert max(loud[6:]) < 40
    assert min(loud[:6]) > 1e3
    assert np.median(wrong) > 10 * np.median(loud)
