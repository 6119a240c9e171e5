"""Curves hold what was measured: by hand, on a few queries."""

from __future__ import annotations

import re

import numpy as np
import pytest

from geonav.data.results import LocalizationResult
from geonav.evaluation.record import Scored
from geonav.evaluation.report.curves import calibration, cumulative, curves
from tests.evaluation.report.made import located, query, scored


def test_errors_add_up_to_the_share_that_was_located() -> None:
    # 10 cm is a quarter of the way from 1 cm to 100 m, 10 m three quarters; one query was not located.
    curve = cumulative([0.1, None, -10.0, 0.001])
    assert curve.tolist() == pytest.approx(
        np.array([[0, 0.25], [0.25, 0.25], [0.25, 0.5], [0.75, 0.5], [0.75, 0.75], [1, 0.75]])
    )
    assert cumulative([None, None]).tolist() == [[0.0, 0.0], [1.0, 0.0]]


def test_calibration_counts_truths_inside() -> None:
    curve = calibration([0.115, 0.5])
    assert curve[[11, 12, 49, 50, 100]].tolist() == pytest.approx(
        np.array([[0.11, 0.0], [0.12, 0.5], [0.49, 0.5], [0.5, 1.0], [1.0, 1.0]])
    )


def run(*errors: float | None) -> list[Scored]:
    """One query per error, None for those that were refused."""
    found = []
    for i, error in enumerate(errors):
        result = LocalizationResult(query="q", status="not_located") if error is None else located("q", 0.0, error)
        score = scored(f"q{i}", result.status, error, has_positive=True, first_right=i + 1)
        found.append((query(f"q{i}", "q", 0.0, 0.0), result, score))
    return found


def distractor(confidence: float | None) -> Scored:
    status = "not_located" if confidence is None else "located"
    result = LocalizationResult(query="d", status="not_located")
    return (
        query("d", "d", 0, 0, is_distractor=True),
        result,
        scored("d", status, is_distractor=True, confidence=confidence),
    )


def test_all_charts_of_a_run_are_drawn_with_their_figures() -> None:
    text = curves([*run(0.1, 0.1, None, 0.1), distractor(None), distractor(30.0)], [(0.25, 2.0)])
    titles = re.findall(r"<figcaption>(.*?)</figcaption>", text)
    assert titles == [
        "Position error",
        "Rotation error",
        "Retrieval",
        "Is the uncertainty true?",
        "Photos from elsewhere",
    ]
    remarks = re.findall(r"<li class=l\d>(.*?)</b>", text)
    assert "in 3D <b>median 10 cm" in remarks
    assert "of all queries <b>first hit 25 %" in remarks
    assert "position, the ellipse <b>at 95 %: 100 %" in remarks
    assert "distractors answered <b>1 of 2 in this run" in remarks
    assert "<title>0.25 m</title>" in text
    # The most confident answer is the false one: half of the distractors before any of the queries.
    (points,) = re.findall(r"Photos from elsewhere.*?points='(.*?)'", text)
    assert points == "46.0,202.0 46.0,107.0 304.0,107.0"


def test_without_truth_nothing_is_drawn() -> None:
    assert curves([distractor(None)]) == ""
    assert curves([]) == ""
