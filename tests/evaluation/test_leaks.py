"""Queries that are copies of references, of the same drive, or of the same place and minute."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from geonav.cli.app import main
from geonav.data.database import Database
from geonav.data.metadata import ImageMetadata
from geonav.data.results import LocalizationResult
from geonav.errors import InputError
from geonav.evaluation.experiment import rescore
from geonav.evaluation.leaks import Known, LeakLimits, find_leaks, known_references, leak_summary, without_leaks
from geonav.evaluation.record import QueryRecord, RetrievedReference, RunInfo, Truth
from geonav.evaluation.run_folder import Run, read_run, write_run
from geonav.geometry.geodesy import GeoPoint

LAT, LNG = 48.94, 8.409
METRE_NORTH = 1 / 111_320


def query(name: str = "q", **fields: object) -> QueryRecord:
    truth = Truth(lat=LAT, lng=LNG, center_m=(0.0, 0.0, None))
    return QueryRecord.model_validate({"name": name, "photo": f"{name}.jpg", "truth": truth, **fields})


def test_the_same_file_under_another_name() -> None:
    (leak,) = find_leaks([query(sha256="ab"), query("other")], [Known("r1", sha256="ab"), Known("r2")])
    assert (leak.query, leak.kind, leak.references) == ("q", "same_file", ("r1",))


def test_the_same_drive_and_how_many_there_are() -> None:
    drive = [Known(f"r{i}", sequence="drive 7") for i in range(12)]
    (leak,) = find_leaks([query(sequence="drive 7"), query("b", sequence="drive 8"), query("c")], drive)
    assert (leak.query, leak.kind, leak.num_references, leak.detail) == (
        "q",
        "same_sequence",
        12,
        "of sequence drive 7",
    )
    assert leak.references == ("r0", "r1", "r2")


@pytest.mark.parametrize(
    ("query_time", "reference_time", "north_m", "is_leak"),
    [
        ("2026-05-31T12:00:00Z", "2026-05-31T12:05:00Z", 20.0, True),
        ("2026-05-31T12:00:00Z", "2026-05-31T14:05:00+02:00", 20.0, True),
        ("2026-05-31T12:00:00", "2026-05-31T12:05:00", 20.0, True),
        ("2026-05-31T12:00:00Z", "2026-05-31T12:05:00Z", 30.0, False),
        ("2026-05-31T12:00:00Z", "2026-05-31T12:15:00Z", 20.0, False),
        ("2026-05-31T12:00:00Z", "2026-05-31T12:00:00", 20.0, False),  # whose noon is not said
        ("2026-05-31", "2026-05-31", 0.0, False),
        ("2026-05", "2026-05", 0.0, False),
        ("yesterday at noon", "yesterday at noon", 0.0, False),
        (None, "2026-05-31T12:00:00Z", 0.0, False),
    ],
)
def test_the_same_place_and_time(query_time: str | None, reference_time: str, north_m: float, is_leak: bool) -> None:
    reference = Known("r", captured_at=reference_time, lat=LAT + north_m * METRE_NORTH, lng=LNG)
    leaks = find_leaks([query(captured_at=query_time)], [Known("unplaced"), reference])
    assert [leak.kind for leak in leaks] == (["same_place_and_time"] if is_leak else [])
    if is_leak:
        assert leaks[0].detail == "20.0 m and 300 s from r"


def test_metres_east_are_not_degrees_times_metres_north() -> None:
    reference = Known("r", captured_at="2026-05-31T12:00:00Z", lat=LAT, lng=LNG + 30 * METRE_NORTH)  # 19.7 m
    assert find_leaks([query(captured_at="2026-05-31T12:00:00Z")], [reference])[0].detail.startswith("19.7 m")


def test_nearly_the_same_picture() -> None:
    hits = tuple(RetrievedReference(uid=f"r{i}", similarity=value) for i, value in enumerate([0.993, 0.97, 0.5]))
    (leak,) = find_leaks([query(retrieved=hits)], [])
    assert (leak.kind, leak.references, leak.detail) == (
        "near_duplicate",
        ("r0",),
        "global descriptors alike to 0.9930",
    )
    assert find_leaks([query(retrieved=hits)], [], LeakLimits(similarity=0.995)) == ()
    counts = (RetrievedReference(uid="r", similarity=120.0),)  # inliers, where hits were ranked by them
    assert find_leaks([query(retrieved=counts)], []) == ()


def test_the_summary_counts_queries_once() -> None:
    leaks = find_leaks([query(sha256="ab", sequence="s"), query("b")], [Known("r", sha256="ab", sequence="s")])
    summary = leak_summary(leaks, 2)
    assert (summary["num_queries"], summary["num_leaking"]) == (2, 1)
    assert summary["by_kind"] == {
        "same_file": 1, "near_duplicate": 0, "same_sequence": 1, "same_place_and_time": 0,
    }  # fmt: skip


def test_leaking_queries_can_be_left_out(tmp_path: Path) -> None:
    info = RunInfo(name="n", started_at="", query_set="q", reference_set="r", origin=(LAT, LNG, 0.0), num_references=1)
    records = (query("a"), query("b", sha256="ab"), query("c"))
    results = tuple(LocalizationResult(query=record.photo, status="not_located") for record in records)
    left = without_leaks(Run(tmp_path, info, records, results), find_leaks(records, [Known("r", sha256="ab")]))
    assert [record.name for record in left.records] == ["a", "c"]
    assert [result.query for result in left.results] == ["a.jpg", "c.jpg"]


def test_a_database_says_what_it_was_made_of_or_its_pictures_do(tmp_path: Path) -> None:
    database = Database.create(tmp_path / "db", GeoPoint(LAT, LNG, 130.0))
    database.add_entry("told", b"a picture", ImageMetadata(w=4, h=3, K=None, source_sha256="ab" * 32))
    drive = ImageMetadata.model_validate({"w": 4, "h": 3, "K": None, "lat": LAT, "lng": LNG, "sequence": "drive 7"})
    database.add_entry("untold", b"another picture", drive)
    record = query("copy", sha256=hashlib.sha256(b"another picture").hexdigest())
    found = {known.uid: known for known in known_references(database)}
    assert found["told"].sha256 == "ab" * 32
    assert (found["untold"].sequence, found["untold"].sha256, found["untold"].lat) == ("drive 7", "", LAT)
    assert find_leaks([record], list(found.values())) == ()
    record = record.model_copy(update={"retrieved": (RetrievedReference(uid="untold", similarity=0.5),)})
    (leak,) = find_leaks([record], known_references(database, [record]))
    assert (leak.kind, leak.references) == ("same_file", ("untold",))


@pytest.fixture
def leaking_run(tmp_path: Path) -> Path:
    """Of three queries: one whose file is a reference, one that locating found to be one, one that is new."""
    database = Database.create(tmp_path / "db", GeoPoint(LAT, LNG, 130.0))
    database.add_entry("told", b"a picture", ImageMetadata(w=4, h=3, K=None, source_sha256="ab" * 32))
    info = RunInfo(
        name="n", started_at="", query_set="q", reference_set=str(database.path), origin=(LAT, LNG, 0.0),
        num_references=1,
    )  # fmt: skip
    records = (query("a", sha256="ab" * 32), query("b"), query("c"))
    notes = {"a": ["the photo is itself the reference told, which was left out"]}
    notes["b"] = ["the photo is itself the reference untold, which was left out"]
    results = tuple(
        LocalizationResult(query=record.photo, status="not_located", reason="dark", notes=notes.get(record.name, []))
        for record in records
    )
    write_run(Run(tmp_path / "run", info, records, results))
    return tmp_path / "run"


def test_a_scored_run_tells_its_leaks_and_drops_them_where_asked(leaking_run: Path) -> None:
    report = rescore(leaking_run)
    assert [(leak["query"], leak["references"]) for leak in report.summary["leaks"]["leaks"]] == [
        ("b", "untold"),
        ("a", "told"),
    ]
    assert (report.summary["num_queries"], report.summary["leaks"]["dropped"]) == (3, False)
    dropped = rescore(leaking_run, drop_leaks=True)
    assert [photo.name for photo in dropped.photos] == ["c"]
    assert (dropped.summary["num_queries"], dropped.summary["leaks"]["num_leaking"]) == (1, 2)
    assert [score["name"] for score in map(json.loads, _lines(leaking_run / "scores.jsonl"))] == ["c"]
    assert len(_lines(leaking_run / "queries.jsonl")) == 3  # what was recorded stays
    assert len(rescore(leaking_run).photos) == 3


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def test_the_program_drops_leaks(leaking_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(leaking_run), "--drop-leaks"]) == 7  # the query that is left was not located
    assert "\nleaks: 2 of 3 photos (same_file 2), dropped\n" in capsys.readouterr().out


def test_leaks_that_cannot_be_dropped(leaking_run: Path) -> None:
    run = read_run(leaking_run)
    write_run(Run(run.folder, run.info, run.records[:2], run.results[:2]))
    with pytest.raises(InputError, match=r"every query of .* is given away"):
        rescore(leaking_run, drop_leaks=True)
    shutil.rmtree(run.info.reference_set)
    assert rescore(leaking_run).summary["leaks"] == {}
    with pytest.raises(InputError, match="are not there, which --drop-leaks needs"):
        rescore(leaking_run, drop_leaks=True)
