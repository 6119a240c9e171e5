"""``geonav evaluate compare`` and ``threshold`` on run folders made by hand."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geonav.cli.app import main
from geonav.data.results import Ellipse, LocalizationResult, PositionStd
from geonav.evaluation.record import QueryRecord, RunInfo, Truth
from geonav.evaluation.run_folder import Run, write_run
from geonav.geometry.pose import pose_from_center


def result_at(east_m: float, inliers: int) -> LocalizationResult:
    pose = pose_from_center(np.eye(3), np.array([east_m, 0.0, 0.0]))
    return LocalizationResult(
        query="q.jpg", status="located", lat=48.94, lng=8.409, alt=130.0, azimuth=0.0, pitch=0.0, roll=0.0,
        E=pose.tolist(), position_std_m=PositionStd(east=0.1, north=0.1, up=0.1), azimuth_std_deg=0.1,
        ellipse_95=Ellipse(semi_major_m=0.3, semi_minor_m=0.2, azimuth_deg=90.0), num_inliers=inliers,
    )  # fmt: skip


Answer = tuple[float, int] | str


def make_run(
    folder: Path,
    queries: Sequence[Answer],
    elsewhere: Sequence[Answer] = (),
    *,
    sha256: str = "",
    lat: float = 48.94,
    num_asked: int = 20,
    **info: Any,
) -> Path:
    """A run folder; answers are (metres off, inliers) or the reason of a refusal."""
    fields = {"started_at": "2026-05-31T12:00:00Z", "query_set": "q", "reference_set": "r", "num_references": 1}
    truth = Truth(lat=lat, lng=8.409, azimuth=0.0, center_m=(0.0, 0.0, 0.0), E=np.eye(4).tolist())
    records, results = [], []
    for is_distractor, answers in ((False, queries), (True, elsewhere)):
        for i, answer in enumerate(answers):
            name = f"{'d' if is_distractor else 'q'}{i}<b>.jpg"
            records.append(
                QueryRecord(
                    name=name,
                    photo=name,
                    is_distractor=is_distractor,
                    truth=None if is_distractor else truth,
                    sha256=sha256,
                    num_asked=num_asked,
                    nearest_reference_m=1.0,
                )
            )
            refused = LocalizationResult(query=name, status="not_located", reason=str(answer))
            results.append(refused if isinstance(answer, str) else result_at(*answer))
    run = RunInfo(name=folder.name, origin=(48.94, 8.409, 130.0), **{**fields, **info})
    write_run(Run(folder, run, tuple(records), tuple(results)))
    return folder


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def night() -> Path:
    return make_run(Path("runs/night"), [(0.1, 200), (0.2, 100), "only 9 keypoints agree on a pose", (8.0, 40)])


@pytest.fixture
def day() -> Path:
    return make_run(Path("runs/day"), [(0.05, 220), "the photo shows too little", (0.3, 90), (0.1, 60)])


def test_two_runs_side_by_side(night: Path, day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "compare", str(night), str(day)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("a: night\nb: day\n4 photos in both\n")
    right = next(line for line in out.splitlines() if line.startswith("right"))
    assert right.split()[1:8] == ["4", "50.0", "%", "75.0", "%", "25.0", "%"]
    assert "3 photos ended otherwise" in out
    worse = next(line for line in out.splitlines() if line.startswith("- "))
    assert "q1<b>.jpg" in worse
    assert "off by 0.2 m, 0 deg, 100 keypoints agree" in worse
    assert "the photo shows too little" in worse


def test_json_holds_everything(night: Path, day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "compare", str(night), str(day), "--json", "--threshold", "0.15,1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["a"], found["b"], found["num_pairs"]) == ("night", "day", 4)
    within = next(each for each in found["differences"] if each["what"] == "within 0.15 m, 1 deg")
    assert (within["a"], within["b"], within["only_a"], within["only_b"], within["p"]) == (0.25, 0.5, 0, 1, 1.0)
    assert not any(each["what"].startswith("within 5 m") for each in found["differences"])
    assert [change["name"] for change in found["changes"]] == ["q1<b>.jpg", "q2<b>.jpg", "q3<b>.jpg"]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_of_it_with_names_as_text(night: Path, day: Path) -> None:
    assert main(["evaluate", "compare", str(night), str(day), "--html", "both.html"]) == 0
    page = _Page()
    page.feed(Path("both.html").read_text("utf-8"))
    assert "q1<b>.jpg" in page.text
    assert page.tags.count("b") == 2  # the two names alone
    assert page.tags.count("svg") == page.text.count("McNemar, exact") + page.text.count("Wilcoxon") > 5


def test_runs_of_one_name_are_told_apart_by_their_folders(day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = make_run(Path("elsewhere/day"), [(0.1, 100)])
    assert main(["evaluate", "compare", str(day), str(other)]) == 0
    assert capsys.readouterr().out.startswith(f"a: {day}\nb: {other}\n1 photo in both\n")


def test_what_cannot_be_compared(day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert main(["evaluate", "compare", str(day), "empty"]) == 3
    assert "empty" in capsys.readouterr().err
    for page in ("nowhere/both.html", "empty"):
        assert main(["evaluate", "compare", str(day), str(day), "--html", page]) == 3
        message = f"error: --html {page} is a folder, or is in none: name a file in a folder that exists\n"
        assert capsys.readouterr().err == message


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ({"sha256": "a"}, {"sha256": "b"}, "q0<b>.jpg is not the same photo in one and other"),
        ({}, {"lat": 48.95}, "q0<b>.jpg has not the same true place in one and other"),
        (
            {"config": {"search": {"recall_within_m": 10.0}}},
            {},
            "references are right within 10 m in one and 25 m in other: say which with --recall-within",
        ),
    ],
)
def test_runs_that_are_not_of_the_same_queries_or_judged_otherwise(
    one: dict[str, Any], other: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(make_run(Path(name), [(0.1, 100)], **kind)) for name, kind in (("one", one), ("other", other))]
    assert main(["evaluate", "compare", *folders]) == 3
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    if "--recall-within" in message:
        assert main(["evaluate", "compare", *folders, "--recall-within", "10"]) == 0


def test_one_truth_seen_from_two_origins_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Computed in the frames of two databases, a place comes out the same but for rounding, 359.99.. degrees is 0."""
    one, other = (make_run(Path(name), [(0.1, 100)]) for name in ("one", "other"))
    path = other / "queries.jsonl"
    path.write_text(path.read_text("utf-8").replace('"lat":48.94', '"lat":48.94000000000001'), "utf-8")
    path.write_text(path.read_text("utf-8").replace('"azimuth":0.0', '"azimuth":359.9999999'), "utf-8")
    assert main(["evaluate", "compare", str(one), str(other)]) == 0
    path.write_text(path.read_text("utf-8").replace('"azimuth":359.9999999', '"azimuth":359.9'), "utf-8")
    assert main(["evaluate", "compare", str(one), str(other)]) == 3
    assert "has not the same true place" in capsys.readouterr().err


