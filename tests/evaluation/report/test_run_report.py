"""The page of a run: its figures are those of the run, its matches those that were stored."""

from __future__ import annotations

import re

from geonav.data.database import Database
from geonav.evaluation.record import QueryScore
from geonav.evaluation.report.run_report import write_run_report
from geonav.evaluation.run_folder import Run
from geonav.evaluation.summary import summarise
from tests.evaluation.report.made import SCORES
from tests.evaluation.report.test_figures import rows
from tests.evaluation.report.test_page import held


def written(run: Run, references: Database | None, scores: tuple[QueryScore, ...] = SCORES) -> str:
    summary = summarise(scores, results=run.results, info=run.info, within_m=5.0)
    write_run_report(run, scores, summary, run.folder / "report.html", references)
    return (run.folder / "report.html").read_text("utf-8")


def test_figures_are_those_of_the_run(run: Run, references: Database) -> None:
    text = written(run, references)
    shown = re.findall(r"<div class='tile (\w*)'><b>(.*?)</b><span>(.*?)</span>", text)
    assert shown == [
        ("", "66.7 %", "located: 2 of 3 [21 to 94 %]"),
        ("", "33.3 %", "within 0.25 m and 2° [6 to 79 %]"),
        ("", "20 cm", "median position error of the located [10 cm to 30 cm]"),
        ("", "1.0°", "median orientation error of the located [1.0° to 1.0°]"),
        ("", "50.0 %", "of truths inside the 95 % ellipse [9 to 91 %]"),
        ("bad", "1 of 2", "photos from elsewhere answered; at most 97.5 % in truth"),
        ("", "2.00 s", "a photo, median"),
    ]
    cells = rows(text)
    for row in (
        ["0.25 m and 2°", "33.3 % [6 to 79]"],
        ["position in 3D", "15 cm", "20 cm", "25 cm", "28 cm", "29 cm", "30 cm"],
        ["matching", "1.25 s", "1.25 s"],
        ["day", "3", "66.7 %", "33.3 % [6 to 79]", "66.7 % [21 to 94]", "20 cm"],
        ["recall@1", "66.7 % [21 to 94]", "66.7 % [21 to 94]"],
    ):
        assert row in cells
    assert re.findall(r"data-outcome='(\w+)'>(\d)<", text) == [
        ("right", "2"), ("distractor_refused", "1"), ("no_geometry", "1"), ("false_accept", "1"),
    ]  # fmt: skip
    for words in ("night &lt;1&gt;", "queries against castle, 2 references", "far", "geonav 1.2", "ab" * 32):
        assert words in text


def test_matches_come_from_the_run_folder(run: Run, references: Database) -> None:
    written(run, references)
    pairs = [held(run.folder / "report.html", f"d{i}")["pairs"] for i in range(5)]
    # Of the first they are there, of the second the file is broken, the others matched nothing.
    assert [len(some) for some in pairs] == [1, 0, 0, 0, 0]
    assert pairs[0][0]["inliers"] == 20


def test_a_database_that_is_gone_costs_only_its_pictures(run: Run) -> None:
    text = written(run, None)
    assert [photo["name"] for photo in held(run.folder / "report.html")["photos"]] == ["a/ü", "b", "c", "x", "y"]
    assert "id=r0>" not in text
    assert "id=p0>" in text


def test_the_same_run_gives_the_same_page(run: Run, references: Database) -> None:
    assert written(run, references) == written(run, references)
