"""Whether the uncertainty that results report is true: calibration, normalised squared errors, size of the ellipse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from geonav.evaluation.record import QueryScore
from geonav.evaluation.shares import share, wilson_95

# Probabilities at which claims are compared with what was seen.
LEVELS = (0.5, 0.68, 0.8, 0.9, 0.95, 0.99)


def trust_summary(scores: Sequence[QueryScore]) -> dict[str, Any]:
    """What the located queries with a known truth say of their reported uncertainty; distractors do not count.

    Wrong poses count like all others: a claim is not true because its pose is false. The mean of a normalised squared
    error is about 1 where claims are honest, above it where they are too bold; one wild error can make it large, which
    is why the median stands beside it (0.69 for an honest ellipse, 0.45 for a heading).

    Returns:
        ``num_located``; ``ellipse_coverage`` (share of truths in the 95 % ellipse, with its 95 % interval); mean and
        median of e' S^-1 e / dimension; medians of the semi-major axis and of the horizontal error in metres, and
        their ratio; ``calibration``: of ``ellipse``, ``position_3d`` and ``heading``, see :func:`calibration_curve`.
        A figure that cannot be had is null.
    """
    real = [score for score in scores if not score.is_distractor and score.status == "located"]
    inside = [score.in_ellipse for score in real if score.in_ellipse is not None]
    horizontal = [score.horizontal_nes for score in real if score.horizontal_nes is not None]
    position = [score.position_nes for score in real if score.position_nes is not None]
    azimuth = [score.azimuth_nes for score in real if score.azimuth_nes is not None]
    compared = [score for score in real if score.horizontal_error_m is not None and score.semi_major_m is not None]
    semi_major = _middle([score.semi_major_m or 0.0 for score in compared])
    error = _middle([score.horizontal_error_m or 0.0 for score in compared])
    return {
        "num_located": len(inside),
        "ellipse_coverage": share(sum(inside), len(inside)),
        "mean_horizontal_nes": _mean(horizontal),
        "median_horizontal_nes": _middle(horizontal),
        "mean_position_nes": _mean(position),
        "mean_azimuth_nes": _mean(azimuth),
        "median_azimuth_nes": _middle(azimuth),
        "median_semi_major_m": semi_major,
        "median_horizontal_error_m": error,
        "semi_major_over_error": round(semi_major / error, 6) if semi_major is not None and error else None,
        "calibration": {
            "ellipse": calibration_curve([held_by_ellipse(value) for value in horizontal]),
            "position_3d": calibration_curve([held_by_ellipsoid(value) for value in position]),
            "heading": calibration_curve([held_by_deviation(value) for value in azimuth]),
        },
    }


def calibration_curve(claimed: Sequence[float], levels: Sequence[float] = LEVELS) -> list[dict[str, float]]:
    """At each probability, the share of truths that the region of that probability holds.

    Args:
        claimed: of each query, the probability of the smallest region that holds the truth.
        levels: probabilities to look at.

    Returns:
        ``claimed``, ``observed`` and the 95 % interval ``low`` to ``high`` of the observed share, a level each; empty
        where there are no queries.
    """
    total = len(claimed)
    if not total:
        return []
    curve = []
    for level in levels:
        held = sum(value <= level for value in claimed)
        low, high = wilson_95(held, total)
        curve.append(
            {"claimed": level, "observed": round(held / total, 6), "low": round(low, 6), "high": round(high, 6)}
        )
    return curve


def held_by_ellipse(nes: float) -> float:
    """Probability of the ellipse through the truth, from e' S^-1 e / 2 of two dimensions."""
    return -math.expm1(-nes)


def held_by_ellipsoid(nes: float) -> float:
    """Probability of the ellipsoid through the truth, from e' S^-1 e / 3 of three dimensions."""
    squared = 3 * nes
    return math.erf(math.sqrt(squared / 2)) - math.sqrt(2 * squared / math.pi) * math.exp(-squared / 2)


def held_by_deviation(nes: float) -> float:
    """Probability of the interval that ends at the truth, from (error / standard deviation) squared."""
    return math.erf(math.sqrt(nes / 2))


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 6) if values else None


def _middle(values: Sequence[float]) -> float | None:
    return round(float(np.median(values)), 6) if values else None
