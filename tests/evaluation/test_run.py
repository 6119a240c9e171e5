"""Runs: what they leave behind, that they go on where they stopped, and that nothing else is taken for them.

What is located is given by a stand-in, so that every byte of the rest can be told.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.metadata import ImageMetadata
from geonav.errors import DatabaseError, InputError, UsageError
from geonav.evaluation.experiment import Experiment, evaluate, rescore
from geonav.evaluation.run_folder import read_run
from tests.evaluation.ltvl_score import score
from tests.evaluation.report.made import CAMERA, noise, pose_at
from tests.evaluation.stand_in import PLACES, StandIn, run

DERIVED = {
    "scores.jsonl", "scores.csv", "summary.json", "poses.txt", "truth.txt", "results.geojson", "results.kml",
    "report.html",
}  # fmt: skip


def recorded(folder: Path) -> dict[str, bytes]:
    """Everything but the page and what says when and how it was run."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in {"run.json", "report.html", "summary.json"}
    }


def test_a_run_leaves_everything_behind(references: Database) -> None:
    folder = run(references)
    found = read_run(folder)
    assert [record.name for record in found.records] == [*PLACES, "far.jpg"]
    assert [result.status for result in found.results] == [
        "located", "located", "not_located", "located", "located", "not_located",
    ]  # fmt: skip
    assert found.records[-1].is_distractor
    assert "cannot be decoded" in (found.results[-1].reason or "")
    assert {path.name for path in folder.iterdir()} == DERIVED | {
        "run.json", "queries.jsonl", "results.jsonl", "matches"
    }  # fmt: skip
    assert len(list((folder / "matches").iterdir())) == len(PLACES)
    info = found.info
    assert (info.name, info.num_references, info.weights, info.seed) == ("night", 1, {"local": "ab12"}, 0)
    assert {"geonav", "python", "numpy"} <= info.versions.keys()
    assert info.config["localize"]["top_k"] == GeonavConfig().localize.top_k
    assert info.peak_memory_bytes is not None
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["num_queries"], summary["num_located"], summary["num_distractors"]) == (5, 4, 1)
    assert summary["failures"]["wrong_pose"] == 1
    with (folder / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [*PLACES, "far.jpg"]
    assert float(rows[1]["position_error_m"]) == pytest.approx(0.3, abs=1e-6)
    assert len(json.loads((folder / "results.geojson").read_text())["features"]) >= 4


@pytest.mark.parametrize("after", [0, 1, 3, 5])
def test_a_killed_run_goes_on_and_ends_the_same(references: Database, after: int) -> None:
    whole = recorded(run(references, "whole"))
    StandIn.asked, StandIn.stop_at = [], after
    with pytest.raises(KeyboardInterrupt):
        run(references)
    # Killed while it wrote: a query without its result, and half a line.
    folder = references.path.parent / "out"
    with (folder / "queries.jsonl").open("a") as file:
        file.write((references.path.parent / "whole/queries.jsonl").read_text().splitlines()[after] + "\n")
    with (folder / "results.jsonl").open("a") as file:
        file.write('{"query": "')
    StandIn.asked, StandIn.stop_at = [], None
    assert recorded(run(references)) == whole
    assert StandIn.asked == [*PLACES, "far"][after:]


def test_a_finished_run_is_not_located_again(references: Database) -> None:
    first = recorded(run(references))
    StandIn.asked = []
    assert recorded(run(references)) == first
    assert StandIn.asked == []


def test_the_same_run_twice_gives_the_same_figures(references: Database) -> None:
    one, two = (json.loads((run(references, out) / "summary.json").read_text()) for out in ("one", "two"))
    for summary in (one, two):
        summary.pop("peak_memory_bytes")
    assert one == two


def test_another_experiment_is_not_overwritten(references: Database) -> None:
    before = recorded(run(references))
    changed = GeonavConfig.model_validate({"localize": {"top_k": 3}})
    with pytest.raises(UsageError, match=r"another experiment \(config\.localize\.top_k: 10 there, 3 now\)"):
        run(references, config=changed)
    with pytest.raises(UsageError, match="name: night there, day now"):
        run(references, name="day")
    queries = references.path.parent / "queries"
    Database.open(queries).image_path("q1").write_bytes(noise(77))
    with pytest.raises(UsageError, match="was changed since"):
        run(references)
    assert recorded(references.path.parent / "out") == before


def test_a_table_that_was_corrected_is_another_experiment(references: Database, tmp_path: Path) -> None:
    """Else its photos would be scored against what the table said before."""
    (tmp_path / "q0").mkdir()
    (tmp_path / "q0/a.jpg").write_bytes(noise(60))
    table, out = tmp_path / "table.csv", tmp_path / "corrected"
    table.write_text("path,lat,lng,light\nq0/a.jpg,48.94,8.41,night\n")
    evaluate(table, references, output=out)
    evaluate(table, references, output=out)
    for line in ("48.9401,8.41,night", "48.94,8.41,day"):
        table.write_text(f"path,lat,lng,light\nq0/a.jpg,{line}\n")
        with pytest.raises(UsageError, match=r"what is said of q0/a\.jpg was changed since"):
            evaluate(table, references, output=out)


def test_nothing_is_right_within_no_distance(references: Database) -> None:
    folder = run(references)
    for metres in (-3.0, 0.0, float("nan")):
        with pytest.raises(UsageError, match="above zero"):
            rescore(folder, within_m=metres)


def test_a_folder_of_something_else_is_left_alone(references: Database) -> None:
    (references.path.parent / "out").mkdir()
    (references.path.parent / "out/mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is no run folder and not empty"):
        run(references)
    assert StandIn.asked == []


def test_rescoring_writes_the_same_without_locating_and_without_references(references: Database) -> None:
    folder = run(references)
    first = recorded(folder)
    for name in DERIVED:
        (folder / name).unlink()
    StandIn.asked = []
    references.path.rename(references.path.with_name("moved"))
    report = rescore(folder, thresholds=[(0.2, 3.0)])
    assert recorded(folder) == first
    assert (folder / "report.html").stat().st_size > 10_000
    assert StandIn.asked == []
    assert report.summary["within_0.2m_3deg"] == pytest.approx(2 / 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "holds no run"),
        ('{"version": 0}', "is of version 0 and this geonav reads version 1"),
        ('{"version": 99}', "is of version 99"),
        ("[]", "is of version None"),
        ("{", "cannot be read"),
        ('{"version": 1}', "is no record of a run"),
    ],
)
def test_a_folder_that_is_no_run_of_this_version_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(DatabaseError, match=message) as raised:
        rescore(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_broken_line_is_named(references: Database) -> None:
    folder = run(references)
    lines = (folder / "results.jsonl").read_text().splitlines()
    lines[1] = lines[1][:-5]
    (folder / "results.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(DatabaseError, match=r"results\.jsonl line 2 is broken"):
        rescore(folder)


def test_nothing_is_kept_without_a_folder(references: Database) -> None:
    report = evaluate(references.path.parent / "queries", references)
    assert (report.name, report.folder, len(report.photos)) == ("queries", None, 5)


def test_references_used_as_queries_are_reported_and_dropped(references: Database) -> None:
    queries = Database.open(references.path.parent / "queries")
    queries.add_entry("same", noise(99), ImageMetadata(w=320, h=240, K=CAMERA, E=pose_at(0.0, 0.0).tolist()))
    PLACES["same"] = (0.0, 0.0)
    try:
        report = evaluate(queries.path, references, experiment=Experiment(drop_leaks=False))
        dropped = evaluate(queries.path, references, experiment=Experiment(drop_leaks=True))
    finally:
        del PLACES["same"]
    assert report.summary["leaks"]["num_leaking"] == 1
    assert (report.summary["num_queries"], dropped.summary["num_queries"]) == (6, 5)
    assert "same" not in {photo.name for photo in dropped.photos}


def test_empty_sets_are_refused_before_anything_is_located(references: Database, tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("path,lat,lng\n")
    with pytest.raises(InputError, match="holds no queries"):
        evaluate(tmp_path / "none.csv", references)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="there is no photo in it"):
        evaluate(tmp_path / "queries", references, experiment=Experiment(distractors=[tmp_path / "empty"]))
    assert StandIn.asked == []


def test_truth_without_heading_scores_the_position_alone(references: Database, tmp_path: Path) -> None:
    (tmp_path / "q0").mkdir()
    (tmp_path / "q0/a.jpg").write_bytes(noise(60))
    (tmp_path / "table.csv").write_text("path,lat,lng,light\nq0/a.jpg,48.94,8.41,night\n")
    report = evaluate(tmp_path / "table.csv", references)
    photo = report.photos[0]
    assert photo.horizontal_error_m == pytest.approx(1.1, abs=1e-3)
    assert (photo.position_error_m, photo.rotation_error_deg, photo.azimuth_error_deg) == (None, None, None)
    assert report.summary["num_without_heading"] == 1
    assert report.summary["within_5m_10deg"] == 1.0
    assert report.summary["groups"]["light"]["night"]["num_queries"] == 1


def test_an_independent_scorer_gets_the_same_numbers_from_the_pose_files(references: Database) -> None:
    folder = run(references)
    metres, degrees, shares = score(folder / "poses.txt", folder / "truth.txt")
    summary = json.loads((folder / "summary.json").read_text())
    scored = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
    named = {photo["name"].replace(" ", "%20").replace("#", "%23"): photo for photo in scored}
    assert list(metres) == ["q0", "q1", "q3", "q4%20%235"]
    for name in metres:
        assert metres[name] == pytest.approx(named[name]["position_error_m"], abs=1e-9)
        assert degrees[name] == pytest.approx(named[name]["rotation_error_deg"], abs=1e-6)
    assert np.median(list(metres.values())) == pytest.approx(summary["median_m"], abs=1e-6)
    wanted = [summary[f"within_{name}"] for name in ("0.25m_2deg", "0.5m_5deg", "5m_10deg")]
    assert shares == pytest.approx(wanted)
    assert shares == pytest.approx([0.4, 0.6, 0.6])


def test_photos_without_a_place_are_left_out_and_said_to_be(references: Database) -> None:
    queries = Database.open(references.path.parent / "queries")
    queries.add_entry("lost", noise(70), ImageMetadata(w=320, h=240, K=CAMERA))
    summary = evaluate(queries.path, references).summary
    assert summary["num_queries"] == 5
    assert "1 photos have no position and are left out" in summary["notes"][0]
