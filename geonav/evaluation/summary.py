"""All figures of a run, as they stand in ``summary.json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from geonav.data.results import LocalizationResult
from geonav.evaluation.anatomy import FAILURES
from geonav.evaluation.metrics import (
    Threshold,
    all_thresholds,
    cumulative,
    error_summary,
    figures,
    recall,
    seconds,
)
from geonav.evaluation.openset import open_set_summary
from geonav.evaluation.record import QueryScore, RunInfo
from geonav.evaluation.trust import trust_summary

# Groups with more values than this are not told apart: the column is a name, not a group.
_MOST_GROUPS = 50


def summarise(
    scores: Sequence[QueryScore],
    *,
    results: Sequence[LocalizationResult] = (),
    info: RunInfo | None = None,
    within_m: float = 25.0,
    thresholds: Sequence[Threshold] = (),
    depth: int = 20,
) -> dict[str, Any]:
    """Sum up a run; everything is JSON.

    Args:
        scores: of every query and distractor.
        results: in the same order; gives the seconds of each stage, distractors not counted, and which queries are
            references.
        info: gives name, seed and memory.
        within_m: which references were taken for right ones.
        thresholds: metres and degrees, counted besides the field's and LaMAR's.
        depth: hits that were asked for; recall among more is not given.
    """
    seed = info.seed if info else 0
    asked = [score for score in scores if not score.is_distractor]
    wanted = all_thresholds(thresholds)
    failures = Counter(score.failure for score in scores if score.failure)
    inside = [score.in_ellipse for score in asked if score.in_ellipse is not None]
    major = [score.semi_major_m for score in asked if score.in_ellipse is not None and score.semi_major_m is not None]
    return {
        **({"name": info.name} if info else {}),
        **figures(asked, wanted, seed),
        "in_ellipse_95": round(float(np.mean(inside)), 6) if inside else None,
        "median_semi_major_m": round(float(np.median(major)), 6) if major else None,
        "median_seconds": round(float(np.median([score.seconds for score in asked])), 4) if asked else None,
        "num_without_heading": sum(
            score.horizontal_error_m is not None
            and score.azimuth_error_deg is None
            and score.rotation_error_deg is None
            for score in asked
        ),
        **recall(asked, within_m, depth),
        "num_distractors": len(scores) - len(asked),
        "num_queries_among_references": sum(_is_reference(result) for result in results),
        "failures": {name: failures[name] for name in FAILURES},
        "errors": error_summary(asked, seed),
        "cumulative": cumulative(asked),
        "groups": _groups(asked, wanted, seed),
        "num_values_of_ungrouped": {
            column: len(values) for column, values in _columns(asked).items() if len(values) > _MOST_GROUPS
        },
        "trust": trust_summary(scores),
        "open_set": open_set_summary(scores),
        "seconds": seconds(
            [
                each.seconds
                for each, score in zip(results, scores, strict=False)
                if each.seconds and not score.is_distractor
            ]
        ),
        "peak_memory_bytes": info.peak_memory_bytes if info else None,
        **({"notes": info.notes} if info and info.notes else {}),
    }


def _is_reference(result: LocalizationResult) -> bool:
    """Whether the photo is itself a reference, which was then left out; its result says so."""
    return any(note.startswith("the photo is itself the reference") for note in result.notes)


def _groups(scores: Sequence[QueryScore], thresholds: Sequence[Threshold], seed: int) -> dict[str, Any]:
    """By column and value, the figures of the queries with it."""
    return {
        column: {
            value: figures([score for score in scores if score.groups.get(column, "") == value], thresholds, seed)
            for value in values
        }
        for column, values in _columns(scores).items()
        if len(values) <= _MOST_GROUPS
    }


def _columns(scores: Sequence[QueryScore]) -> dict[str, list[str]]:
    """The values of each column of the query table."""
    names = sorted({name for score in scores for name in score.groups})
    return {name: sorted({score.groups.get(name, "") for score in scores}) for name in names}
