"""How a camera moves between two frames, and where that puts it at a moment it was not seen.

A point whose velocity does a random walk (constant velocity with white acceleration noise), Kalman-filtered forwards
and backwards in time; the two meet in the prediction of every frame from all others (a two-filter smoother).
Positions are in metres in the axes east, north, up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# Nothing is known of the velocity when the filter runs back in time: what the forward one assumes must not count twice.
_LOOSE_SPEED_M_S = 1e3


@dataclass(frozen=True)
class MotionPrior:
    """What is known of the motion before any frame is looked at.

    Attributes:
        max_speed_m_s: faster than this the camera did not move.
        acceleration_std: horizontal change of the velocity that one second brings, standard deviation, m/s.
        climb_std: the same upwards.
        max_turn_deg_s: the camera turned no faster.
    """

    max_speed_m_s: float = 20.0
    acceleration_std: float = 2.0
    climb_std: float = 0.5
    max_turn_deg_s: float = 180.0

    @property
    def spectral_density(self) -> Array:
        """Of the acceleration (3,), m^2/s^3."""
        return np.array([self.acceleration_std, self.acceleration_std, self.climb_std]) ** 2

    def velocity_covariance(self) -> Array:
        """Of the velocity (3, 3) of a camera not yet seen twice: the largest speed is two standard deviations."""
        climb = min(self.max_speed_m_s / 2.0, 2.0 * self.climb_std + 0.5)
        return np.diag(np.array([self.max_speed_m_s / 2.0, self.max_speed_m_s / 2.0, climb]) ** 2)


@dataclass(frozen=True)
class Gaussian:
    """A position (3,) and its covariance (3, 3), metres."""

    mean: Array
    covariance: Array

    def fused(self, other: Gaussian) -> Gaussian:
        """This and independent knowledge of the same position."""
        gain = self.covariance @ np.linalg.inv(self.covariance + other.covariance)
        mean = self.mean + gain @ (other.mean - self.mean)
        kept = np.eye(3) - gain
        covariance = kept @ self.covariance @ kept.T + gain @ other.covariance @ gain.T
        return Gaussian(mean, (covariance + covariance.T) / 2.0)

    def distance2(self, other: Gaussian) -> float:
        """Squared Mahalanobis distance to an independent estimate of the same position."""
        apart = self.mean - other.mean
        return float(apart @ np.linalg.solve(self.covariance + other.covariance, apart))


def predictions(times_s: Array, seen: Sequence[Gaussian | None], prior: MotionPrior) -> list[Gaussian | None]:
    """Where each frame is put by what is seen of all others; None where nothing else is seen.

    Args:
        times_s: (N,) increasing.
        seen: the position each frame shows by itself, or None.
        prior: the motion.
    """
    before = _filtered(times_s, seen, prior, prior.velocity_covariance())
    loose = np.eye(3) * _LOOSE_SPEED_M_S**2
    after = _filtered(-times_s[::-1], seen[::-1], prior, loose)[::-1]
    return [_met(first, second) for first, second in zip(before, after, strict=True)]


def _met(first: _State | None, second: _State | None) -> Gaussian | None:
    """Position of a state known from its past and, with its velocity turned round, from its future."""
    if first is None or second is None:
        only = first or second
        return None if only is None else Gaussian(only.mean[:3], only.covariance[:3, :3])
    turn = np.diag([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
    mean, covariance = turn @ second.mean, turn @ second.covariance @ turn
    gain = first.covariance @ np.linalg.inv(first.covariance + covariance)
    together = first.covariance - gain @ first.covariance
    return Gaussian((first.mean + gain @ (mean - first.mean))[:3], ((together + together.T) / 2.0)[:3, :3])


@dataclass(frozen=True)
class _State:
    """Position and velocity (6,) with their covariance (6, 6)."""

    mean: Array
    covariance: Array


def _filtered(
    times_s: Array, seen: Sequence[Gaussian | None], prior: MotionPrior, velocity: Array
) -> list[_State | None]:
    """The state at each frame from the frames before it alone."""
    state: _State | None = None
    found: list[_State | None] = []
    for index, here in enumerate(seen):
        if state is not None:
            state = _moved(state, float(times_s[index] - times_s[index - 1]), prior)
        found.append(state)
        if here is not None:
            state = _started(here, velocity) if state is None else _updated(state, here)
    return found


def _started(here: Gaussian, velocity: Array) -> _State:
    covariance = np.zeros((6, 6))
    covariance[:3, :3], covariance[3:, 3:] = here.covariance, velocity
    return _State(np.concatenate([here.mean, np.zeros(3)]), covariance)


def _moved(state: _State, seconds: float, prior: MotionPrior) -> _State:
    step = np.eye(6)
    step[:3, 3:] = seconds * np.eye(3)
    density = np.diag(prior.spectral_density)
    noise = np.block(
        [[density * seconds**3 / 3.0, density * seconds**2 / 2.0], [density * seconds**2 / 2.0, density * seconds]]
    )
    return _State(step @ state.mean, step @ state.covariance @ step.T + noise)


def _updated(state: _State, here: Gaussian) -> _State:
    gain = state.covariance[:, :3] @ np.linalg.inv(state.covariance[:3, :3] + here.covariance)
    kept = np.eye(6)
    kept[:, :3] -= gain
    covariance = kept @ state.covariance @ kept.T + gain @ here.covariance @ gain.T
    return _State(state.mean + gain @ (here.mean - state.mean[:3]), (covariance + covariance.T) / 2.0)
