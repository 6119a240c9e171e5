"""The page of a run: its figures are those of the run, its matches those that were stored."""

from __future__ import annotations

import re

from geonav.data.database import Database
from geonav.evaluation.record import QueryScore
from geonav.evaluation.report.run_report import write_run_report
from tests.evaluation.report.made import SCORES, FewQueries
from tests.evaluation.report.test_page import held


def written(run: FewQueries, references: Database | None, scores: tuple[QueryScore, ...] = SCORES) -> str:
    write_run_report(run, scores, {"num_queries": 3, "recall_within_m": 5.0}, run.folder / "report.html", references)
    return (run.folder / "report.html").read_text("utf-8")


def test_figures_are_those_of_the_run(run: FewQueries, references: Database) -> None:
    text = written(run, references)
    shown = re.findall(r"<div class='tile (\w*)'><b>(.*?)</b><span>(.*?)</span>", text)
    assert shown == [
        ("", "67 %", "located: 2 of 3 [21 to 94 %]"),
        ("", "33 %", "within 0.25 m and 2°: 1 of 3 [6 to 79 %]"),
        ("", "20 cm", "median position error of the located"),
        ("", "1.0°", "median orientation error of the located"),
        ("", "50 %", "of truths inside the 95 % ellipse: 1 of 2 [9 to 91 %]"),
        ("bad", "1 of 2", "photos from elsewhere answered"),
        ("", "2.00 s", "a photo, median"),
    ]
    assert re.findall(r"data-outcome='(\w+)'>(\d)<", text) == [
        ("right", "2"), ("distractor_refused", "1"), ("no_geometry", "1"), ("false_accept", "1"),
    ]  # fmt: skip
    for words in ("night &lt;1&gt;", "queries against castle, 2 references", "far", "geonav 1.2", "ab" * 32):
        assert words in text


def test_matches_come_from_the_run_folder(run: FewQueries, references: Database) -> None:
    written(run, references)
    pairs = [held(run.folder / "report.html", f"d{i}")["pairs"] for i in range(5)]
    # Of the first they are there, of the second the file is broken, the others matched nothing.
    assert [len(some) for some in pairs] == [1, 0, 0, 0, 0]
    assert pairs[0][0]["inliers"] == 20


def test_a_database_that_is_gone_costs_only_its_pictures(run: FewQueries) -> None:
    text = written(run, None)
    assert [photo["name"] for photo in held(run.folder / "report.html")["photos"]] == ["a/ü", "b", "c", "x", "y"]
    assert "id=r0>" not in text
    assert "id=p0>" in text


def test_the_same_run_gives_the_same_page(run: FewQueries, references: Database) -> None:
    assert written(run, references) == written(run, references)
