"""The report of an evaluation: whole, right, harmless and on its own; what is found is given, not computed."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.metadata import ImageMetadata
from geonav.data.results import Ellipse, LocalizationResult, PositionStd, ReferenceUse
from geonav.errors import StorageError
from geonav.geometry.geodesy import GeoPoint
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center
from geonav.pipeline import evaluate as evaluation
from geonav.pipeline.evaluate import EvaluationReport, evaluate

ORIGIN = GeoPoint(48.94, 8.41, 130.0)
CAMERA = [[60.0, 0.0, 32.0], [0.0, 60.0, 24.0], [0.0, 0.0, 1.0]]
BOLD, QUOTED, LOST = "<b>.jpg", 'it\'s "here" & <i>there', "third"
ATTACK = "<script>alert('x')</script> & too few matches"
OFFSET_M = np.array([0.3, -0.4, 0.0])


def pose_at(east: float, north: float) -> np.ndarray:
    return pose_from_center(rotation_from_angles(30.0), np.array([east, north, 1.6]))


def picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (64, 48), (10, 200, 30)).save(stream, "JPEG")
    return stream.getvalue()


def database_of(path: Path, places: dict[str, tuple[float, float]]) -> Database:
    database = Database.create(path, ORIGIN)
    for uid, place in places.items():
        database.add_entry(uid, picture(), ImageMetadata(w=64, h=48, K=CAMERA, E=pose_at(*place).tolist()))
    return database


def found(path: Path) -> LocalizationResult:
    """What the stand-in for the localizer says of each photo."""
    uid, best = path.parent.name, [ReferenceUse(uid="r<1>", score=0.9, num_matches=50, num_inliers=40)]
    if uid == QUOTED:
        return LocalizationResult(query=str(path), status="retrieved_only", reason="weak pose", references=best)
    if uid == LOST:
        return LocalizationResult(query=str(path), status="not_located", reason=ATTACK)
    pose = pose_from_center(rotation_from_angles(31.0), np.array([2.0, 3.0, 1.6]) + OFFSET_M)
    return LocalizationResult(
        query=str(path), status="located", lat=48.94, lng=8.41, azimuth=31.0, E=pose.tolist(),
        position_std_m=PositionStd(east=0.1, north=0.1, up=0.1), references=best,
        ellipse_95=Ellipse(semi_major_m=0.25, semi_minor_m=0.2, azimuth_deg=0.0),
    )  # fmt: skip


class StandIn:
    def __init__(self, references: Database, config: GeonavConfig) -> None: ...

    def locate(self, path: Path, **_: object) -> LocalizationResult:
        return found(path)


class Page(HTMLParser):
    """Tags and their attributes, the texts of the cells by row, and every other text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.titles: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        tag = self.tags[-1][0]
        if tag == "title":
            self.titles.append(data)
        elif self.rows and self.rows[-1] and tag in ("td", "th", "img"):
            self.rows[-1][-1] += data

    def row(self, first: str) -> list[str]:
        return next(row for row in self.rows if row[0] == first)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Database]:
    """Photos to locate and references, with the localizer replaced."""
    monkeypatch.setattr(evaluation, "Localizer", StandIn)
    database_of(tmp_path / "queries", {BOLD: (2.0, 3.0), QUOTED: (4.0, 3.0), LOST: (6.0, 3.0)})
    return tmp_path / "queries", database_of(tmp_path / "references", {"r<1>": (0.0, 0.0), "r2": (9.0, 5.0)})


def evaluated(sets: tuple[Path, Database], name: str = "a <set>") -> tuple[EvaluationReport, str, Path]:
    out = sets[0].parent / "out"
    report = evaluate(*sets, GeonavConfig(), name=name, output=out)
    return report, (out / "report.html").read_text("utf-8"), out


def test_every_photo_is_listed_with_its_outcome(sets: tuple[Path, Database]) -> None:
    page = Page(evaluated(sets)[1])
    assert page.row(BOLD)[2:] == ["located", "0.500 m", "1.000°", "0.250 m, misses the truth"]
    assert page.row(QUOTED)[2:] == ["retrieved_only: weak pose"]
    assert page.row(LOST)[2:] == [f"not_located: {ATTACK}"]
    # Each photo's own picture, and its best reference's where there is one.
    assert len(page.all("img")) == 3 + 2


