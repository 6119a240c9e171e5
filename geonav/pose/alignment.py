"""From a model in a frame and scale of its own to East-North-Up metres, by what its cameras' sources say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.pose import rotations_from_vectors
from geonav.pose.priors import PRIOR_SIGMA, Priors

Array = NDArray[np.float64]
_MAX_PAIRS = 400
_MAX_STEPS = 30
_WHOLE_TURN_RAD = float(np.pi)
# What a model that is right may be off, bent as it is where nothing but pictures holds it.
_LOOSE_M, _LOOSE_RAD = 0.2, float(np.radians(0.5))


@dataclass(frozen=True)
class Similarity:
    """``world = scale * rotation @ model + shift``.

    Attributes:
        rotation: world_from_model (3, 3).
        scale: metres a unit of the model.
        shift: metres (3,).
    """

    rotation: Array
    scale: float
    shift: Array

    def points(self, model: Array) -> Array:
        """World metres (N, 3) of points (N, 3) of the model."""
        moved: Array = self.scale * model @ self.rotation.T + self.shift
        return moved

    def rotations(self, model: Array) -> Array:
        """camera_from_world (N, 3, 3) of camera_from_model."""
        turned: Array = model @ self.rotation.T
        return turned


@dataclass(frozen=True)
class Aligned:
    """A similarity, and how certain it is.

    Attributes:
        similarity: world_from_model.
        cost: robust sum of squares that it leaves.
        misfits: (F,) squares that it leaves of each camera's six terms, allowing for a model that is a little bent.
        weak_tilt_deg: standard deviation of the turn about the horizontal line that the cameras stand on most nearly,
            degrees; large for a straight street without gravity.
    """

    similarity: Similarity
    cost: float
    misfits: Array
    weak_tilt_deg: float


def align(rotations: Array, centers: Array, priors: Priors, seed: int = 0) -> Aligned | None:
    """The similarity that the priors agree on most, gross errors among them left aside.

    Each pair of cameras with positions proposes one; those that leave the smallest robust costs over all cameras are
    refined.

    Args:
        rotations: camera_from_model (F, 3, 3).
        centers: (F, 3) in the model.
        priors: of the same cameras.
        seed: of the draw of pairs where there are many.

    Returns:
        None where nothing says how large the model is: fewer than two places.
    """
    horizontal = priors.position_weights[:, :2].min(1) > 0
    pairs = _pairs(centers, priors.positions, horizontal, seed)
    if not len(pairs):
        return None
    level = _level(rotations, priors)
    candidates = [_from_pair(centers, priors, level, pair) for pair in pairs]
    costs = np.array([_cost(candidate, rotations, centers, priors) for candidate in candidates])
    refined = [_refined(candidates[i], rotations, centers, priors) for i in np.argsort(costs)[:3]]
    similarity, cost = min(refined, key=lambda found: found[1])
    loose = priors.loosened(_LOOSE_M, _LOOSE_RAD)
    misfits = np.asarray(_squares(similarity, rotations, centers, loose).sum(0), np.float64)
    return Aligned(similarity, cost, misfits, _weak_tilt(similarity, rotations, centers, priors))


def _level(rotations: Array, priors: Priors) -> Array:
    """world_from_model (3, 3), right but for the turn about the vertical: what most sources say of where up is."""
    says = priors.tilt_weights.max(1) > 0
    proposals = np.swapaxes(priors.rotations, 1, 2) @ rotations
    proposals = proposals[says] if says.any() else proposals
    up = proposals[:, 2]  # in the model, as each source has it
    spread = np.arccos(np.clip(up @ up.T, -1, 1))
    first = int(np.argmin(np.minimum(spread, np.radians(10.0)).sum(1)))
    best = up[first]
    for _ in range(10):  # a robust mean
        angle = np.arccos(np.clip(up @ best, -1, 1))
        weight = 1.0 / (1.0 + (angle / np.radians(5.0)) ** 2)
        mean = weight @ up
        best = mean / np.sqrt(mean @ mean)
    east = proposals[first, 0]
    east = east - (east @ best) * best
    east /= np.sqrt(east @ east)
    return np.stack([east, np.cross(best, east), best])


def _pairs(centers: Array, positions: Array, known: NDArray[np.bool_], seed: int) -> list[tuple[int, int]]:
    """Pairs of cameras with positions that stand apart in the model, at most so many, the widest first."""
    rows = np.flatnonzero(known)
    i, j = np.triu_indices(len(rows), 1)
    i, j = rows[i], rows[j]
    apart = np.linalg.norm(centers[i] - centers[j], axis=1)
    stand_apart = (apart > 1e-6) & (np.linalg.norm((positions[i] - positions[j])[:, :2], axis=1) > 1e-3)
    if len(apart) and stand_apart.any():
        stand_apart &= apart > 0.25 * apart.max()
    i, j = i[stand_apart], j[stand_apart]
    if len(i) > _MAX_PAIRS:
        chosen = np.random.default_rng(seed).choice(len(i), _MAX_PAIRS, replace=False)
        i, j = i[chosen], j[chosen]
    return list(zip(i.tolist(), j.tolist(), strict=True))


def _from_pair(centers: Array, priors: Priors, base: Array, pair: tuple[int, int]) -> Similarity:
    """Turn about the vertical, scale and shift that bring two cameras to their positions."""
    i, j = pair
    there = (priors.positions[j] - priors.positions[i])[:2]
    here = (base @ (centers[j] - centers[i]))[:2]
    yaw = np.arctan2(there[1], there[0]) - np.arctan2(here[1], here[0])
    scale = float(np.linalg.norm(there)) / max(float(np.linalg.norm(here)), 1e-9)
    rotation = rotations_from_vectors([[0.0, 0.0, yaw]])[0] @ base
    shift = ((priors.positions[i] + priors.positions[j]) - scale * (centers[i] + centers[j]) @ rotation.T) / 2
    return Similarity(rotation, scale, shift)


def _residuals(found: Similarity, rotations: Array, centers: Array, priors: Priors) -> tuple[Array, Array, Array]:
    """Position (F, 3), heading (F,) and tilt (F, 2), in standard deviations."""
    turned = found.rotations(rotations)
    # The drives' offsets are not known yet: they make positions less certain.
    loosened = priors.position_weights
    if priors.num_sequences:
        has = (priors.sequences >= 0)[:, None]
        with np.errstate(divide="ignore"):
            variance = np.where(loosened > 0, 1.0 / loosened**2, np.inf) + np.where(has, priors.offset_std_m**2, 0.0)
        loosened = 1.0 / np.sqrt(variance)
    position = (found.points(centers) - priors.positions) * loosened
    heading = priors.heading_errors_rad(turned) * priors.heading_weights
    return position, heading, priors.tilt_errors_rad(turned)[0] * priors.tilt_weights


def _squares(found: Similarity, rotations: Array, centers: Array, priors: Priors) -> Array:
    position, heading, tilt = _residuals(found, rotations, centers, priors)
    return np.stack([(position**2).sum(1), heading**2, (tilt**2).sum(1)])


def _cost(found: Similarity, rotations: Array, centers: Array, priors: Priors) -> float:
    squares = _squares(found, rotations, centers, priors)
    return float(PRIOR_SIGMA**2 * np.log1p(squares / PRIOR_SIGMA**2).sum())


def _moved(found: Similarity, step: Array, middle: Array) -> Similarity:
    """After a turn (3,) and a growth about a point of the world, and a shift (3,)."""
    turn, growth = rotations_from_vectors(step[:3])[0], float(np.exp(step[3]))
    shift = growth * turn @ (found.shift - middle) + middle + step[4:]
    return Similarity(turn @ found.rotation, growth * found.scale, shift)


def _linearised(found: Similarity, rotations: Array, centers: Array, priors: Priors) -> tuple[Array, Array, Array]:
    """Residuals (N,), their derivatives (N, 7) by turn, growth and shift, and robust weights (N,)."""
    middle = found.points(centers).mean(0)

    def stacked(step: Array) -> Array:
        parts = _residuals(_moved(found, step, middle), rotations, centers, priors)
        return np.concatenate([part.ravel() for part in parts])

    residual = stacked(np.zeros(7))
    sizes = np.array([1e-5, 1e-5, 1e-5, 1e-5, 1e-3, 1e-3, 1e-3])
    slope = np.stack(
        [(stacked(size * row) - residual) / size for size, row in zip(sizes, np.eye(7), strict=True)], axis=1
    )
    position, heading, tilt = 1.0 / (1.0 + _squares(found, rotations, centers, priors) / PRIOR_SIGMA**2)
    weights = np.concatenate([np.repeat(position, 3), heading, np.repeat(tilt, 2)])
    return residual, slope, weights


def _refined(found: Similarity, rotations: Array, centers: Array, priors: Priors) -> tuple[Similarity, float]:
    """Iteratively reweighted least squares from a proposal; what does not lower the cost is not taken."""
    cost = _cost(found, rotations, centers, priors)
    for _ in range(_MAX_STEPS):
        residual, slope, weights = _linearised(found, rotations, centers, priors)
        step = -np.linalg.lstsq(slope * np.sqrt(weights)[:, None], residual * np.sqrt(weights), rcond=1e-9)[0]
        trial = _moved(found, np.asarray(step, np.float64), found.points(centers).mean(0))
        tried = _cost(trial, rotations, centers, priors)
        if tried >= cost:
            break
        done = cost - tried < 1e-6 * cost
        found, cost = trial, tried
        if done:
            break
    return found, cost


def _weak_tilt(found: Similarity, rotations: Array, centers: Array, priors: Priors) -> float:
    """Standard deviation of the least certain turn about a horizontal axis, degrees."""
    _, slope, weights = _linearised(found, rotations, centers, priors)
    information = slope.T @ (slope * weights[:, None])
    information[range(3), range(3)] += _WHOLE_TURN_RAD**-2.0  # what nothing measures is known to be a turn
    covariance = np.linalg.pinv(information, hermitian=True)
    return float(np.degrees(np.sqrt(max(np.linalg.eigvalsh(covariance[:2, :2])[-1], 0.0))))
