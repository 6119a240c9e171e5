"""What sources say of cameras' poses, as residuals: position, heading and gravity, each with its standard deviation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geonav.pose.tracks import Ints

Array = NDArray[np.float64]
# A statement further off than so many of its standard deviations loses weight as 1 / (1 + (r / 3)^2): honest noise
# keeps nearly all of its, a gross error nearly none.
PRIOR_SIGMA = 3.0


@dataclass(frozen=True)
class PosePrior:
    """What is known of one camera before any picture is looked at.

    Attributes:
        position_m: East-North-Up metres (3,); NaN where not known.
        position_std_m: of each (3,); infinite where not known.
        rotation: camera_from_world (3, 3).
        heading_std_deg: of the rotation about the vertical; infinite where the heading is not known.
        tilt_std_deg: of pitch and of roll: how well the camera knows where down is.
        sequence: number of the drive whose unknown offset the position shares; -1 for none.
    """

    position_m: Array
    position_std_m: Array
    rotation: Array
    heading_std_deg: float
    tilt_std_deg: tuple[float, float]
    sequence: int = -1


@dataclass(frozen=True)
class Priors:
    """The same of F cameras, as columns.

    Attributes:
        positions: (F, 3) metres; whatever where not known.
        position_weights: (F, 3) one over the standard deviation, 0 where not known.
        rotations: camera_from_world (F, 3, 3).
        heading_weights: (F,) per radian.
        tilt_weights: (F, 2) per radian, of pitch and roll.
        sequences: (F,) number of the drive, -1 for none.
        offset_std_m: standard deviation along east, north, up of a drive's offset, (3,).
    """

    positions: Array
    position_weights: Array
    rotations: Array
    heading_weights: Array
    tilt_weights: Array
    sequences: Ints
    offset_std_m: Array

    @classmethod
    def of(cls, priors: Sequence[PosePrior], offset_std_m: float) -> Priors:
        """The columns of some cameras; the height of a drive is known twice as well as its place."""
        positions = np.array([prior.position_m for prior in priors], float).reshape(-1, 3)
        stds = np.array([prior.position_std_m for prior in priors], float).reshape(-1, 3)
        known = np.isfinite(positions) & np.isfinite(stds)
        return cls(
            positions=np.where(known, positions, 0.0),
            position_weights=np.where(known, 1.0 / np.where(known, np.maximum(stds, 1e-4), 1.0), 0.0),
            rotations=np.array([prior.rotation for prior in priors], float).reshape(-1, 3, 3),
            heading_weights=_per_radian([prior.heading_std_deg for prior in priors]),
            tilt_weights=_per_radian([prior.tilt_std_deg for prior in priors]),
            sequences=np.array([prior.sequence for prior in priors], np.int64),
            offset_std_m=offset_std_m * np.array([1.0, 1.0, 0.5]),
        )

    @property
    def num_sequences(self) -> int:
        """Drives that have an offset."""
        return int(self.sequences.max(initial=-1)) + 1

    def chosen(self, rows: Ints) -> Priors:
        """Those of some of the cameras; drives keep their numbers."""
        return replace(
            self,
            positions=self.positions[rows],
            position_weights=self.position_weights[rows],
            rotations=self.rotations[rows],
            heading_weights=self.heading_weights[rows],
            tilt_weights=self.tilt_weights[rows],
            sequences=self.sequences[rows],
        )

    def loosened(self, position_m: float, turn_rad: float) -> Priors:
        """The same, each standard deviation with so much added in square."""
        return replace(
            self,
            position_weights=_loosened(self.position_weights, position_m),
            heading_weights=_loosened(self.heading_weights, turn_rad),
            tilt_weights=_loosened(self.tilt_weights, turn_rad),
        )

    def position_residuals(self, centers: Array, offsets: Array) -> Array:
        """(F, 3) in standard deviations, of centres (F, 3) and the drives' offsets (Q, 3), metres."""
        return (centers - self._expected(offsets)) * self.position_weights

    def _expected(self, offsets: Array) -> Array:
        if not len(offsets):
            return self.positions
        own = np.where(self.sequences[:, None] >= 0, offsets[self.sequences], 0.0)
        expected: Array = self.positions + own
        return expected

    def heading_errors_rad(self, rotations: Array) -> Array:
        """Turn (F,) about the vertical from what was said to ``rotations`` (F, 3, 3), camera_from_world."""
        turned = np.swapaxes(rotations, 1, 2) @ self.rotations
        # Twist about the vertical (swing-twist decomposition): the tilt between the two does not enter.
        errors: Array = np.arctan2(turned[:, 1, 0] - turned[:, 0, 1], turned[:, 0, 0] + turned[:, 1, 1])
        return errors

    def tilt_errors_rad(self, rotations: Array) -> tuple[Array, Array]:
        """Turn (F, 2) from what was said of the vertical, about the camera's right and about its forward axis.

        The axes are those of the camera laid level, and also given: (F, 2, 3), of length one, East-North-Up.
        """
        said = np.einsum("fij,fi->fj", rotations, self.rotations[:, :, 2])  # the said vertical, in the world
        turns = np.stack([-said[:, 1], said[:, 0]], axis=1)
        right = rotations[:, 0, :2]
        length = np.linalg.norm(right, axis=1, keepdims=True)
        right = np.where(length > 1e-6, right / np.maximum(length, 1e-6), [1.0, 0.0])
        axes = np.zeros((len(right), 2, 3))
        axes[:, 0, :2], axes[:, 1, 0], axes[:, 1, 1] = right, -right[:, 1], right[:, 0]
        return np.einsum("fki,fi->fk", axes[:, :, :2], turns), axes


