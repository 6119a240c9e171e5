"""What sources say of poses: what it costs to differ from it, and derivatives against differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import rotations_from_vectors
from geonav.pose.priors import PosePrior, Priors, prior_terms

AZIMUTHS = st.floats(0, 360)
PITCHES = st.floats(-50, 50)
ROLLS = st.floats(-30, 30)
TURNS_DEG = st.floats(-170, 170)
SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=15, deadline=None)


def one(rotation: np.ndarray, sequence: int = -1) -> PosePrior:
    return PosePrior(np.array([3.0, -4.0, 2.0]), np.array([0.5, 1.0, 2.0]), rotation, 2.0, (3.0, 1.0), sequence)


def turned(rotation: np.ndarray, axis: np.ndarray, angle_deg: float) -> np.ndarray:
    """The camera after a turn about an axis of the world."""
    return rotation @ rotations_from_vectors(np.radians(angle_deg) * axis)[0].T


def some(seed: int, tilt_deg: float = 1.0) -> tuple[Priors, np.ndarray, np.ndarray, np.ndarray]:
    """Sources of two drives and one camera alone, and poses and offsets that differ from what they say."""
    rng = np.random.default_rng(seed)
    sequences = [0, 0, 1, 1, -1]
    rotations = [rotation_from_angles(rng.uniform(0, 360), rng.uniform(-20, 20), rng.uniform(-5, 5)) for _ in sequences]
    priors = Priors.of(
        [replace(one(r, q), position_m=rng.normal(size=3) * 9) for r, q in zip(rotations, sequences, strict=True)], 1.5
    )
    turns = np.radians(rng.normal(size=(5, 3)) * [tilt_deg, tilt_deg, 5.0])
    off = priors.rotations @ np.swapaxes(rotations_from_vectors(turns), 1, 2)
    return priors, off, priors.positions + rng.normal(size=(5, 3)) * 2, rng.normal(size=(2, 3))


def moved(rotations: np.ndarray, centers: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return rotations @ np.swapaxes(rotations_from_vectors(step[:, :3]), 1, 2), centers + step[:, 3:]


def slopes(function: object, size: int, step: float = 1e-5) -> np.ndarray:
    """Central differences (..., size) of a function of a vector."""
    rows = np.eye(size) * step
    return np.stack([(function(row) - function(-row)) / (2 * step) for row in rows], axis=-1)  # type: ignore[operator]


@given(AZIMUTHS, PITCHES, ROLLS)
def test_what_was_said_costs_nothing(azimuth: float, pitch: float, roll: float) -> None:
    prior = one(rotation_from_angles(azimuth, pitch, roll))
    priors = Priors.of([prior], 1.0)
    terms = prior_terms(priors, priors.rotations, priors.positions, np.zeros((0, 3)))
    assert terms.cost < 1e-18
    np.testing.assert_allclose(terms.gradient, 0, atol=1e-9)


@given(AZIMUTHS, PITCHES, ROLLS, TURNS_DEG)
def test_a_turn_about_the_vertical_is_all_heading(azimuth: float, pitch: float, roll: float, turn: float) -> None:
    priors = Priors.of([one(rotation_from_angles(azimuth, pitch, roll))], 1.0)
    rotations = turned(priors.rotations[0], np.array([0, 0, 1.0]), turn)[None]
    np.testing.assert_allclose(np.degrees(priors.heading_errors_rad(rotations)), turn, atol=1e-6)
    np.testing.assert_allclose(priors.tilt_errors_rad(rotations)[0], 0, atol=1e-9)


@given(AZIMUTHS, st.floats(-20, 20), st.booleans())
def test_pitch_and_roll_are_told_apart_and_do_not_turn_the_heading(azimuth: float, tilt: float, pitches: bool) -> None:
    priors = Priors.of([one(rotation_from_angles(azimuth))], 1.0)
    level = priors.rotations[0]
    axis = level[0] if pitches else level[2]  # right, forward
    rotations = turned(level, axis, tilt)[None]
    expected = [np.sin(np.radians(tilt)), 0.0]
    np.testing.assert_allclose(
        priors.tilt_errors_rad(rotations)[0][0], expected if pitches else expected[::-1], atol=1e-9
    )
    np.testing.assert_allclose(priors.heading_errors_rad(rotations), 0, atol=1e-9)


@FEW
@given(SEEDS)
def test_the_gradient_is_half_the_slope_of_the_cost(seed: int) -> None:
    priors, rotations, centers, offsets = some(seed)

    def cost(step: np.ndarray) -> float:
        return prior_terms(
            priors, *moved(rotations, centers, step[:30].reshape(5, 6)), offsets + step[30:].reshape(2, 3)
        ).cost

    terms = prior_terms(priors, rotations, centers, offsets)
    found = np.concatenate([terms.gradient.ravel(), terms.offset_gradient.ravel()])
    slope = slopes(cost, 36) / 2
    # Turns by hand of a tilted camera are right to the cosine of the tilt, which is a degree or two here.
    np.testing.assert_allclose(found, slope, rtol=0.02, atol=0.05 * np.abs(slope).max())


@FEW
@given(SEEDS)
def test_the_information_is_that_of_the_residuals(seed: int) -> None:
    priors, rotations, centers, offsets = some(seed)

    def residuals(step: np.ndarray) -> np.ndarray:
        there, at = moved(rotations, centers, step[:30].reshape(5, 6))
        heading = priors.heading_errors_rad(there) * priors.heading_weights
        tilt = priors.tilt_errors_rad(there)[0] * priors.tilt_weights
        position = priors.position_residuals(at, offsets + step[30:].reshape(2, 3))
        return np.column_stack([position, heading, tilt])

    here = residuals(np.zeros(36))
    squares = np.column_stack([(here[:, :3] ** 2).sum(1), here[:, 3] ** 2, (here[:, 4:] ** 2).sum(1)])
    weights = (1 / (1 + squares / 9))[:, [0, 0, 0, 1, 2, 2]]
    slope = slopes(residuals, 36).reshape(30, 36)
    dense = slope.T @ (slope * weights.reshape(-1, 1))
    dense[30:, 30:] += np.diag(np.tile(priors.offset_std_m**-2, 2))
    terms = prior_terms(priors, rotations, centers, offsets)
    scale = np.sqrt(np.outer(np.diag(dense), np.diag(dense)))
    for frame, sequence in enumerate(priors.sequences):
        at = slice(6 * frame, 6 * frame + 6)
        np.testing.assert_allclose(terms.information[frame] / scale[at, at], dense[at, at] / scale[at, at], atol=0.06)
        if sequence >= 0:
            rows, columns = 6 * frame + np.arange(3, 6), 30 + 3 * sequence + np.arange(3)
            np.testing.assert_allclose(terms.by_offset[frame], dense[rows, columns], rtol=1e-6)
        else:
            assert not terms.by_offset[frame].any()
    np.testing.assert_allclose(terms.offset_information.ravel(), np.diag(dense)[30:], rtol=1e-6)


@given(SEEDS, st.floats(-1e3, 1e3))
def test_what_is_not_known_pulls_nowhere(seed: int, far_m: float) -> None:
    rng = np.random.default_rng(seed)
    nothing = PosePrior(
        np.array([np.nan, 1.0, np.nan]),
        np.array([1.0, np.inf, np.inf]),
        rotation_from_angles(40.0),
        np.inf,
        (np.inf,) * 2,
    )
    priors = Priors.of([nothing], 1.0)
    rotations = rotations_from_vectors(rng.normal(size=3))
    terms = prior_terms(priors, rotations, np.full((1, 3), far_m), np.zeros((0, 3)))
    assert terms.cost == 0
    assert not terms.information.any()
    assert not terms.gradient.any()


@given(st.floats(3.0, 1e4), st.floats(1.1, 100.0))
def test_the_more_wrong_a_source_is_the_less_it_pulls(sigmas: float, factor: float) -> None:
    prior = one(rotation_from_angles(0.0))
    priors = Priors.of([prior], 1.0)

    def pull(away: float) -> float:
        center = prior.position_m + away * prior.position_std_m * np.eye(3)[0]
        return float(np.linalg.norm(prior_terms(priors, priors.rotations, center[None], np.zeros((0, 3))).gradient))

    assert pull(factor * sigmas) < pull(sigmas)


@given(SEEDS)
def test_an_offset_moves_the_positions_of_its_own_drive(seed: int) -> None:
    priors, _, centers, offsets = some(seed)
    own = np.where(priors.sequences[:, None] >= 0, offsets[priors.sequences], 0)
    found = priors.position_residuals(centers + own, offsets)
    np.testing.assert_allclose(found, priors.position_residuals(centers, np.zeros((2, 3))), atol=1e-9)


@given(SEEDS, st.permutations(range(5)))
def test_those_chosen_cost_what_they_cost_among_all(seed: int, order: list[int]) -> None:
    priors, rotations, centers, offsets = some(seed)
    rows = np.array(order[:3])
    whole, few = (
        prior_terms(priors, rotations, centers, offsets),
        prior_terms(priors.chosen(rows), rotations[rows], centers[rows], offsets),
    )
    np.testing.assert_array_equal(few.information, whole.information[rows])
    np.testing.assert_array_equal(few.gradient, whole.gradient[rows])


@given(st.floats(0.01, 10), st.floats(0.1, 20), st.floats(0, 5), st.floats(0, 0.5))
def test_looser_sources_have_variances_that_add(std_m: float, std_deg: float, more_m: float, more_rad: float) -> None:
    known = PosePrior(np.zeros(3), np.full(3, std_m), rotation_from_angles(0.0), std_deg, (std_deg, 2 * std_deg))
    nothing = PosePrior(np.zeros(3), np.full(3, np.inf), rotation_from_angles(0.0), np.inf, (np.inf, np.inf))
    loose = Priors.of([known, nothing], 1.0).loosened(more_m, more_rad)
    np.testing.assert_allclose(loose.position_weights[0] ** -2, std_m**2 + more_m**2)
    np.testing.assert_allclose(loose.heading_weights[0] ** -2, np.radians(std_deg) ** 2 + more_rad**2)
    np.testing.assert_allclose(loose.tilt_weights[0] ** -2, np.radians([std_deg, 2 * std_deg]) ** 2 + more_rad**2)
    assert not any(weights[1].any() for weights in (loose.position_weights, loose.heading_weights, loose.tilt_weights))