def test_figures_are_those_of_summary_json(sets: tuple[Path, Database]) -> None:
    report, text, out = evaluated(sets)
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    assert summary.pop("name") == report.name
    assert (summary["num_queries"], summary["num_located"], summary["median_m"]) == (3, 1, 0.5)
    page = Page(text)
    for name, value in summary.items():
        assert page.row(name)[1] == ("none" if value is None else str(value))
    errors = {photo["query"]: photo["position_error_m"] for photo in json.loads((out / "queries.json").read_bytes())}
    assert errors == {BOLD: pytest.approx(0.5), QUOTED: None, LOST: None}


def test_none_located_shows_no_figures(sets: tuple[Path, Database], monkeypatch: pytest.MonkeyPatch) -> None:
    lost = LocalizationResult(query="x", status="not_located", reason="dark")
    monkeypatch.setattr(StandIn, "locate", lambda *_, **__: lost)
    page = Page(evaluated(sets)[1])
    assert page.row("median_m")[1] == "none"
    assert page.row(BOLD)[2:] == ["not_located: dark"]
    assert page.all("line") == []


def test_names_and_reasons_are_text_and_nothing_else(sets: tuple[Path, Database]) -> None:
    page = Page(evaluated(sets)[1])
    known = {
        "html",
        "meta",
        "title",
        "style",
        "h1",
        "h2",
        "p",
        "table",
        "tr",
        "th",
        "td",
        "img",
        "svg",
        "circle",
        "line",
    }
    assert {name for name, _ in page.tags} == known
    assert page.titles == ["a <set>", BOLD, QUOTED, LOST]
    attributes = {key for _, attributes in page.tags for key in attributes}
    assert not [key for key in attributes if key.startswith("on") or key in ("href", "here", "there")]


def test_the_plan_leads_from_the_truth_to_ten_times_the_error(sets: tuple[Path, Database]) -> None:
    page = Page(evaluated(sets)[1])
    (line,) = page.all("line")
    ends = [float(line[key] or "nan") for key in ("x1", "y1", "x2", "y2")]
    assert ends == pytest.approx([2.0, -3.0, 2.0 + 10 * OFFSET_M[0], -(3.0 + 10 * OFFSET_M[1])], abs=0.006)
    places = [(float(c["cx"] or "nan"), -float(c["cy"] or "nan")) for c in page.all("circle")]
    assert sorted(places) == [(0.0, 0.0), (2.0, 3.0), (4.0, 3.0), (6.0, 3.0), (9.0, 5.0)]


def test_the_page_needs_no_network(sets: tuple[Path, Database]) -> None:
    text = evaluated(sets)[1]
    assert all((image["src"] or "").startswith("data:image/jpeg;base64,") for image in Page(text).all("img"))
    without_pictures = re.sub(r"base64,[\w+/=]*", "", text)
    assert not re.search(r"//|url\(|@import|<script|<link|<iframe", without_pictures)


def test_a_picture_that_cannot_be_read_is_left_out(sets: tuple[Path, Database]) -> None:
    (sets[0] / LOST / "image.jpg").write_bytes(picture()[:40])
    page = Page(evaluated(sets)[1])
    assert len(page.all("img")) == 2 + 2
    assert page.row(LOST)[2:] == [f"not_located: {ATTACK}"]


def test_a_report_replaces_the_last_one_whole_or_not_at_all(sets: tuple[Path, Database]) -> None:
    _, before, out = evaluated(sets)
    # Another name of the same file: what is written in place shows there, what is renamed over it does not.
    (out / "old.html").hardlink_to(out / "report.html")
    _, after, _ = evaluated(sets, "another")
    assert (out / "old.html").read_text("utf-8") == before != after
    names = {"old.html", "queries.json", "report.html", "results.jsonl", "retrieval.json", "summary.json"}
    assert {file.name for file in out.iterdir()} == names


def test_an_output_that_is_a_file_is_one_line(sets: tuple[Path, Database]) -> None:
    (sets[0].parent / "out").write_text("mine")
    with pytest.raises(StorageError, match=r"out: File exists; .*choose another"):
        evaluated(sets)