def _loosened(weights: Array, std: float) -> Array:
    loosened: Array = weights / np.sqrt(1.0 + (weights * std) ** 2)
    return loosened


def _per_radian(stds_deg: Sequence[float] | Sequence[tuple[float, float]]) -> Array:
    stds = np.array(stds_deg, float)
    weights: Array = np.where(np.isfinite(stds), 1.0 / np.radians(np.maximum(stds, 1e-3)), 0.0)
    return weights


@dataclass(frozen=True)
class PriorTerms:
    """What the priors add to normal equations of frames (six each: turn about the world's axes, shift) and offsets.

    Attributes:
        cost: robust sum of squares.
        information: (F, 6, 6) of each frame.
        gradient: (F, 6).
        by_offset: (F, 3) coupling of a frame's shift with its drive's offset (a diagonal).
        offset_information: (Q, 3) diagonal.
        offset_gradient: (Q, 3).
    """

    cost: float
    information: Array
    gradient: Array
    by_offset: Array
    offset_information: Array
    offset_gradient: Array


def prior_terms(priors: Priors, rotations: Array, centers: Array, offsets: Array) -> PriorTerms:
    """Normal equations of the priors at one state; rotations (F, 3, 3), centers (F, 3), offsets (Q, 3)."""
    position = priors.position_residuals(centers, offsets)
    heading = priors.heading_errors_rad(rotations) * priors.heading_weights
    errors, axes = priors.tilt_errors_rad(rotations)
    tilt = errors * priors.tilt_weights
    squares = np.stack([(position**2).sum(1), heading**2, (tilt**2).sum(1)], axis=1)
    weights = 1.0 / (1.0 + squares / PRIOR_SIGMA**2)
    cost = PRIOR_SIGMA**2 * np.log1p(squares / PRIOR_SIGMA**2).sum() + ((offsets / priors.offset_std_m) ** 2).sum()
    scaled = priors.position_weights**2 * weights[:, :1]
    pulled = priors.position_weights * position * weights[:, :1]
    # A small turn of the camera adds to these errors as it is: of the heading about up, of pitch and roll about axes.
    by_turn = np.concatenate([axes * priors.tilt_weights[:, :, None], np.zeros((len(axes), 1, 3))], axis=1)
    by_turn[:, 2, 2] = priors.heading_weights
    weighted = by_turn * weights[:, [2, 2, 1], None]
    information = np.zeros((len(centers), 6, 6))
    information[:, :3, :3] = np.swapaxes(weighted, 1, 2) @ by_turn
    information[:, range(3, 6), range(3, 6)] = scaled
    turned = np.einsum("fki,fk->fi", weighted, np.column_stack([tilt, heading]))
    gradient = np.concatenate([turned, pulled], axis=1)
    offset_information = np.tile(priors.offset_std_m**-2.0, (len(offsets), 1))
    offset_gradient = offsets * priors.offset_std_m**-2.0
    has = priors.sequences >= 0
    if len(offsets):
        np.add.at(offset_information, priors.sequences[has], scaled[has])
        np.add.at(offset_gradient, priors.sequences[has], -pulled[has])
    by_offset = np.where(has[:, None], -scaled, 0.0)
    return PriorTerms(float(cost), information, gradient, by_offset, offset_information, offset_gradient)
