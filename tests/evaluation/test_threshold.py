"""The threshold that a run with photos from elsewhere asks for."""

from __future__ import annotations

import tomllib

import pytest

from geonav.config import GeonavConfig
from geonav.errors import InputError
from geonav.evaluation.record import QueryScore
from geonav.evaluation.threshold import derive_threshold


def scores(queries: list[int | None], elsewhere: list[int | None], wrong: int = 0) -> list[QueryScore]:
    """Queries and distractors answered with so many inliers, refused where None; the first few of them wrong."""
    made = []
    for is_distractor, inliers in ((False, queries), (True, elsewhere)):
        for i, count in enumerate(inliers):
            fields = {"status": "not_located"} if count is None else {"status": "located", "confidence": float(count)}
            failure = "wrong_pose" if i < wrong and not is_distractor else None
            made.append(QueryScore(name=f"{is_distractor}{i}", is_distractor=is_distractor, failure=failure, **fields))
    return made


def test_the_smallest_that_lets_no_more_than_allowed_through() -> None:
    run = scores([300, 200, 40, 20, None], [25, 12, *[None] * 98])
    assert derive_threshold(run, 0.0).min_inliers == 26
    one = derive_threshold(run, 0.01)
    assert one.min_inliers == 13
    assert (one.chosen.answered, one.chosen.false_accepts, one.num_distractors) == (0.8, 0.01, 100)
    assert one.false_accepts_at_most == pytest.approx(0.0466, abs=0.001)
    assert derive_threshold(run, 0.02).min_inliers == 6


def test_wrong_answers_to_queries_count_as_false_ones() -> None:
    found = derive_threshold(scores([50, 300, 200], [None], wrong=1), 0.01)
    assert (found.min_inliers, found.chosen.answered, found.chosen.wrong) == (51, pytest.approx(2 / 3, abs=1e-6), 0.0)


def test_each_threshold_stands_in_the_curve() -> None:
    found = derive_threshold(scores([40, 8], [10, None]), 0.0)
    assert [(p.min_inliers, p.answered, p.false_accepts) for p in found.curve] == [
        (6, 1.0, 0.5), (9, 0.5, 0.5), (11, 0.5, 0.0), (41, 0.0, 0.0),
    ]  # fmt: skip


def test_a_run_cannot_speak_for_what_it_refused() -> None:
    run = scores([300, 200], [None, None])
    strict, open_ = derive_threshold(run, accepted_from=30), derive_threshold(run, accepted_from=6)
    assert (strict.min_inliers, strict.is_bounded_by_run) == (30, True)
    assert (open_.min_inliers, open_.is_bounded_by_run) == (6, False)


def test_where_a_distractor_beats_every_query_nothing_is_answered() -> None:
    found = derive_threshold(scores([40], [90]), 0.0)
    assert (found.min_inliers, found.chosen.answered) == (91, 0.0)


def test_its_lines_are_settings() -> None:
    found = derive_threshold(scores([300], [25]), 0.0)
    config = GeonavConfig.model_validate(tomllib.loads(found.toml))
    assert config.localize.min_inliers == 26


@pytest.mark.parametrize(("queries", "elsewhere", "missing"), [([1], [], "distractors"), ([], [1], "queries")])
def test_both_kinds_are_needed(queries: list[int | None], elsewhere: list[int | None], missing: str) -> None:
    with pytest.raises(InputError, match=f"the run has no {missing}"):
        derive_threshold(scores(queries, elsewhere))
