"""Calibration and open set: figures that can be counted by hand, and simulated claims whose honesty is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from geonav.evaluation.openset import open_set_summary
from geonav.evaluation.record import QueryScore
from geonav.evaluation.shares import share, upper_bound_95, wilson_95
from geonav.evaluation.trust import (
    calibration_curve,
    held_by_deviation,
    held_by_ellipse,
    held_by_ellipsoid,
    trust_summary,
)


def simulated(true_over_claimed: float, count: int = 4000) -> list[QueryScore]:
    """Queries whose real errors are so many times what they claim."""
    rng = np.random.default_rng(0)
    std = np.array([0.3, 0.1, 0.2])
    errors = rng.normal(0, std * true_over_claimed, (count, 3))
    turns = rng.normal(0, 0.5 * true_over_claimed, count)
    squared = (errors / std) ** 2
    return [
        QueryScore(
            name=f"{i:04d}",
            status="located",
            horizontal_error_m=float(np.hypot(*errors[i, :2])),
            semi_major_m=0.3 * math.sqrt(5.991),
            in_ellipse=bool(squared[i, :2].sum() <= 5.991),
            horizontal_nes=float(squared[i, :2].mean()),
            position_nes=float(squared[i].mean()),
            azimuth_nes=float((turns[i] / 0.5) ** 2),
        )
        for i in range(count)
    ]


def test_honest_claims_lie_on_the_diagonal() -> None:
    found = trust_summary(simulated(1.0))
    assert found["ellipse_coverage"]["low"] <= 0.95 <= found["ellipse_coverage"]["high"]
    assert found["mean_horizontal_nes"] == pytest.approx(1, abs=0.06)
    assert found["mean_position_nes"] == pytest.approx(1, abs=0.06)
    assert found["mean_azimuth_nes"] == pytest.approx(1, abs=0.08)
    assert found["median_horizontal_nes"] == pytest.approx(math.log(2), abs=0.05)
    assert found["median_azimuth_nes"] == pytest.approx(0.455, abs=0.05)
    for name in ("ellipse", "position_3d", "heading"):
        for point in found["calibration"][name]:
            assert point["observed"] == pytest.approx(point["claimed"], abs=0.03), name


def test_bold_claims_lie_below_and_careful_ones_above() -> None:
    bold, careful = trust_summary(simulated(2.0)), trust_summary(simulated(0.5))
    assert bold["ellipse_coverage"]["high"] < 0.6
    assert careful["ellipse_coverage"]["low"] > 0.99
    assert bold["mean_horizontal_nes"] == pytest.approx(4, rel=0.06)
    assert careful["mean_horizontal_nes"] == pytest.approx(0.25, rel=0.06)
    ratio = careful["median_semi_major_m"] / careful["median_horizontal_error_m"]
    assert careful["semi_major_over_error"] == pytest.approx(ratio, rel=1e-4)
    for name in ("ellipse", "position_3d", "heading"):
        low, high = bold["calibration"][name], careful["calibration"][name]
        assert all(b["high"] < b["claimed"] < c["low"] for b, c in zip(low, high, strict=True)), name


def test_a_wild_pose_spoils_the_mean_but_not_the_median() -> None:
    honest = simulated(1.0)
    wild = honest[0].model_copy(update={"horizontal_nes": 1e6, "in_ellipse": False})
    before, after = trust_summary(honest), trust_summary([wild, *honest[1:]])
    assert after["mean_horizontal_nes"] > 200
    assert after["median_horizontal_nes"] == pytest.approx(before["median_horizontal_nes"], abs=0.01)


def test_distractors_refused_ones_and_unknown_heights_do_not_count() -> None:
    honest = simulated(1.0, 20)
    more = [
        honest[0].model_copy(update={"is_distractor": True, "in_ellipse": False, "horizontal_nes": 1e6}),
        QueryScore(name="refused", status="retrieved_only"),
        honest[1].model_copy(update={"name": "flat", "position_nes": None}),
    ]
    found = trust_summary([*honest, *more])
    assert found["num_located"] == 21
    assert found["mean_horizontal_nes"] < 3
    assert found["mean_position_nes"] == trust_summary(honest)["mean_position_nes"]


def test_a_run_that_located_nothing_has_no_figures() -> None:
    found = trust_summary([QueryScore(name="a", status="not_located")])
    assert found["num_located"] == 0
    assert found["ellipse_coverage"] is None
    assert found["semi_major_over_error"] is None
    assert found["calibration"] == {"ellipse": [], "position_3d": [], "heading": []}


@pytest.mark.parametrize("squared", [0.0, 0.3, 2.0, 5.991, 20.0])
def test_probabilities_are_those_of_chi_squared(squared: float) -> None:
    assert held_by_deviation(squared) == pytest.approx(stats.chi2.cdf(squared, 1), abs=1e-12)
    assert held_by_ellipse(squared / 2) == pytest.approx(stats.chi2.cdf(squared, 2), abs=1e-12)
    assert held_by_ellipsoid(squared / 3) == pytest.approx(stats.chi2.cdf(squared, 3), abs=1e-12)


def test_a_curve_counts_the_level_itself() -> None:
    (point,) = calibration_curve([0.1, 0.5, 0.9, 0.2], [0.5])
    assert (point["claimed"], point["observed"]) == (0.5, 0.75)
    assert point["low"] < 0.75 < point["high"]


@pytest.mark.parametrize(("count", "total"), [(0, 27), (1, 27), (13, 40), (40, 40)])
def test_intervals_are_those_of_scipy(count: int, total: int) -> None:
    expected = stats.binomtest(count, total).proportion_ci(0.95, "wilson")
    assert wilson_95(count, total) == pytest.approx((expected.low, expected.high), abs=1e-9)
    one_sided = stats.binomtest(count, total, alternative="less").proportion_ci(0.95, "exact")
    assert upper_bound_95(count, total) == pytest.approx(one_sided.high, abs=1e-9)


def test_of_nothing_there_is_no_share() -> None:
    assert share(0, 0) is None
    assert upper_bound_95(0, 0) == 1.0


def answers(*given: float | None, elsewhere: bool = False) -> list[QueryScore]:
    """Queries with answers of these confidences, refused where None."""
    made: list[dict[str, Any]] = [
        {"status": "not_located"} if value is None else {"status": "located", "confidence": value} for value in given
    ]
    return [QueryScore(name=f"{i}{elsewhere}", is_distractor=elsewhere, **fields) for i, fields in enumerate(made)]


def test_open_set_by_hand() -> None:
    found = open_set_summary([*answers(90, 60, 40, None), *answers(50, None, None, None, elsewhere=True)])
    assert (found["num_queries"], found["num_distractors"], found["num_false_accepts"]) == (4, 4, 1)
    assert found["curve"] == [
        {"confidence": 90, "answered": 0.25, "false_accepts": 0},
        {"confidence": 60, "answered": 0.5, "false_accepts": 0},
        {"confidence": 50, "answered": 0.5, "false_accepts": 0.25},
        {"confidence": 40, "answered": 0.75, "false_accepts": 0.25},
    ]
    assert found["answered"]["value"] == 0.75
    assert found["answered_at"] == {"0%": 0.5, "1%": 0.5, "5%": 0.5}
    # Of the 16 pairs: 90 and 60 beat all 4, 40 beats the 3 refused ones, the refused query ties with 3.
    assert found["area_under_curve"] == pytest.approx((4 + 4 + 3 + 1.5) / 16)


def test_a_run_that_refuses_everything_is_as_good_as_chance() -> None:
    found = open_set_summary([*answers(None, None), *answers(None, elsewhere=True)])
    assert found["area_under_curve"] == 0.5
    assert found["curve"] == []
    assert found["answered_at"]["0%"] == 0.0


def test_no_false_accept_of_a_few_is_not_none_of_many() -> None:
    found = open_set_summary([*answers(90), *answers(*[None] * 27, elsewhere=True)])
    assert found["false_accepts"]["value"] == 0.0
    assert found["false_accepts_at_most"] == pytest.approx(0.105, abs=0.001)


@pytest.mark.parametrize("scores", [answers(1, 2), answers(1, elsewhere=True), []])
def test_without_both_kinds_there_is_no_open_set(scores: list[QueryScore]) -> None:
    assert open_set_summary(scores) == {}
