"""Shares of an evaluation: folders of their own that a run of everything takes over."""

from __future__ import annotations

from pathlib import Path

import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.shards import Shard
from geonav.errors import UsageError
from geonav.evaluation.experiment import EvaluationReport, Experiment, evaluate
from geonav.evaluation.run_folder import read_run
from tests.evaluation.stand_in import PLACES, StandIn

SHARDS = [Shard(number, 3) for number in (3, 1, 2)]


def run(references: Database, tmp_path: Path, shard: Shard | None = None, **settings: object) -> EvaluationReport:
    config = GeonavConfig.model_validate({"localize": settings})
    asked = Experiment(distractors=[tmp_path / "elsewhere"], shard=shard)
    return evaluate(tmp_path / "queries", references, config, experiment=asked, output=tmp_path / "run")


def test_shares_locate_each_query_once_and_are_taken_over(references: Database, tmp_path: Path) -> None:
    reports = [run(references, tmp_path, shard) for shard in SHARDS]
    assert sorted(photo.name for report in reports for photo in report.photos) == sorted([*PLACES, "far.jpg"])
    assert sorted(StandIn.asked) == sorted([*PLACES, "far"])
    whole = run(references, tmp_path)
    assert len(StandIn.asked) == len(PLACES) + 1
    assert [photo.name for photo in whole.photos] == [*PLACES, "far.jpg"]
    assert len(read_run(tmp_path / "run").records) == len(PLACES) + 1
    assert len(list((tmp_path / "run/matches").iterdir())) == len(PLACES)
    assert (tmp_path / "run/report.html").exists()


def test_what_shares_lack_is_located_by_the_run_of_everything(references: Database, tmp_path: Path) -> None:
    run(references, tmp_path, SHARDS[0])
    run(references, tmp_path)
    assert sorted(StandIn.asked) == sorted([*PLACES, "far"])


def test_a_share_that_was_interrupted_goes_on(references: Database, tmp_path: Path) -> None:
    shard = max(SHARDS, key=lambda each: sum(each.holds(name) for name in PLACES))
    StandIn.stop_at = 1
    with pytest.raises(KeyboardInterrupt):
        run(references, tmp_path, shard)
    StandIn.stop_at = None
    run(references, tmp_path, shard)
    assert len(StandIn.asked) == len(set(StandIn.asked))


def test_a_share_of_another_experiment_is_refused(references: Database, tmp_path: Path) -> None:
    run(references, tmp_path, SHARDS[0])
    with pytest.raises(UsageError, match="shard-3-of-3 holds a share of another experiment"):
        run(references, tmp_path, min_inliers=20)


def test_an_empty_share_is_no_error(references: Database, tmp_path: Path) -> None:
    taken = {number for number in range(1, 101) if any(Shard(number, 100).holds(n) for n in [*PLACES, "far.jpg"])}
    empty = next(number for number in range(1, 101) if number not in taken)
    assert run(references, tmp_path, Shard(empty, 100)).photos == ()
