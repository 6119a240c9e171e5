"""A summary as HTML: every figure stands in it, names are text."""

from __future__ import annotations

import re

import pytest

from geonav.evaluation.report.figures import outcome_bar, tables, tiles
from geonav.evaluation.report.words import degrees, metres


def rows(text: str) -> list[list[str]]:
    """Texts of the cells of every row."""
    return [
        [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.split(r"<t[hd](?: [^>]*)?>", row)[1:]]
        for row in re.split(r"<tr>", re.sub(r"<h4>.*?</h4>", "", text))[1:]
    ]


def test_every_figure_stands_in_a_table() -> None:
    summary = {
        "num_queries": 3,
        "median_m": {"value": 0.0123456, "low": 0.01, "high": 0.02},
        "name": "<b>",
        "none": None,
        "trust": {"coverage": 0.95, "curve": [[0.0, 0.0]] * 40, "by_axis": {"east": 1.0, "levels": [0.5, 0.9]}},
        "groups": {"day": {"num": 2, "median_m": 0.5}, "night": {"num": 1}},
        "thresholds": [{"metres": 0.25, "share": 0.5}, {"metres": 5.0, "share": 1.0}],
    }
    assert rows(tables(summary)) == [
        ["num queries", "3"],
        ["median m", "0.01235 [0.01, 0.02]"],
        ["name", "&lt;b&gt;"],
        ["none", "-"],
        ["coverage", "0.95"],
        ["east", "1"],
        ["levels", "0.5, 0.9"],
        ["", "num", "median m"],
        ["day", "2", "0.5"],
        ["night", "1", "-"],
        ["metres", "share"],
        ["0.25", "0.5"],
        ["5", "1"],
    ]
    assert re.findall(r"<h4>(.*?)</h4>", tables(summary)) == ["trust", "trust: by axis", "groups", "thresholds"]


def test_outcomes_are_counted_good_ones_first() -> None:
    text = outcome_bar(["wrong_pose", "right", "not_matched", "right", "<odd>"])
    assert re.findall(r"data-outcome='(.*?)'>(\d+)<", text) == [
        ("right", "2"), ("not_matched", "1"), ("wrong_pose", "1"), ("&lt;odd&gt;", "1"),
    ]  # fmt: skip
    assert outcome_bar([]) == ""


def test_tiles_are_text() -> None:
    assert "<b>1 &lt; 2</b><span>a &amp; b</span>" in tiles([("1 < 2", "a & b", "good")])
    assert tiles([]) == ""


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0004, "0.4 mm"), (0.0191, "1.9 cm"), (0.25, "25 cm"), (1.25, "1.25 m"), (12.34, "12.3 m"), (250, "250 m"),
     (12_340, "12.3 km")],
)  # fmt: skip
def test_lengths_have_the_unit_that_fits(value: float, said: str) -> None:
    assert metres(value) == said


def test_small_angles_have_more_digits() -> None:
    assert (degrees(0.0274), degrees(12.34)) == ("0.03°", "12.3°")
