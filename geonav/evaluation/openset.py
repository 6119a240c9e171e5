"""Photos from elsewhere: how many are answered, against how many of the queries are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geonav.data.results import LocalizationResult
from geonav.evaluation.record import QueryScore
from geonav.evaluation.shares import share, upper_bound_95

# False accepts at which the share answered is told.
FALSE_ACCEPTS = (0.0, 0.01, 0.05)


def confidence_of(result: LocalizationResult) -> float | None:
    """What answers are sorted by: the keypoints that agree with the pose. None where there is no answer.

    Of what acceptance looks at, only this number and the size of the ellipse are settings and stand in a result, and
    the ellipse of a wrong pose may be small.
    """
    return float(result.num_inliers) if result.status == "located" else None


def open_set_summary(scores: Sequence[QueryScore]) -> dict[str, Any]:
    """What accepting only answers above a confidence would let through.

    Returns:
        Empty without distractors or without queries. Else ``num_queries``, ``num_distractors``, ``num_false_accepts``;
        ``answered`` and ``false_accepts``, shares with their 95 % intervals; ``false_accepts_at_most``, which the true
        share does not exceed with 95 %; ``answered_at`` each share of false accepts, the most queries that can be
        answered; ``area_under_curve``, of the
        share answered over the share of false accepts, which is the probability that a query is more confident than a
        distractor (refused ones least, ties half): 1 is best, 0.5 chance; ``curve``, see :func:`open_set_curve`.
    """
    false = [answer_of(score) for score in scores if score.is_distractor]
    real = [answer_of(score) for score in scores if not score.is_distractor]
    if not false or not real:
        return {}
    curve = open_set_curve(real, false)
    num_false, num_real = sum(x is not None for x in false), sum(x is not None for x in real)
    return {
        "num_queries": len(real),
        "num_distractors": len(false),
        "num_false_accepts": num_false,
        "answered": share(num_real, len(real)),
        "false_accepts": share(num_false, len(false)),
        "false_accepts_at_most": round(upper_bound_95(num_false, len(false)), 6),
        "answered_at": {f"{limit:.0%}": _answered_at(curve, limit) for limit in FALSE_ACCEPTS},
        "area_under_curve": round(_area_under(real, false), 6),
        "curve": curve,
    }


def answer_of(score: QueryScore) -> float | None:
    """Confidence of a query's answer; None where it was refused. An answer of unknown confidence has the least."""
    if score.status != "located":
        return None
    return 0.0 if score.confidence is None else score.confidence


def open_set_curve(answers: Sequence[float | None], false: Sequence[float | None]) -> list[dict[str, float]]:
    """Shares of queries and of distractors that are answered when only answers of a confidence or more are given.

    Args:
        answers: confidence of each query's answer; None where it was refused.
        false: that of each distractor.

    Returns:
        ``confidence``, ``answered``, ``false_accepts``, from the highest confidence to the lowest.
    """
    real, wrong = _numbers(answers), _numbers(false)
    levels = np.unique(np.concatenate([real, wrong]))
    levels = levels[np.isfinite(levels)][::-1]
    return [
        {
            "confidence": float(level),
            "answered": round(float((real >= level).mean()), 6),
            "false_accepts": round(float((wrong >= level).mean()), 6),
        }
        for level in levels
    ]


def _answered_at(curve: Sequence[dict[str, float]], limit: float) -> float:
    return max((point["answered"] for point in curve if point["false_accepts"] <= limit), default=0.0)


def _area_under(answers: Sequence[float | None], false: Sequence[float | None]) -> float:
    # As a number of pairs (Mann and Whitney): what was refused is in no order, so that the curve ends straight.
    real, wrong = _numbers(answers), np.sort(_numbers(false))
    below = np.searchsorted(wrong, real, side="left")
    equal = np.searchsorted(wrong, real, side="right") - below
    return float((below + equal / 2).mean() / len(wrong))


def _numbers(confidences: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([-np.inf if value is None else value for value in confidences], float)
