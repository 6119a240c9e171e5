"""Whether to believe a solution; every threshold was set on synthetic streets, see ``Thresholds``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geonav.geometry.pose import camera_center, rotation_error_deg
from geonav.pose.solver import Query, Solution
from geonav.pose.uncertainty import ellipse_95

# What a pose must explain besides all that a contradicting one explains, as a share of the latter. Of photos of a
# rendered city of copied houses, right poses had 0.43 or more, the best of wrong ones 0.25 to 0.4.
_MIN_ADDED = 1 / 3
# Poses nearer than this, and turned by less, are one.
_APART_M = 0.5
_APART_DEG = 5.0
_GRID = 8  # the photo is divided into 8 x 8 cells to see how far the agreeing keypoints spread


@dataclass(frozen=True)
class Thresholds:
    """What a pose must show to be believed.

    Attributes:
        min_inliers: keypoints of the photo that agree with it.
        min_inlier_ratio: share of the matched keypoints that agree.
        min_best_share: share that must agree of the matches of the best reference that one rigid scene explains.
        min_cells: cells of an 8 x 8 grid over the photo that hold an agreeing keypoint.
        min_view_inliers: agreeing matches of the second best reference place.
        max_semi_major_m: of the 95 % ellipse.
        max_azimuth_std_deg: of the heading.
        min_lead: how many times the support of the best contradicting solution, and of the best contradicting
            reference, it has.
    """

    min_inliers: int = 30
    min_inlier_ratio: float = 0.25
    min_best_share: float = 0.8
    min_cells: int = 6
    min_view_inliers: int = 12
    max_semi_major_m: float = 10.0
    max_azimuth_std_deg: float = 10.0
    min_lead: float = 2.0


@dataclass(frozen=True)
class Evidence:
    """What speaks for a solution, in the terms of :class:`Thresholds`."""

    inliers: int
    inlier_ratio: float
    cells: int
    second_place_inliers: int
    semi_major_m: float
    azimuth_std_deg: float


def weigh(solution: Solution, query: Query) -> Evidence:
    """Collect the evidence for a solution."""
    matched = np.unique(np.concatenate([view.query_index for view in solution.views]))
    pixels = query.pixels[solution.tracks.keypoint]
    size = np.array([query.camera.width, query.camera.height])
    cells = np.clip((pixels / size * _GRID).astype(int), 0, _GRID - 1)
    return Evidence(
        inliers=solution.num_inliers,
        inlier_ratio=solution.num_inliers / max(len(matched), 1),
        cells=len(np.unique(cells[:, 0] * _GRID + cells[:, 1])),
        second_place_inliers=_second_place(solution),
        semi_major_m=ellipse_95(solution.covariance.position[:2, :2])[0],
        azimuth_std_deg=solution.covariance.azimuth_std_deg(),
    )


def _second_place(solution: Solution) -> int:
    """Inliers of the best reference that stands elsewhere than the best one.

    Views cut from one panorama share a centre and cannot confirm each other's distance.
    """
    counts = solution.inliers_per_view()
    centers = np.array([camera_center(view.pose) for view in solution.views])
    best = int(np.argmax(counts))
    elsewhere = np.linalg.norm(centers - centers[best], axis=1) > 0.05
    return int(counts[elsewhere].max(initial=0))


def objection(evidence: Evidence, thresholds: Thresholds) -> str | None:
    """Why not to believe a solution, or None."""
    checks = [
        (evidence.inliers < thresholds.min_inliers, f"only {evidence.inliers} keypoints agree on a pose"),
        (
            evidence.inlier_ratio < thresholds.min_inlier_ratio,
            f"only {evidence.inlier_ratio:.0%} of the matched keypoints agree on a pose",
        ),
        (evidence.cells < thresholds.min_cells, "the agreeing keypoints fill too small a part of the photo"),
        (
            evidence.second_place_inliers < thresholds.min_view_inliers,
            "references from one place alone agree, which leaves the distance open",
        ),
        (
            not evidence.semi_major_m <= thresholds.max_semi_major_m,
            f"the position is uncertain to {evidence.semi_major_m:.0f} m",
        ),
        (
            not evidence.azimuth_std_deg <= thresholds.max_azimuth_std_deg,
            f"the heading is uncertain to {evidence.azimuth_std_deg:.0f} degrees",
        ),
    ]
    return next((reason for failed, reason in checks if failed), None)


def contradicts(a: Solution, b: Solution) -> bool:
    """Whether two solutions cannot both be true."""
    if rotation_error_deg(a.pose[:3, :3], b.pose[:3, :3]) > _APART_DEG:
        return True
    apart = camera_center(a.pose) - camera_center(b.pose)
    if np.linalg.norm(apart) <= _APART_M:
        return False
    spread = a.covariance.position + b.covariance.position + 0.05**2 * np.eye(3)
    return float(apart @ np.linalg.solve(spread, apart)) > 25.0


def leads(best: Solution, rival: Solution, thresholds: Thresholds) -> bool:
    """Whether the best solution is clearly better than one that contradicts it.

    Only the keypoints that tell the two apart count: on a facade that repeats, most agree with both. They must be many
    besides, for a place of the same houses differs from the right one by little.
    """
    own, other = exclusive_support(best, rival)
    return own >= max(thresholds.min_lead * other, _MIN_ADDED * rival.num_inliers)


def exclusive_support(a: Solution, b: Solution) -> tuple[int, int]:
    """Keypoints of the photo that agree with the first solution alone, and with the second alone."""
    in_a, in_b = a.tracks.keypoint, b.tracks.keypoint
    return len(np.setdiff1d(in_a, in_b)), len(np.setdiff1d(in_b, in_a))
