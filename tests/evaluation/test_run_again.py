"""What a run keeps of itself for later: from another folder, after a kill, and after its references changed or went."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geonav.cli.app import main
from geonav.data.database import Database
from geonav.errors import UsageError
from geonav.evaluation import provenance
from geonav.evaluation.experiment import evaluate, rescore
from geonav.evaluation.outputs import references_of
from geonav.evaluation.record import QueryScore
from geonav.evaluation.run_folder import read_run
from geonav.evaluation.summary import summarise
from tests.evaluation.report.made import noise
from tests.evaluation.stand_in import StandIn, run


def notes(folder: Path) -> str:
    return " ".join(json.loads((folder / "summary.json").read_text()).get("notes", []))


def test_photos_and_references_are_found_from_any_folder(
    references: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q0").mkdir()
    (tmp_path / "q0/a.jpg").write_bytes(noise(60))
    (tmp_path / "black.png").write_bytes(noise(61))
    (tmp_path / "table.csv").write_text("path,lat,lng,mask\nq0/a.jpg,48.94,8.41,black.png\n")
    relative = Database.open(Path(references.path.name))
    evaluate("table.csv", relative, output=Path("out"))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    found = read_run("../out")
    (record,) = found.records
    assert Path(record.photo).is_file()
    assert record.mask is not None
    assert Path(record.mask).is_file()
    assert references_of(found) is not None
    first = (tmp_path / "out/report.html").read_bytes()
    rescore("../out")
    assert (tmp_path / "out/report.html").read_bytes() == first


@pytest.mark.parametrize("line", ["q0/a.jpg,48.94,8.41,60,", "q0/a.jpg,48.94,8.41,50,black.png"])
def test_another_camera_or_mask_is_another_experiment(references: Database, tmp_path: Path, line: str) -> None:
    (tmp_path / "q0").mkdir()
    (tmp_path / "q0/a.jpg").write_bytes(noise(60))
    (tmp_path / "black.png").write_bytes(noise(61))
    table = tmp_path / "table.csv"
    table.write_text("path,lat,lng,fov,mask\nq0/a.jpg,48.94,8.41,50,\n")
    evaluate(table, references, output=tmp_path / "out")
    table.write_text(f"path,lat,lng,fov,mask\n{line}\n")
    with pytest.raises(UsageError, match=r"the camera or the mask of q0/a\.jpg was changed since"):
        evaluate(table, references, output=tmp_path / "out")


def test_the_memory_of_a_process_that_was_killed_counts(references: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "peak_memory_bytes", lambda: 5_000_000_000)
    StandIn.stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        run(references)
    StandIn.asked, StandIn.stop_at = [], None
    monkeypatch.setattr(provenance, "peak_memory_bytes", lambda: 1_000_000_000)
    assert json.loads((run(references) / "summary.json").read_text())["peak_memory_bytes"] == 5_000_000_000


def test_references_that_changed_are_said_to_have(references: Database) -> None:
    folder = run(references)
    assert "was changed since" not in notes(folder)
    references.set_local_settings("disk", {"model": "disk", "max_keypoints": 77})
    rescore(folder)
    assert "was changed since this run" in notes(folder)


def test_leaks_that_were_found_stay_when_the_references_are_gone(references: Database) -> None:
    folder = run(references)
    before = json.loads((folder / "summary.json").read_text())["leaks"]
    assert before["num_queries"] == 6
    references.path.rename(references.path.with_name("moved"))
    assert rescore(folder).summary["leaks"] == before


def test_a_photo_that_cannot_be_read_failed_for_that(references: Database) -> None:
    summary = json.loads((run(references) / "summary.json").read_text())
    assert summary["failures"]["unreadable"] == 0
    queries = Database.open(references.path.parent / "queries")
    StandIn.unreadable = "q1"
    report = evaluate(queries.path, references)
    assert [score.failure for score in report.photos if score.name == "q1"] == ["unreadable"]
    assert report.summary["failures"]["unreadable"] == 1


def test_a_run_that_has_just_begun_says_so(references: Database, capsys: pytest.CaptureFixture[str]) -> None:
    StandIn.stop_at = 0
    with pytest.raises(KeyboardInterrupt):
        run(references)
    assert main(["evaluate", str(references.path.parent / "out")]) == 7
    assert "the run holds no finished query: go on with it" in capsys.readouterr().err


def test_columns_of_too_many_values_are_named() -> None:
    scores = [QueryScore(name=str(i), status="located", groups={"id": str(i), "light": "day"}) for i in range(60)]
    summary = summarise(scores)
    assert list(summary["groups"]) == ["light"]
    assert summary["num_values_of_ungrouped"] == {"id": 60}


def test_distractors_do_not_count_in_the_seconds(references: Database) -> None:
    folder = run(references)
    read = read_run(folder)
    seconds = [100.0 if record.is_distractor else 1.0 for record in read.records]
    results = [
        result.model_copy(update={"seconds": {"pose": taken}})
        for result, taken in zip(read.results, seconds, strict=True)
    ]
    scores = [QueryScore(name=each.name, status="located", is_distractor=each.is_distractor) for each in read.records]
    assert summarise(scores, results=results)["seconds"]["total"] == {"median": 1.0, "p95": 1.0}
