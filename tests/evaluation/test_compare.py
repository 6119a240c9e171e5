"""Two runs side by side: the tests against scipy's, the changes and their reasons, and what cannot be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from geonav.errors import InputError
from geonav.evaluation.compare import Difference, compare_scores
from geonav.evaluation.paired import mcnemar_p, median_difference, share_difference, wilcoxon_p
from geonav.evaluation.record import QueryScore


def located(name: str, error_m: float, **more: Any) -> QueryScore:
    fields = {
        "status": "located", "position_error_m": error_m, "rotation_error_deg": error_m, "num_inliers": 100,
        "failure": "wrong_pose" if error_m > 5 else None, "has_positive": True, "first_right": 1,
    }  # fmt: skip
    return QueryScore(name=name, **{**fields, **more})


def refused(name: str, **more: Any) -> QueryScore:
    fields = {"status": "not_located", "reason": "only 9 keypoints agree on a pose", "failure": "no_geometry"}
    return QueryScore(name=name, **{**fields, **more})


def named(differences: tuple[Difference, ...], what: str) -> Difference:
    (found,) = (difference for difference in differences if difference.what == what)
    return found


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 1), (1, 9), (5, 5), (3, 20), (0, 1200)])
def test_mcnemar_is_the_binomial_test(only_a: int, only_b: int) -> None:
    expected = stats.binomtest(only_a, only_a + only_b, 0.5).pvalue
    assert mcnemar_p(only_a, only_b) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("count", [1, 6, 30])
def test_wilcoxon_without_ties_is_exact(count: int) -> None:
    rng = np.random.default_rng(count)
    a, b = rng.normal(0, 1, count), rng.normal(0.4, 1, count)
    assert wilcoxon_p(a.tolist(), b.tolist()) == pytest.approx(stats.wilcoxon(a, b, method="exact").pvalue, rel=1e-9)


def test_wilcoxon_with_ties_counts_all_assignments_of_signs() -> None:
    rng = np.random.default_rng(1)
    difference = rng.integers(-3, 5, 10).astype(float)
    kept = difference[difference != 0]
    ranks = stats.rankdata(np.abs(kept))
    signs = (np.arange(2 ** len(kept))[:, None] >> np.arange(len(kept))) & 1
    sums, middle = signs @ ranks, ranks.sum() / 2
    expected = np.mean(np.abs(sums - middle) >= abs(ranks[kept > 0].sum() - middle) - 1e-9)
    assert wilcoxon_p([0.0] * 10, difference.tolist()) == pytest.approx(expected, rel=1e-9)


def test_wilcoxon_of_many_is_the_normal_law() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(0, 1, 200), rng.normal(0.15, 1, 200)
    expected = stats.wilcoxon(a, b, method="asymptotic", correction=False).pvalue
    assert wilcoxon_p(a.tolist(), b.tolist()) == pytest.approx(expected, rel=1e-6)


def test_wilcoxon_of_equal_runs_says_nothing() -> None:
    assert wilcoxon_p([1.0, 2.0], [1.0, 2.0]) is None


def test_intervals_hold_the_true_difference_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held = []
    for trial in range(40):
        a, b = rng.normal(3, 1, 120), rng.normal(3.5, 1, 120)
        _, low, high = median_difference(a, b, seed=trial)
        held.append(low <= 0.5 <= high)
    assert 0.85 <= np.mean(held) <= 1.0
    assert np.mean(held) == pytest.approx(0.95, abs=0.1)


def test_pairing_makes_the_interval_of_a_share_narrow() -> None:
    rng = np.random.default_rng(0)
    a = rng.random(200) < 0.5
    b = a.copy()
    b[np.flatnonzero(~a)[:6]] = True
    difference, low, high = share_difference(a, b)
    assert difference == pytest.approx(0.03)
    assert 0 < low < 0.03 < high < 0.06


def test_queries_that_changed_are_listed_with_their_reasons_worse_ones_first() -> None:
    a = [located("same", 0.1), located("lost", 0.123), refused("found"), located("mended", 9.0), refused("other")]
    b = [
        located("other", 12.0), located("same", 0.2), refused("lost"), located("found", 0.3), located("mended", 0.4),
    ]  # fmt: skip
    found = compare_scores(a, b, ("night", "day"))
    assert (found.a, found.b, found.num_pairs) == ("night", "day", 5)
    assert [(change.name, change.is_better) for change in found.changes] == [
        ("lost", False), ("found", True), ("mended", True), ("other", None),
    ]  # fmt: skip
    lost = found.changes[0]
    assert (lost.before, lost.after) == ("right", "no_geometry")
    assert lost.why_before == "off by 0.123 m, 0.123 deg, 100 keypoints agree"
    assert lost.why_after == "only 9 keypoints agree on a pose"


def test_figures_of_both_runs_by_hand() -> None:
    a = [located("1", 0.1), located("2", 1.0), refused("3", has_positive=True), located("4", 2.0)]
    b = [located("1", 0.2), located("2", 0.4), located("3", 0.2), refused("4", has_positive=True)]
    differences = compare_scores(a, b).differences
    share = named(differences, "located")
    assert (share.a, share.b, share.difference, share.only_a, share.only_b, share.p) == (0.75, 0.75, 0.0, 1, 1, 1.0)
    near = named(differences, "within 0.25 m, 2 deg")
    assert (near.a, near.b, near.only_a, near.only_b) == (0.25, 0.5, 0, 1)
    median = named(differences, "median error m")  # of those that both located: 1 and 2
    assert (median.num, median.a, median.b) == (2, pytest.approx(0.55), pytest.approx(0.3))
    recall = named(differences, "recall@1")
    assert (recall.a, recall.b) == (0.75, 0.75)


def test_a_real_gain_is_seen_and_none_is_not() -> None:
    a = [located(f"{i:03d}", 1.0 + i / 1000) for i in range(40)]
    better = [score.model_copy(update={"position_error_m": (score.position_error_m or 0) * 0.5}) for score in a]
    gain, same = compare_scores(a, better), compare_scores(a, a)
    median = named(gain.differences, "median error m")
    assert median.high < 0
    assert median.p is not None
    assert median.p < 1e-6
    assert all(d.difference == d.low == d.high == 0 and d.p is None for d in same.differences)
    assert same.changes == ()


def test_distractors_are_compared_apart_and_truth_without_height_counts_horizontally() -> None:
    flat = {"position_error_m": None, "rotation_error_deg": None, "horizontal_error_m": 0.2, "azimuth_error_deg": -3.0}
    a = [located("q", 0, **flat), refused("far", is_distractor=True, failure=None)]
    b = [located("q", 0, **flat), located("far", 0, is_distractor=True, position_error_m=None, rotation_error_deg=None)]
    found = compare_scores(a, b)
    elsewhere = named(found.differences, "distractors answered")
    assert (elsewhere.num, elsewhere.a, elsewhere.b) == (1, 0.0, 1.0)
    (change,) = found.changes
    assert (change.before, change.after, change.is_better) == ("distractor_refused", "false_accept", False)
    assert named(found.differences, "within 0.25 m, 2 deg").a == 0.0
    assert named(found.differences, "within 0.5 m, 5 deg").a == 1.0


def test_queries_of_one_run_alone_are_named_and_left_out() -> None:
    found = compare_scores([located("1", 0.1), located("2", 0.1)], [located("2", 0.1), located("3", 0.1)])
    assert (found.num_pairs, found.only_in_a, found.only_in_b) == (1, ("1",), ("3",))
    assert named(found.differences, "located").num == 1


def test_what_cannot_be_compared_says_why() -> None:
    with pytest.raises(InputError, match="night and day have no query in common"):
        compare_scores([located("1", 0.1)], [located("2", 0.1)], ("night", "day"))
    with pytest.raises(InputError, match="1 is a distractor in one of night and day alone"):
        compare_scores([located("1", 0.1)], [located("1", 0.1, is_distractor=True)], ("night", "day"))
