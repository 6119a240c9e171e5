"""Scores and figures of records made by hand, against numbers worked out on paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geonav.data.results import LocalizationResult, ReferenceUse
from geonav.evaluation.intervals import quantile_95
from geonav.evaluation.record import QueryScore
from geonav.evaluation.run_folder import write_scores
from geonav.evaluation.scoring import score_query
from geonav.evaluation.summary import summarise
from tests.evaluation.report.made import located, query

PHOTO = "photo.jpg"


def refused(num_matches: int, uid: str = "r0") -> LocalizationResult:
    used = [ReferenceUse(uid=uid, score=0.9, num_matches=num_matches, num_inliers=0)]
    return LocalizationResult(query=PHOTO, status="not_located", reason="no", references=used)


def test_errors_are_those_of_the_camera_centre_and_rotation() -> None:
    # Found 0.3 m east and 0.1 m north of the truth, turned by 1 degree; semi-axes 0.5 m east-west, 0.2 m north-south.
    score = score_query(query("q", PHOTO, 2.0, 0.0), located(PHOTO, 2.3, 0.1))
    assert score.horizontal_error_m == pytest.approx(np.sqrt(0.1))
    assert score.position_error_m == pytest.approx(np.sqrt(0.1))
    assert score.vertical_error_m == pytest.approx(0.0, abs=1e-9)
    assert score.rotation_error_deg == pytest.approx(1.0)
    assert score.azimuth_error_deg == pytest.approx(1.0)
    assert score.in_ellipse is True
    assert score.horizontal_nes == pytest.approx((0.36 + 0.25) * 5.991464547 / 2)
    assert score.position_nes == pytest.approx((9 + 1) / 3)
    assert (score.semi_major_m, score.num_inliers, score.seconds) == (0.5, 20, 1.75)
    assert score.failure is None


def test_the_ellipse_is_that_of_its_direction() -> None:
    assert score_query(query("q", PHOTO, 0.0, 0.0), located(PHOTO, 0.0, 0.3)).in_ellipse is False
    assert score_query(query("q", PHOTO, 0.0, 0.0), located(PHOTO, 0.3, 0.0)).in_ellipse is True


def test_headings_are_compared_around_the_circle() -> None:
    record = query("q", PHOTO, 0.0, 0.0)
    assert record.truth is not None
    record = record.model_copy(update={"truth": record.truth.model_copy(update={"azimuth": 359.0, "E": None})})
    result = located(PHOTO, 0.0, 0.0).model_copy(update={"azimuth": 2.0, "azimuth_std_deg": 1.5})
    score = score_query(record, result)
    assert (score.azimuth_error_deg, score.azimuth_nes, score.rotation_error_deg) == (3.0, 4.0, None)


def test_a_truth_without_height_leaves_only_what_lies_along_the_ground() -> None:
    record = query("q", PHOTO, 1.0, 0.0)
    assert record.truth is not None
    truth = record.truth.model_copy(update={"center_m": (1.0, 0.0, None), "alt": None})
    score = score_query(record.model_copy(update={"truth": truth}), located(PHOTO, 1.0, 2.0))
    assert (score.position_error_m, score.vertical_error_m, score.position_nes) == (None, None, None)
    assert score.horizontal_error_m == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("east", "result", "failure"),
    [
        (2.0, located(PHOTO, 2.1, 0.0), None),
        (2.0, located(PHOTO, 7.1, 0.0), "wrong_pose"),
        (100.0, refused(500), "not_retrieved"),
        (2.0, refused(29), "not_matched"),
        (2.0, refused(30), "no_geometry"),
        # Matches with a reference of another place do not count.
        (2.0, refused(500, "elsewhere"), "not_matched"),
    ],
)
def test_a_query_fails_where_the_first_step_did_not_do_its_work(
    east: float, result: LocalizationResult, failure: str | None
) -> None:
    assert score_query(query("q", PHOTO, east, 0.0), result).failure == failure


def test_every_answer_to_a_photo_from_elsewhere_is_a_false_one() -> None:
    record = query("x", PHOTO, 0.0, 0.0, is_distractor=True)
    wrong, right = score_query(record, located(PHOTO, 0.0, 0.0)), score_query(record, refused(0))
    assert (wrong.failure, wrong.position_error_m, right.failure) == ("false_accept", None, None)


def test_recall_is_counted_by_the_rank_of_the_first_right_reference() -> None:
    # r0 stands at the origin, r1 9 m east of it and is the first hit.
    near_r0, near_r1, far = (score_query(query("q", PHOTO, e, 0.0), refused(0), 5.0) for e in (0.0, 9.0, 60.0))
    assert (near_r0.first_right, near_r1.first_right, far.first_right) == (2, 1, None)
    assert near_r0.first_hit_m == pytest.approx(9.0, abs=0.1)
    far = far.model_copy(update={"has_positive": False})
    found = summarise([near_r0, near_r1, far], within_m=5.0, depth=10)
    assert (found["recall_at_1"], found["recall_at_5"]) == pytest.approx((1 / 3, 2 / 3), abs=1e-4)
    assert (found["recall_with_positive_at_1"], found["recall_with_positive_at_5"]) == (0.5, 1.0)
    assert "recall_at_20" not in found


def scores(errors: list[float | None]) -> list[QueryScore]:
    """With a degree of rotation for each metre."""
    return [
        QueryScore(name=str(i), status="not_located", failure="no_geometry")
        if error is None
        else QueryScore(
            name=str(i), status="located", position_error_m=error, horizontal_error_m=error, rotation_error_deg=error,
            semi_major_m=1.0, in_ellipse=error <= 1, seconds=1.0, groups={"light": "day" if error < 1 else "night"},
        )
        for i, error in enumerate(errors)
    ]  # fmt: skip


def test_figures_are_shares_of_all_and_medians_of_what_was_located() -> None:
    found = summarise(scores([0.05, 0.2, 0.4, 4.0, 20.0, None]), thresholds=[(2.0, 3.0)])
    assert (found["num_queries"], found["num_located"], found["num_not_located"]) == (6, 5, 1)
    assert (found["median_m"], found["worst_m"], found["median_deg"]) == (0.4, 20.0, 0.4)
    names = ("0.1m_1deg", "0.25m_2deg", "0.5m_5deg", "1m_5deg", "2m_3deg", "5m_10deg")
    shares = [found[f"within_{name}"] for name in names]
    assert shares == pytest.approx([1 / 6, 2 / 6, 3 / 6, 3 / 6, 3 / 6, 4 / 6], abs=1e-4)
    assert found["in_ellipse_95"] == 0.6
    assert found["errors"]["horizontal_m"]["q50"] == 0.4
    assert dict(map(tuple, found["cumulative"]["m"]))[0.5] == 0.5
    assert found["failures"]["no_geometry"] == 1
    low, high = found["intervals_95"]["within_0.25m_2deg"]
    assert low < 2 / 6 < high
    groups = found["groups"]["light"]
    assert (groups["day"]["num_queries"], groups["night"]["median_m"]) == (3, 12.0)


def test_nothing_located_has_no_medians() -> None:
    found = summarise(scores([None, None]))
    assert (found["median_m"], found["in_ellipse_95"], found["within_5m_10deg"]) == (None, None, 0.0)
    assert found["intervals_95"]["within_5m_10deg"][1] > 0.5


def test_seconds_are_of_the_queries_that_got_to_a_stage() -> None:
    results = [located(PHOTO, 0, 0).model_copy(update={"seconds": taken}) for taken in ({"a": 1.0}, {"a": 3.0, "b": 5})]
    found = summarise(scores([0.1, 0.2]), results=results)["seconds"]
    assert {name: taken["median"] for name, taken in found.items()} == {"a": 2.0, "b": 5.0, "total": 4.5}
    assert found["a"]["p95"] == pytest.approx(2.9)


def test_the_median_s_interval_holds_the_true_median_19_times_in_20() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(100):
        low, high = quantile_95(rng.exponential(1.0, 60).tolist()) or (1.0, 0.0)
        held += low <= np.log(2) <= high
    assert 88 <= held <= 100
    assert quantile_95([]) is None
    assert quantile_95([1.0, 2.0, 5.0]) == quantile_95([1.0, 2.0, 5.0])


def test_the_table_of_scores_has_a_column_a_group(tmp_path: Path) -> None:
    made = [score.model_copy(update={"name": 'a,"b"'}) for score in scores([0.5])]
    write_scores(tmp_path, made, {})
    header, line = (tmp_path / "scores.csv").read_text().splitlines()
    assert header.startswith("name,status,reason")
    assert header.endswith(",group_light")
    assert line.startswith('"a,""b""",located,,false')
    assert line.endswith(",day")
