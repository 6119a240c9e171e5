"""The manifest: rows that depend on what was answered, not on when or in which order."""

from __future__ import annotations

import itertools
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from geonav.data.manifest import Manifest, manifest_path
from geonav.data.manifest_rows import Ground, Status, panorama_from_json, panorama_to_json
from geonav.data.survey import Panorama, SearchQuery, ViewSpec
from geonav.errors import DatabaseError, StorageError
from geonav.geometry.camera import Camera

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEFT = Panorama("map", "a", 48.0, 8.0, "cut_by_provider", captured_at="2024-05")
RIGHT = Panorama("map", "b", 48.1, 8.1, "equirectangular", alt_m=3.0, alt_datum="egm96")
QUERIES = [SearchQuery("q1", 48.0, 8.0, 50.0), SearchQuery("q2", 48.1, 8.1, box=(48.0, 8.0, 48.2, 8.2))]


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    with Manifest.open(tmp_path, now=lambda: NOON) as opened:
        with opened.transaction():
            opened.searches.plan("map", QUERIES)
        yield opened


def dump(manifest: Manifest) -> list[str]:
    return list(sqlite3.connect(manifest.path).iterdump())


def test_panoramas_survive_storing() -> None:
    camera = Camera("SIMPLE_RADIAL", 640, 480, (500.0, 320.0, 240.0, -0.1))
    whole = Panorama(
        "map", "c", -1.5, 179.9, "camera", 5.0, "egm96", 12.5, 1.0, -2.0, camera, "2023-01-02", "CC-BY-SA-4.0",
        "somebody", 2.0, 1.0, "drive", {"quality": [1, None, "x"]},
    )  # fmt: skip
    for panorama in (whole, LEFT, RIGHT):
        assert panorama_from_json(panorama_to_json(panorama)) == panorama


def test_queries_are_planned_once(manifest: Manifest) -> None:
    with manifest.transaction():
        manifest.searches.found("map", "q1", [LEFT])
        manifest.searches.plan("map", [*QUERIES, SearchQuery("q3", 0.0, 0.0, 1.0)])
    assert manifest.searches.states("map") == {"q1": "done", "q2": "pending", "q3": "pending"}
    assert [row.query for row in manifest.searches.rows()][:2] == QUERIES
    assert manifest.searches.counts() == {"map": {"done": 1, "pending": 2}}


def test_a_panorama_found_twice_does_not_depend_on_the_order(tmp_path: Path) -> None:
    other = Panorama("map", "a", 48.0001, 8.0, "cut_by_provider", captured_at="2020-01")
    dumps = []
    for folder, order in enumerate(itertools.permutations([("q1", [LEFT, RIGHT]), ("q2", [other]), ("q3", [LEFT])])):
        with Manifest.open(tmp_path / str(folder), now=lambda: NOON) as manifest:
            with manifest.transaction():
                manifest.searches.plan("map", [*QUERIES, SearchQuery("q3", 0.0, 0.0, 1.0)])
            for key, panoramas in order:
                with manifest.transaction():
                    manifest.searches.found("map", key, panoramas)
            dumps.append(dump(manifest))
    assert all(found == dumps[0] for found in dumps)


def test_nothing_and_failure_are_told_apart(manifest: Manifest) -> None:
    with manifest.transaction():
        manifest.searches.found("map", "q1", [])
        manifest.searches.end("map", "q2", Status.FAILED, "the service is down")
    assert manifest.searches.states("map") == {"q1": Status.NOTHING, "q2": Status.FAILED}
    assert manifest.searches.failures() == [("q2", "the service is down")]


def test_what_a_refresh_does_not_find_again_is_gone(manifest: Manifest) -> None:
    with manifest.transaction():
        manifest.searches.found("map", "q1", [LEFT, RIGHT])
        manifest.searches.found("map", "q2", [])
        manifest.searches.restart("map", ["q1"])
    moved = Panorama("map", "a", 48.5, 8.0, "cut_by_provider", captured_at="2025-01")
    with manifest.transaction():
        manifest.searches.found("map", "q1", [moved])
        assert manifest.searches.finish_refresh("map") == 1
    first, second = manifest.panoramas()
    assert (first.panorama, first.is_gone) == (moved, False)
    assert (second.panorama, second.is_gone) == (RIGHT, True)
    assert manifest.searches.num_panoramas() == {"map": {"found": 1, "gone": 1}}
    assert manifest.searches.dates() == {"map": ("2025-01", "2025-01")}


