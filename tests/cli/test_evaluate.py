"""``geonav evaluate``: what is printed and how it ends, with an evaluation that only plays one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from geonav.data.database import Database
from geonav.evaluation import experiment as module
from geonav.evaluation.experiment import EvaluationReport, Experiment
from geonav.evaluation.record import QueryScore
from geonav.geometry.geodesy import GeoPoint
from tests.cli.conftest import Run


def photo(name: str, **known: object) -> QueryScore:
    figures = {"position_error_m": 0.0123, "rotation_error_deg": 0.04, "semi_major_m": 0.031, "in_ellipse": True}
    return QueryScore.model_validate({"name": name, "status": "located", "seconds": 1.5, **figures, **known})


LOST = QueryScore(name="0003", status="not_located", reason="too few matches", failure="no_geometry")
SUMMARY = {
    "median_m": 0.0123,
    "intervals_95": {"median_m": (0.01, 0.02)},
    "failures": {"no_geometry": 1, "wrong_pose": 0},
    "seconds": {"total": {"median": 1.5, "p95": 2.0}},
    "groups": {"light": {"day": {
        "num_queries": 2, "num_located": 1, "median_m": 0.0123, "median_deg": 0.04, "within_0.25m_2deg": 0.5,
        "within_5m_10deg": 0.5,
    }}},
}  # fmt: skip


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """An evaluation that finds 0001 and loses 0003 unless the query set is called lost."""
    made: list[dict[str, Any]] = []

    def evaluate(
        query_set: Path, references: Database, config: object, *, experiment: Experiment, **options: Any
    ) -> EvaluationReport:
        made.append({
            "query_set": query_set, "references": references.path, "config": config, "experiment": experiment, **options
        })  # fmt: skip
        photos = (LOST,) if query_set.name == "lost" else (photo("0001"), LOST)
        return EvaluationReport(
            str(experiment.name), photos, (), {"num_located": len(photos) - 1, **SUMMARY}, options["output"]
        )

    monkeypatch.setattr(module, "evaluate", evaluate)
    Database.create(tmp_path / "references", GeoPoint(48.9, 8.4, 130))
    return made


def test_the_table_shows_errors_and_reasons(calls: list[dict[str, Any]], run: Run) -> None:
    ended = run("evaluate", "--query_set", "queries", "--reference_set", "references")
    assert (ended.code, ended.err) == (0, "")
    table, below, groups = ended.out.split("\n\n")
    assert table.splitlines()[2].split() == ["0001", "located", "0.0123", "0.0400", "0.0310", "yes", "1.50"]
    assert below.splitlines() == [
        "0003: too few matches", "num_located: 1", "median_m: 0.0123 (95 %: 0.01 to 0.02)",
        "failures: no_geometry 1, wrong_pose 0", "seconds total: median 1.500, p95 2.000",
    ]  # fmt: skip
    assert groups.splitlines()[2].split() == ["day", "2", "1", "0.0123", "0.0400", "0.500", "0.500"]
    assert groups.splitlines()[-1] == f"report: {Path('runs', 'queries', 'report.html')}"


def test_json_is_the_whole_report(calls: list[dict[str, Any]], run: Run) -> None:
    ended = run("evaluate", "--query-set", "queries", "--reference-set", "references", "--exp-name", "mine", "--json")
    report = json.loads(ended.out)
    assert report["name"] == "mine"
    assert [photo["name"] for photo in report["photos"]] == ["0001", "0003"]


@pytest.mark.parametrize("form", [[], ["--json"]], ids=str)
def test_none_located_is_exit_code_7(form: list[str], calls: list[dict[str, Any]], run: Run) -> None:
    ended = run("evaluate", "--query-set", "lost", "--reference-set", "references", *form)
    assert (ended.code, ended.err) == (7, "error: none of the 1 photos was located; each says why\n")
    assert "too few matches" in ended.out


def test_options_reach_the_evaluation(calls: list[dict[str, Any]], run: Run) -> None:
    Path("experiment.toml").write_text("[localize]\nmin_inliers = 12\n")
    run(
        "evaluate", "--query-set", "queries", "--reference-set", "references", "--conf", "experiment.toml",
        "--top-k", "3", "--exp-name", "night", "--distractors", "far", "--distractors", "farther",
        "--threshold", "0.5,3", "--seed", "5", "--device", "cpu", "--model", "xfeat", "--output", "out",
    )  # fmt: skip
    call = calls[0]
    assert (call["query_set"], call["references"], call["output"]) == (Path("queries"), Path("references"), Path("out"))
    asked = call["experiment"]
    assert (asked.name, asked.distractors, asked.thresholds) == ("night", (Path("far"), Path("farther")), ((0.5, 3.0),))
    config = call["config"]
    assert (config.localize.min_inliers, config.localize.top_k, config.seed) == (12, 3, 5)
    assert (config.device, config.local.model) == ("cpu", "xfeat")


def test_runs_lie_under_the_name_of_the_experiment(calls: list[dict[str, Any]], run: Run) -> None:
    given = ("evaluate", "--query-set", "some/queries.csv", "--reference-set", "references")
    run(*given)
    run(*given, "--exp-name", "night")
    Path("city.v2").mkdir()
    run("evaluate", "--query-set", "city.v2", "--reference-set", "references")
    assert [call["output"] for call in calls] == [Path("runs/queries"), Path("runs/night"), Path("runs/city.v2")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reference-set", "references"], "Missing option '--query-set'"),
        (["--query-set", "queries"], "Missing option '--reference-set'"),
        (["folder", "--query-set", "queries"], "folder is scored anew, nothing is located: leave out --query-set"),
        (["folder", "--top-k", "3"], "leave out --top-k"),
        (["folder", "--output", "elsewhere"], "leave out --output"),
        (["--query-set", "q", "--reference-set", "references", "--threshold", "5"], "is not metres and degrees"),
        (
            ["--query-set", "q", "--reference-set", "references", "--threshold", "5,400"],
            "degrees above 0 and up to 180",
        ),
        (["--query-set", "q", "--reference-set", "references", "--exp-name", "../x"], "../x"),
        (["--query-set", "q", "--reference-set", "references", "--retrieval-only", "--distractors", "x"], "retrieval"),
        (
            ["--query-set", "t.csv", "--reference-set", "references", "--retrieval-only"],
            "takes a database, which t.csv",
        ),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_one_line(
    options: list[str], message: str, calls: list[dict[str, Any]], run: Run
) -> None:
    Path("t.csv").write_text("path,lat,lng\n")
    ended = run("evaluate", *options)
    assert (ended.code, ended.out, ended.err.count("\n")) == (3 if "../x" in options else 2, "", 1)
    assert message in ended.err
    assert not calls


def test_help_shows_options_and_commands(run: Run) -> None:
    shown = run("evaluate", "--help").out
    for word in ("--query-set", "--distractors", "--conf", "compare", "sweep", "threshold", "[RUN_DIR]"):
        assert word in shown
