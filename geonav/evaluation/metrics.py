"""The figures of some queries: outcomes, errors, shares within thresholds, recall, each with its 95 % interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from geonav.evaluation.intervals import quantile_95
from geonav.evaluation.record import QueryScore
from geonav.evaluation.scoring import orientation_error_deg, position_error_m
from geonav.evaluation.shares import wilson_95

Threshold = tuple[float, float]
# Metres and degrees: of the long-term benchmark (visuallocalization.net), and of LaMAR (Sarlin et al., ECCV 2022).
THRESHOLDS: tuple[Threshold, ...] = ((0.25, 2.0), (0.5, 5.0), (5.0, 10.0))
LAMAR: tuple[Threshold, ...] = ((0.1, 1.0), (0.25, 2.0), (1.0, 5.0))
RANKS = (1, 5, 10, 20)
_QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.95)
_CURVE_M = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 25.0)
_CURVE_DEG = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)

_ERRORS: dict[str, Callable[[QueryScore], float | None]] = {
    "position_m": lambda score: score.position_error_m,
    "horizontal_m": lambda score: score.horizontal_error_m,
    "vertical_m": lambda score: None if score.vertical_error_m is None else abs(score.vertical_error_m),
    "rotation_deg": lambda score: score.rotation_error_deg,
    "azimuth_deg": lambda score: None if score.azimuth_error_deg is None else abs(score.azimuth_error_deg),
}


def all_thresholds(given: Sequence[Threshold] = ()) -> tuple[Threshold, ...]:
    """The field's, LaMAR's and those given, finest first, each once."""
    return tuple(sorted({*THRESHOLDS, *LAMAR, *((float(m), float(deg)) for m, deg in given)}))


def threshold_name(threshold: Threshold) -> str:
    """As it is called in a summary."""
    return f"within_{threshold[0]:g}m_{threshold[1]:g}deg"


def is_within(score: QueryScore, threshold: Threshold) -> bool:
    """Whether a query was located that near; what is not known of the truth is not asked."""
    metres, degrees = position_error_m(score), orientation_error_deg(score)
    return metres is not None and metres <= threshold[0] and (degrees is None or degrees <= threshold[1])


def figures(scores: Sequence[QueryScore], thresholds: Sequence[Threshold], seed: int = 0) -> dict[str, Any]:
    """Figures of queries, distractors not among them.

    Shares are of all queries; medians and quantiles of those with a pose and a truth. ``intervals_95`` holds, by the
    name of a figure, Wilson's interval of a share (the bootstrap's has no width at 0 and at 1) and the bootstrap's of a
    median.
    """
    status = Counter(score.status for score in scores)
    summary: dict[str, Any] = {
        "num_queries": len(scores),
        "num_located": status["located"],
        "num_retrieved_only": status["retrieved_only"],
        "num_not_located": status["not_located"],
    }
    intervals: dict[str, Any] = {}
    located = [position_error_m(score) for score in scores]
    turned = [orientation_error_deg(score) for score in scores]
    for unit, errors in (("m", located), ("deg", turned)):
        known = [error for error in errors if error is not None]
        summary[f"median_{unit}"] = _rounded(np.median(known)) if known else None
        summary[f"worst_{unit}"] = _rounded(max(known)) if known else None
        intervals[f"median_{unit}"] = quantile_95(known, 0.5, seed)
    counts = {"located": status["located"]}
    counts |= {threshold_name(each): sum(is_within(score, each) for score in scores) for each in thresholds}
    for name, count in counts.items():
        summary[name] = round(count / len(scores), 4) if scores else None
        intervals[name] = _share_interval(count, len(scores))
    summary["intervals_95"] = intervals
    return summary


def error_summary(scores: Sequence[QueryScore], seed: int = 0) -> dict[str, Any]:
    """Quantiles of each kind of error, with the interval of the median, over those where it is known."""
    found: dict[str, Any] = {}
    for name, error in _ERRORS.items():
        known = [value for value in map(error, scores) if value is not None]
        if known:
            numbers = np.quantile(known, _QUANTILES)
            found[name] = {
                "num": len(known),
                **{f"q{round(100 * q)}": _rounded(value) for q, value in zip(_QUANTILES, numbers, strict=True)},
                "worst": _rounded(max(known)),
                "median_95": quantile_95(known, 0.5, seed),
            }
    return found


def cumulative(scores: Sequence[QueryScore]) -> dict[str, list[list[float]]]:
    """Shares of all queries whose error is at most so many metres, and so many degrees."""
    if not scores:
        return {}
    curves = {}
    for unit, error, steps in (("m", position_error_m, _CURVE_M), ("deg", orientation_error_deg, _CURVE_DEG)):
        known = np.array([value for value in map(error, scores) if value is not None])
        curves[unit] = [[step, round(float((known <= step).sum()) / len(scores), 4)] for step in steps]
    return curves


def recall(scores: Sequence[QueryScore], within_m: float, depth: int) -> dict[str, Any]:
    """Share of queries with a right reference among the best, over all and over those that have one in the database.

    The field counts over all, so that a place the database does not cover is a miss. Among more hits than ``depth``,
    the number that was asked for, nothing is counted.
    """
    findable = [score for score in scores if score.has_positive]
    away = [score.first_hit_m for score in scores if score.first_hit_m is not None]
    summary: dict[str, Any] = {
        "recall_within_m": within_m,
        "num_retrieval_queries": len(scores),
        "num_without_positive": len(scores) - len(findable),
    }
    intervals = {}
    for name, some in (("recall", scores), ("recall_with_positive", findable)):
        for rank in (rank for rank in RANKS if rank <= depth):
            found = sum(score.first_right is not None and score.first_right <= rank for score in some)
            summary[f"{name}_at_{rank}"] = round(found / len(some), 4) if some else None
            intervals[f"{name}_at_{rank}"] = _share_interval(found, len(some))
    summary["median_first_hit_m"] = round(float(np.median(away)), 3) if away else None
    return {**summary, "recall_intervals_95": intervals}


def seconds(stages: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Median and 95th percentile of the seconds of each stage, of the queries that got to it, and of all together."""
    names = dict.fromkeys(name for each in stages for name in each)
    taken = {name: [each[name] for each in stages if name in each] for name in names}
    if stages:
        taken["total"] = [sum(each.values()) for each in stages]
    return {
        name: {"median": round(float(np.median(some)), 4), "p95": round(float(np.quantile(some, 0.95)), 4)}
        for name, some in taken.items()
    }


def _share_interval(count: int, total: int) -> tuple[float, float] | None:
    if not total:
        return None
    low, high = wilson_95(count, total)
    return round(low, 4), round(high, 4)


def _rounded(value: Any) -> float:  # noqa: ANN401 - a number, also numpy's
    return round(float(value), 6)