def test_a_panorama_that_moved_needs_a_new_height(manifest: Manifest) -> None:
    with manifest.transaction():
        manifest.searches.found("map", "q1", [LEFT])
        manifest.heights.end(("map", "a"), Ground(120.0, "egm96", "google"), Status.DONE)
        manifest.searches.restart("map", ["q1"])
        manifest.searches.found("map", "q1", [LEFT])
    assert next(manifest.panoramas()).ground == Ground(120.0, "egm96", "google")
    with manifest.transaction():
        manifest.searches.restart("map", ["q1"])
        manifest.searches.found("map", "q1", [Panorama("map", "a", 48.5, 8.0, "cut_by_provider")])
    found = next(manifest.panoramas())
    assert (found.ground, found.height_status) == (None, Status.PENDING)


def test_heights_are_asked_for_in_batches_that_stay(manifest: Manifest) -> None:
    with manifest.transaction():
        manifest.searches.found("map", "q1", [LEFT, RIGHT, Panorama("map", "c", 49.0, 9.0, "cut_by_provider")])
    assert [row[1] for row in manifest.heights.unplanned()] == ["a", "c"], "b knows its own height"
    with manifest.transaction():
        manifest.heights.plan([[("map", "c")], [("map", "a")]])
        manifest.heights.end(("map", "c"), None, Status.FAILED, "down")
    assert manifest.heights.unplanned() == []
    assert manifest.heights.batches() == [[("map", "a", 48.0, 8.0)]]
    assert manifest.heights.failures() == [("c", "down")]
    assert manifest.heights.counts() == {"map": {"own": 1, "pending": 1, "failed": 1}}
    with manifest.transaction():
        manifest.heights.restart([Status.FAILED])
    assert [row[1] for row in manifest.heights.unplanned()] == ["c"]


def test_views_and_spend(manifest: Manifest) -> None:
    specs = [ViewSpec(index, 90.0 * index, 0.0, 90.0, 640, 640) for index in range(2)]
    with manifest.transaction():
        manifest.searches.found("map", "q1", [LEFT])
        manifest.views.plan(("map", "a"), [(spec, f"map_a_{spec.index:02d}") for spec in specs])
        manifest.views.end("map_a_00", Status.DONE, stamp="s")
        manifest.views.end("map_a_01", Status.FAILED, "grey")
        manifest.spend.add("street_view")
        manifest.spend.add("street_view", 2)
    (found,) = manifest.panoramas("map")
    assert [view.spec for view in found.views] == specs
    assert [(view.status, view.attempts, view.stamp) for view in found.views] == [("done", 1, "s"), ("failed", 1, None)]
    assert manifest.views.counts() == {"map": {"done": 1, "failed": 1}}
    assert manifest.views.failures(Status.FAILED) == [("map_a_01", "grey")]
    assert manifest.spend.this_month("street_view") == 3
    assert manifest.spend.rows() == [("2026-03", "street_view", 3)]
    assert list(manifest.panoramas("another")) == []


def test_many_panoramas_come_page_by_page(manifest: Manifest) -> None:
    many = [Panorama("map", f"{number:05d}", 48.0, 8.0, "cut_by_provider") for number in range(1201)]
    with manifest.transaction():
        manifest.searches.found("map", "q1", many)
    assert [stored.panorama for stored in manifest.panoramas()] == many


def test_a_transaction_is_stored_whole_or_not_at_all(manifest: Manifest) -> None:
    def interrupted() -> None:
        with manifest.transaction():
            manifest.searches.found("map", "q1", [LEFT])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(manifest.panoramas()) == []
    assert manifest.searches.states("map")["q1"] is Status.PENDING


def test_reading_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="nothing was fetched"):
        Manifest.open(tmp_path / "db", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_cannot_write(manifest: Manifest, tmp_path: Path) -> None:
    with Manifest.open(tmp_path, read_only=True) as reader:
        assert reader.searches.counts() == {"map": {"pending": 2}}
        with pytest.raises(StorageError, match=r"readonly.*run the command again"), reader.transaction():
            reader.spend.add("street_view")


def test_a_full_disk_is_one_line_and_keeps_what_was_stored(manifest: Manifest) -> None:
    manifest._connection.execute("PRAGMA max_page_count = 1")  # what a full disk looks like to sqlite
    many = [Panorama("map", f"{number:05d}", 48.0, 8.0, "cut_by_provider") for number in range(2000)]
    with pytest.raises(StorageError, match="full; free some space"), manifest.transaction():
        manifest.searches.found("map", "q1", many)
    assert list(manifest.panoramas()) == []
    assert manifest.searches.states("map")["q1"] is Status.PENDING


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    path = manifest_path(tmp_path)
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(DatabaseError, match="is broken"):
        Manifest.open(tmp_path)
    with pytest.raises(DatabaseError, match="is broken"):
        Manifest.open(tmp_path, read_only=True)


def test_a_newer_file_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    sqlite3.connect(manifest.path).execute("PRAGMA user_version = 99")
    with pytest.raises(DatabaseError, match="tables of version 99"):
        Manifest.open(tmp_path)