def test_recall_is_compared_as_far_as_both_asked(capsys: pytest.CaptureFixture[str]) -> None:
    deep, shallow = make_run(Path("deep"), [(0.1, 100)]), make_run(Path("shallow"), [(0.1, 100)], num_asked=6)
    assert main(["evaluate", "compare", str(deep), str(shallow), "--json"]) == 0
    figures = [each["what"] for each in json.loads(capsys.readouterr().out)["differences"]]
    assert [what for what in figures if what.startswith("recall")] == ["recall@1", "recall@5"]
    assert "median heading error deg" in figures


@pytest.mark.parametrize("text", ["5", "a,b", "1,2,3", "0,2", "1,nan", "inf,2", "1,181"])
def test_thresholds_that_are_none(text: str, day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "compare", str(day), str(day), "--threshold", text]) == 2
    assert capsys.readouterr().err.startswith(f"error: --threshold '{text}' ")


def test_the_threshold_that_a_run_asks_for(capsys: pytest.CaptureFixture[str]) -> None:
    config = {"localize": {"min_inliers": 6}}
    run = make_run(Path("run"), [(0.1, 200), (0.1, 24), (0.1, 8), "no"], [(500.0, 14), "no", "no"], config=config)
    assert main(["evaluate", "threshold", str(run)]) == 0
    out = capsys.readouterr().out
    assert tomllib.loads(out[out.index("[localize]") :]) == {"localize": {"min_inliers": 15}}
    chosen = next(line for line in out.splitlines() if line.strip().startswith("15 <"))
    assert chosen.split()[2:] == ["50.0", "%", "0.0", "%", "0.0", "%"]
    assert "4 queries, 3 distractors; at 15 the true share of false accepts is at most 63.2 % (95 %)" in out
    assert "the run itself" not in out


def test_a_run_that_was_strict_says_what_it_cannot_tell(capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(Path("run"), [(0.1, 200)], ["no"], config={"localize": {"min_inliers": 30}})
    assert main(["evaluate", "threshold", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["min_inliers"] == 30
    assert main(["evaluate", "threshold", str(run)]) == 0
    assert "the run itself refused poses of fewer than 30 keypoints" in capsys.readouterr().out


def test_a_threshold_needs_distractors(day: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "threshold", str(day)]) == 3
    assert "the run has no distractors" in capsys.readouterr().err
