"""Results against the truth: one score a query, from a run's records alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geonav.data.results import Ellipse, LocalizationResult
from geonav.evaluation.anatomy import distances_m, failure_of
from geonav.evaluation.openset import confidence_of
from geonav.evaluation.record import QueryRecord, QueryScore, Truth, pose_matrix
from geonav.geometry.pose import camera_center, rotation_error_deg

if TYPE_CHECKING:
    from geonav.evaluation.run_folder import Run

# Square of the radius that holds 95 % of a normal distribution in the plane, in standard deviations.
_CHI2_95 = 5.991464547107979
Array = NDArray[np.float64]


def score_run(run: Run, within_m: float = 25.0) -> tuple[QueryScore, ...]:
    """Score every query of a run, in its order.

    Args:
        run: as :func:`geonav.evaluation.run_folder.read_run` gives it.
        within_m: a reference up to this distance from the truth is a right one.
    """
    least = run.min_inliers
    pairs = zip(run.records, run.results, strict=True)
    return tuple(score_query(record, result, within_m, least) for record, result in pairs)


def score_query(
    record: QueryRecord, result: LocalizationResult, within_m: float = 25.0, min_inliers: int = 30
) -> QueryScore:
    """Score one query; whatever needs a truth that is not known stays None.

    Args:
        record: what was asked and retrieved.
        result: what was found.
        within_m: a reference up to this distance from the truth is a right one.
        min_inliers: agreeing keypoints that a pose had to have.
    """
    errors: dict[str, Any] = {}
    if result.E is not None and record.truth is not None:
        errors = _errors(result, record.truth)
    position = _first(errors.get("position_error_m"), errors.get("horizontal_error_m"))
    azimuth = errors.get("azimuth_error_deg")
    turned = _first(errors.get("rotation_error_deg"), None if azimuth is None else abs(azimuth))
    return QueryScore(
        name=record.name,
        status=result.status,
        reason=result.reason,
        is_distractor=record.is_distractor,
        groups=record.groups,
        failure=failure_of(record, result, (position, turned), within_m, min_inliers),
        semi_major_m=None if result.ellipse_95 is None else result.ellipse_95.semi_major_m,
        azimuth_std_deg=result.azimuth_std_deg,
        confidence=confidence_of(result),
        num_inliers=result.num_inliers,
        seconds=round(sum(result.seconds.values()), 4),
        **errors,
        **_retrieval(record, within_m),
    )


def position_error_m(score: QueryScore) -> float | None:
    """The error in 3D; along the ground where the true height is not known."""
    return _first(score.position_error_m, score.horizontal_error_m)


def orientation_error_deg(score: QueryScore) -> float | None:
    """The angle between the orientations; the heading's error where only the true heading is known."""
    return _first(score.rotation_error_deg, None if score.azimuth_error_deg is None else abs(score.azimuth_error_deg))


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _errors(result: LocalizationResult, truth: Truth) -> dict[str, Any]:
    pose, (east, north, up) = np.array(result.E, float), truth.center_m
    offset = camera_center(pose) - np.array([east, north, 0.0 if up is None else up])
    found: dict[str, Any] = {
        "horizontal_error_m": float(np.hypot(offset[0], offset[1])),
        "in_ellipse": None,
    }
    if up is not None:
        found |= {"position_error_m": float(np.linalg.norm(offset)), "vertical_error_m": float(offset[2])}
        found["position_nes"] = _position_nes(offset, result)
    true_pose = pose_matrix(truth.E)
    if true_pose is not None:
        found["rotation_error_deg"] = rotation_error_deg(pose[:3, :3], true_pose[:3, :3])
    if truth.azimuth is not None and result.azimuth is not None:
        off = (result.azimuth - truth.azimuth + 180.0) % 360.0 - 180.0
        std = result.azimuth_std_deg
        found |= {"azimuth_error_deg": off, "azimuth_nes": (off / std) ** 2 if std else None}
    if result.ellipse_95 is not None:
        squared = _in_semi_axes(offset, result.ellipse_95)
        found |= {"in_ellipse": squared <= 1.0, "horizontal_nes": squared * _CHI2_95 / 2 if squared < np.inf else None}
    return found


def _in_semi_axes(offset_m: Array, ellipse: Ellipse) -> float:
    """Square of the distance from the centre as a share of the ellipse's radius that way; infinite of a flat one."""
    angle = np.radians(ellipse.azimuth_deg)
    along = offset_m[0] * np.sin(angle) + offset_m[1] * np.cos(angle)
    across = offset_m[0] * np.cos(angle) - offset_m[1] * np.sin(angle)
    if not (ellipse.semi_major_m > 0 and ellipse.semi_minor_m > 0):
        return float("inf")
    return float((along / ellipse.semi_major_m) ** 2 + (across / ellipse.semi_minor_m) ** 2)


def _position_nes(offset_m: Array, result: LocalizationResult) -> float | None:
    if result.position_std_m is None:
        return None
    std = np.array([result.position_std_m.east, result.position_std_m.north, result.position_std_m.up])
    return float(((offset_m / std) ** 2).sum() / 3) if (std > 0).all() else None


def _retrieval(record: QueryRecord, within_m: float) -> dict[str, Any]:
    away = distances_m(record)
    right = [rank for rank, metres in enumerate(away, start=1) if metres is not None and metres <= within_m]
    nearest = record.nearest_reference_m
    return {
        "first_hit": record.retrieved[0].uid if record.retrieved else None,
        "first_hit_m": away[0] if away else None,
        "first_right": right[0] if right else None,
        "has_positive": None if nearest is None else nearest <= within_m,
    }
