"""``geonav map``: what is printed of a map, as tables, JSON and a page, and that options reach the library."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import geonav
from geonav.cli.mapping_output import write_map_report
from geonav.data.database import Database
from geonav.pipeline.mapping import build
from geonav.pipeline.mapping.reading import apart_line, distance_moved_m, pieces, sigmas, worst_first
from geonav.pipeline.mapping.report import MapReport
from geonav.pipeline.mapping.shares import ShareReport
from tests.cli.conftest import Run
from tests.pipeline.mapping.made_map import ATTACK, ORIGIN, made_map, made_part, made_report


@pytest.fixture
def report(tmp_path: Path) -> MapReport:
    """30 references in part 1, of which r0003 is suspect, 10 in part 2, 2 in none."""
    return made_map(tmp_path / "db", 30, 300)[1]


def test_the_report_of_a_map_is_printed(report: MapReport, run_process: Run) -> None:
    ended = run_process("map", "report", "--database", "db", env={**os.environ, "COLUMNS": "160"})
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0].startswith("40 of ")
    assert lines[4].split() == ["1", "30", "240", "0.81", "0.75", "0.34", "1", "a1b2"]
    assert lines[5].split() == ["2", "10", "60", "0.81", "0.75", "0.34", "0", "c3d4"]
    worst = lines[9]
    assert worst.split()[:7] == ["1", "r0003", "15.75", "7.3", "0.10", "123", "6"]
    assert worst.endswith("suspect: position, heading")
    assert lines[10].split()[1:4] == ATTACK.split()
    assert "and 30 references that moved less: geonav map report --all" in lines
    for words in ("1.20 ±0.30  -0.40 ±0.30  0.10 ±0.50", "note, part 2: a note on c3d4", "other: 1 | 2", "s0009"):
        assert words in ended.out


def test_a_narrow_terminal_gets_what_matters_most(report: MapReport, run_process: Run) -> None:
    ended = run_process("map", "report", "-d", "db", env={**os.environ, "COLUMNS": "80"})
    lines = ended.out.splitlines()
    assert lines[4].split() == ["1", "30", "240", "0.81", "0.75", "0.34", "1"]
    assert lines[9].split() == ["1", "r0003", "15.75", "7.3", "suspect:"]  # the rest is folded beside a long name
    assert max(map(len, lines[:20])) <= 80


def test_all_lists_every_reference(report: MapReport, capsys: pytest.CaptureFixture[str]) -> None:
    write_map_report(report, as_json=False, show_all=True)
    out = capsys.readouterr().out
    assert all(view.uid in out for part in report.parts for view in part.views)
    assert "--all" not in out


def test_json_is_the_report(report: MapReport, run_process: Run) -> None:
    ended = run_process("map", "report", "-d", "db", "--json")
    assert (ended.code, ended.err, ended.out.count("\n")) == (0, "", 1)
    assert MapReport.model_validate_json(ended.out).parts == report.parts


def test_reasons_of_references_in_no_part_stand_once(report: MapReport, capsys: pytest.CaptureFixture[str]) -> None:
    counted = {"num_pairs": 1950, "num_links": 812, "seconds": {"match": 12.345}}
    write_map_report(report.model_copy(update=counted), as_json=False)
    out = capsys.readouterr().out
    assert out.startswith("40 of 42 references in 2 parts, 1 suspect; 812 of 1,950 pairs show one rigid scene\n")
    assert f"in no part, t0000, t0001: no match {ATTACK}\n" in out
    assert out.endswith("seconds: match 12.3\n")


def test_suspects_beyond_the_table_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = made_part([f"r{row:02}" for row in range(20)], 5)
    told = made_report("a", part)
    views = [view.model_copy(update={"suspect": "tilt"}) if view.uid == "r00" else view for view in told.views]
    write_map_report(MapReport(parts=[told.model_copy(update={"views": views})]), as_json=False)
    out = capsys.readouterr().out
    assert "\nsuspect, r00: tilt\n" in out
    assert "note, the map: a note on a" in out
    assert "apart" not in out


def test_no_figure_is_less_than_nothing(report: MapReport, capsys: pytest.CaptureFixture[str]) -> None:
    part = report.parts[0]
    moved = {"moved_m": (-0.001, 0.0, -0.001), "turned_deg": -0.004}
    sequence = part.sequences[0].model_copy(update={"offset_m": (-0.001, 0.0, -0.0049)})
    views = [view.model_copy(update=moved) for view in part.views]
    part = part.model_copy(update={"views": views, "sequences": [sequence], "median_moved_m": -0.0})
    write_map_report(report.model_copy(update={"parts": [part]}), as_json=False, show_all=True)
    out = capsys.readouterr().out
    assert "0.00 ±" in out
    assert "-0.0" not in out


def test_one_pair_is_one(report: MapReport, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr("geonav.pipeline.mapping.shares.match_share", lambda *_: ShareReport(matched=1, reused=0))
    assert run("map", "build", "-d", "db", "--shard", "1/2").out == "1 pair matched, 0 there already\n"


def test_nothing_mapped_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    write_map_report(MapReport(parts=[], alone=[("r0", "no match")]), as_json=False)
    assert capsys.readouterr().out == "0 of 1 references in 0 parts, 0 suspect\n\nin no part, r0: no match\n"


def test_the_page_is_written(report: MapReport, run: Run) -> None:
    ended = run("map", "report", "-d", "db", "--html", "map.html", "--json")
    assert (ended.code, ended.err) == (0, "")
    page = Path("map.html").read_text("utf-8")
    assert "<title>Map of db</title>" in page
    assert ATTACK not in page


@pytest.mark.parametrize("command", ["build", "report"])
def test_a_page_without_a_folder_is_refused_before_the_work(report: MapReport, command: str, run: Run) -> None:
    ended = run("map", command, "-d", "db", "--html", "absent/map.html")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == (
        "error: --html absent/map.html is a folder, or is in none: name a file in a folder that exists\n"
    )


def test_without_a_map_it_says_what_to_do(tmp_path: Path, run_process: Run) -> None:
    Database.create(tmp_path / "db", ORIGIN)
    ended = run_process("map", "report", "-d", "db")
    assert (ended.code, ended.out, ended.err.count("\n")) == (3, "", 1)
    assert "geonav map build" in ended.err
    assert run_process("map", "build", "-d", "absent").code == 3


OPTIONS = ["--neighbours", "5", "--similar", "0", "--radius", "30", "--max-views", "40", "--sequence_std_m", "1.5",
           "--matcher", "mutual_nn", "--seed", "7"]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "called", "given"),
    [
        (["build", "--rebuild"], "build_map", {"rebuild": True}),
        (["build"], "build_map", {"rebuild": False}),
        (["add"], "add_to_map", {}),
    ],
)
def test_options_reach_the_library(
    words: list[str], called: str, given: dict[str, Any], report: MapReport, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[geonav.GeonavConfig, dict[str, Any]]] = []

    def stand_in(database: Database, config: geonav.GeonavConfig, *args: object, **options: Any) -> MapReport:
        options.pop("on_progress", None)
        calls.append((config, options))
        return report

    monkeypatch.setattr(build, called, stand_in, raising=False)
    ended = run("map", words[0], "-d", "db", *OPTIONS, *words[1:])
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("40 of 42 references in 2 parts, 1 suspect\n")
    ((config, options),) = calls
    section = config.mapping
    assert (section.neighbours, section.similar, section.radius_m) == (5, 0, 30.0)
    assert (section.max_views, section.sequence_std_m) == (40, 1.5)
    assert (config.local.matcher, config.seed, options) == ("mutual_nn", 7, given)


def test_a_setting_that_makes_no_sense_is_refused(report: MapReport, run: Run) -> None:
    ended = run("map", "build", "-d", "db", "--neighbours", "0")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "neighbours" in ended.err


def test_what_moved_is_read_as_far_as_it_is_known(report: MapReport) -> None:
    view = report.parts[0].views[0].model_copy(update={"moved_m": (3.0, 4.0, None), "heading_sigmas": None})
    assert distance_moved_m(view) == 5.0
    assert distance_moved_m(view.model_copy(update={"moved_m": (None, None, None)})) is None
    assert sigmas(view.model_copy(update={"position_sigmas": 1.0, "heading_sigmas": 2.0})) == 2.0
    assert sigmas(view.model_copy(update={"position_sigmas": 1.0})) == 1.0
    assert worst_first(report)[0][1].uid == "r0003"


def test_parts_that_share_references_are_one_piece() -> None:
    uids = [["a", "b"], ["c", "d"], ["b", "c"], ["e", "f"]]
    parts = [made_report(f"p{number}", made_part(some, 2)) for number, some in enumerate(uids)]
    told = MapReport(parts=parts)
    assert pieces(told) == [[1, 2, 3], [4]]
    assert str(apart_line(told)).endswith(": 1, 2, 3 | 4")
    assert apart_line(MapReport(parts=parts[:3])) is None
