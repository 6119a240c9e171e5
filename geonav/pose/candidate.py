"""A pose that may be a frame's, and what knowledge of its place from elsewhere makes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from geonav.geometry.pose import camera_center, pose_from_center, rotation_from_vector
from geonav.pose.motion import Array, Gaussian

# An own ellipse is given up for a fused one only where that is this much smaller in area.
_WORTH = 0.9
# What a pose that was refused alone may be off beside its covariance, metres and radians: it rests on few keypoints, on
# one reference or on a strip of the photo, and what those have in common does not show in its residuals. On rendered
# streets such poses were off by up to 0.7 m where 0.05 m was promised.
_DOUBT_M = 0.3
_DOUBT_RAD = float(np.radians(1.0))


@dataclass(frozen=True)
class Candidate:
    """A pose that a frame's matches suggest.

    Attributes:
        pose: ``E`` camera_from_world (4, 4), metres.
        covariance: (6, 6) of rotation vector in camera axes, then centre; see ``PoseCovariance``.
        support: keypoints that agree with it.
        references: uids of the references that do; two frames that share one share its errors.
    """

    pose: Array
    covariance: Array
    support: int
    references: frozenset[str] = frozenset()

    @property
    def place(self) -> Gaussian:
        """Where it puts the camera."""
        return Gaussian(camera_center(self.pose), self.covariance[3:, 3:])

    def doubted(self) -> Candidate:
        """The same, as uncertain as a pose is that was not believed alone."""
        doubt = np.diag(np.array([_DOUBT_RAD] * 3 + [_DOUBT_M] * 3) ** 2)
        return replace(self, covariance=self.covariance + doubt)


def density(own: Gaussian, place: Gaussian) -> float:
    """Of finding ``own`` at ``place``, per square metre in the plane."""
    spread = (own.covariance + place.covariance)[:2, :2]
    apart = (own.mean - place.mean)[:2]
    exponent = float(apart @ np.linalg.solve(spread, apart)) / 2.0
    return float(np.exp(-exponent) / (2.0 * np.pi * np.sqrt(np.linalg.det(spread))))


def fused(candidate: Candidate, place: Gaussian, sharing: int) -> tuple[Array, Array, bool]:
    """The candidate's pose and covariance once its place is known from the motion too, where that says more.

    The rotation follows as far as it is correlated with the centre.
    """
    own = candidate.place
    known = Gaussian(own.mean, own.covariance * sharing).fused(place)
    if np.linalg.det(known.covariance[:2, :2]) > _WORTH**2 * np.linalg.det(own.covariance[:2, :2]):
        return candidate.pose, candidate.covariance, False
    matrix = candidate.covariance
    gain = matrix[:3, 3:] @ np.linalg.inv(own.covariance)
    rotation = rotation_from_vector(gain @ (known.mean - own.mean)) @ candidate.pose[:3, :3]
    updated = np.empty((6, 6))
    updated[3:, 3:] = known.covariance
    updated[:3, 3:] = gain @ known.covariance
    updated[3:, :3] = updated[:3, 3:].T
    updated[:3, :3] = matrix[:3, :3] - gain @ (own.covariance - known.covariance) @ gain.T
    return pose_from_center(rotation, known.mean), updated, True
