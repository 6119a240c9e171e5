"""Fetching from documented interfaces: what is stored, what is asked, and what happens when something fails."""

from __future__ import annotations

import itertools
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.manifest import Manifest, manifest_path
from geonav.data.progress import ProgressEvent
from geonav.data.survey import Panorama
from geonav.errors import (
    AuthError,
    DatabaseError,
    ImageError,
    MissingError,
    NetworkError,
    QuotaError,
    StorageError,
    UsageError,
)
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint, LocalFrame
from geonav.geometry.orientation import angles_from_rotation
from geonav.pipeline.fetching import FetchOptions, FetchReport, fetch_elevation, fetch_metadata, fetch_panoramas
from geonav.pipeline.fetching.planning import plan_fetch
from geonav.providers.registry import HEIGHT_SOURCES, PROVIDERS
from tests.pipeline import fake_sources
from tests.pipeline.fake_sources import FakeHeights, FakeProvider, World, sampling, street

RETRY, REFRESH = FetchOptions(retry_failed=True), FetchOptions(refresh=True)
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(PROVIDERS._targets, "fake", "tests.pipeline.fake_sources:FakeProvider")
    monkeypatch.setitem(HEIGHT_SOURCES._targets, "google", "tests.pipeline.fake_sources:FakeHeights")
    monkeypatch.setattr("geonav.data.manifest.clock", lambda: fake_sources.NOON)
    made = street(6)
    monkeypatch.setattr(FakeProvider, "world", made)
    return made


def config_of(**fetch: object) -> GeonavConfig:
    usual = {"provider": "fake", "n_directions": 4, "size_px": 64, "workers": 4}
    return GeonavConfig.model_validate({"fetch": usual | fetch})


def fetch_all(path: Path, config: GeonavConfig | None = None) -> tuple[FetchReport, FetchReport, FetchReport]:
    config = config or config_of()
    metadata = fetch_metadata(path, sampling(), config)
    database = Database.open(path)
    return metadata, fetch_elevation(database, config), fetch_panoramas(database, config)


def rows_of(path: Path) -> list[str]:
    with sqlite3.connect(manifest_path(path)) as connection:
        rows = list(connection.iterdump())
    connection.close()
    return rows


def files_of(path: Path) -> dict[str, bytes]:
    files = (file for file in path.rglob("*") if file.is_file() and file.parent.name != ".geonav")
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def test_from_nothing_to_posed_entries(tmp_path: Path, world: World) -> None:
    metadata, elevation, panoramas = fetch_all(tmp_path / "db")
    assert (metadata.done, metadata.counts, metadata.failed) == (6, {"done": 6}, [])
    assert metadata.notes == ["6 panoramas"]
    assert (elevation.counts, elevation.paid_calls) == ({"done": 6}, 2)
    assert (panoramas.done, panoramas.counts, panoramas.paid_calls) == (24, {"done": 24}, 24)
    assert [world.count(kind) for kind in ("search", "heights", "picture")] == [6, 2, 24]
    database = Database.open(tmp_path / "db")
    assert database.uids() == sorted(f"fake_p{i:03d}_{j:02d}" for i in range(6) for j in range(4))
    assert (database.origin, database.alt_datum) == (GeoPoint(48.5, 8.25, 0.0), "egm96")


def test_an_entry_says_all_that_is_known(tmp_path: Path) -> None:
    fetch_all(tmp_path / "db", config_of(pitch_deg=10.0, fov_deg=80.0))
    database = Database.open(tmp_path / "db")
    stored = database.metadata("fake_p002_01").to_json()
    assert list(stored)[:9] == ["w", "h", "lat", "lng", "alt", "azn", "fov", "K", "E"]
    expected = {
        "w": 64, "h": 64, "lat": 48.50018, "lng": 8.25, "azn": 90.0, "pitch": 10.0, "roll": 0.0, "provider": "fake",
        "captured_at": "2024-03", "licence": "CC0-1.0", "attribution": "nobody", "alt_datum": "egm96",
        "position_std_m": 2.0, "heading_std_deg": 1.0, "pano_id": "p002",
    }  # fmt: skip
    assert {key: stored[key] for key in expected} == expected
    assert stored["alt"] == pytest.approx(148.50018 + 2.5)
    assert stored["fov"] == pytest.approx(80.0)
    np.testing.assert_allclose(stored["K"], Camera.from_fov(64, 64, 80.0).K)
    pose = np.array(stored["E"])
    center = -pose[:3, :3].T @ pose[:3, 3]
    np.testing.assert_allclose(database.frame.enu_from_geo(48.50018, 8.25, stored["alt"]), center, atol=1e-6)
    assert angles_from_rotation(pose[:3, :3]) == pytest.approx((90.0, 10.0, 0.0), abs=0.01)


@pytest.mark.parametrize("fov_deg", [90.0, 80.0, 63.7])
def test_the_field_of_view_is_the_one_asked_for(tmp_path: Path, fov_deg: float) -> None:
    fetch_all(tmp_path / "db", config_of(fov_deg=fov_deg, n_directions=1))
    assert Database.open(tmp_path / "db").metadata("fake_p000_00").fov == fov_deg


def test_angles_hold_against_true_north_at_the_camera(tmp_path: Path, world: World) -> None:
    far = Panorama("fake", "far", 48.9, 8.95, "cut_by_provider", alt_m=200.0, alt_datum="egm96")
    world.panoramas = {"q": [far]}
    fetch_all(tmp_path / "db")
    database = Database.open(tmp_path / "db")
    pose = np.array(database.metadata("fake_far_01").E)
    here = LocalFrame(GeoPoint(48.9, 8.95, 200.0)).rigid_from(database.frame)[:3, :3]
    assert angles_from_rotation(pose[:3, :3] @ here.T) == pytest.approx((90.0, 0.0, 0.0), abs=1e-9)
    assert angles_from_rotation(pose[:3, :3])[0] != pytest.approx(90.0, abs=0.1), "the origin's north is another one"


def test_running_again_asks_for_nothing(tmp_path: Path, world: World) -> None:
    fetch_all(tmp_path / "db")
    before = rows_of(tmp_path / "db")
    world.calls.clear()
    reports = fetch_all(tmp_path / "db")
    assert world.calls == []
    assert [report.done for report in reports] == [0, 0, 0]
    assert rows_of(tmp_path / "db") == before


def test_progress_is_told(tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    fetch_metadata(tmp_path / "db", sampling(), config_of(), events.append)
    assert [(event.stage, event.done, event.total) for event in events] == [("metadata", i, 6) for i in range(1, 7)]


def test_rows_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    for workers in (1, 8):
        fetch_all(tmp_path / str(workers), config_of(workers=workers))
    assert rows_of(tmp_path / "1") == rows_of(tmp_path / "8")
    assert files_of(tmp_path / "1") == files_of(tmp_path / "8")


def test_a_failed_call_is_listed_and_retried_on_request(tmp_path: Path, world: World) -> None:
    world.faults = {"q003": lambda: NetworkError("down"), "p001/2": lambda: ImageError("grey"),
                    "p004/0": lambda: MissingError("gone")}  # fmt: skip
    metadata, _, panoramas = fetch_all(tmp_path / "db")
    assert (metadata.failed, metadata.counts) == ([("q003", "down")], {"done": 5, "failed": 1})
    assert panoramas.failed == [("fake_p001_02", "grey")]
    assert panoramas.missing == [("fake_p004_00", "gone")]
    world.faults = {}
    world.calls.clear()
    fetch_all(tmp_path / "db")
    assert world.calls == [], "what failed is asked for on request alone"
    database = Database.open(tmp_path / "db")
    assert fetch_metadata(tmp_path / "db", sampling(), config_of(), options=RETRY).failed == []
    assert fetch_panoramas(database, config_of(), options=RETRY).failed == []
    assert sorted(world.calls) == ["picture p001/2", "search q003"], "what is gone is not asked for again"


@pytest.mark.parametrize("error", [AuthError, QuotaError, UsageError])
def test_what_dooms_all_calls_stops_at_once(error: type[Exception], tmp_path: Path, world: World) -> None:
    world.panoramas = street(25).panoramas
    fetch_metadata(tmp_path / "db", sampling(), config_of())
    database = Database.open(tmp_path / "db")
    fetch_elevation(database, config_of())
    world.faults = {"p010/1": lambda: error("stop here")}
    with pytest.raises(error, match="stop here"):
        fetch_panoramas(database, config_of())
    assert 30 < world.count("picture") < 80
    world.faults = {}
    fetch_panoramas(database, config_of())
    counts = {call: world.calls.count(call) for call in world.calls if call.startswith("picture")}
    assert len(counts) == 100
    assert {call for call, count in counts.items() if count > 1} == {"picture p010/1"}, "nothing else is paid twice"
    with Manifest.open(database, read_only=True) as manifest:
        assert manifest.views.counts() == {"fake": {"done": 100}}
        assert manifest.spend.this_month("street_view") == 100


def test_metadata_that_was_stopped_is_told_of(tmp_path: Path, world: World) -> None:
    world.faults = {"q005": lambda: QuotaError("used up")}
    with pytest.raises(QuotaError):
        fetch_metadata(tmp_path / "db", sampling(), config_of(workers=1))
    report = fetch_panoramas(Database.open(tmp_path / "db"), config_of())
    assert report.notes[0] == "1 queries were never asked: run the same 'geonav fetch metadata' again"


def test_no_network_is_one_error_and_nothing_counts_as_failed(tmp_path: Path, world: World) -> None:
    world.faults = {"search": lambda: NetworkError("cannot reach the service")}
    with pytest.raises(
        NetworkError,
        match=r"every call failed, the last one: cannot reach the service; run the command again to go on$",
    ):
        fetch_metadata(tmp_path / "db", sampling(), config_of())
    world.faults = {"search": lambda: NetworkError("down; run the command again to go on")}
    with pytest.raises(NetworkError, match=r"every call failed, the last one: down; run the command again to go on$"):
        fetch_metadata(tmp_path / "db", sampling(), config_of())
    world.faults = {"search": lambda: NetworkError("cannot reach the service")}
    world.panoramas = street(100).panoramas
    with pytest.raises(NetworkError, match="16 calls in a row failed, the last one: cannot reach"):
        fetch_metadata(tmp_path / "db", sampling(), config_of())
    assert world.count("search") < 6 + 6 + 16 + 4 * 3
    world.faults = {}
    assert fetch_metadata(tmp_path / "db", sampling(), config_of()).counts == {"done": 100}


def test_refreshing_metadata_replaces_what_was_found(tmp_path: Path, world: World) -> None:
    fetch_all(tmp_path / "db")
    moved = Panorama("fake", "p000", 48.6, 8.25, "cut_by_provider", captured_at="2025-01")
    world.panoramas = {"q000": [moved], "q001": [], **{key: world.panoramas[key] for key in ("q002", "q003", "q004")},
                       "q005": []}  # fmt: skip
    report = fetch_metadata(tmp_path / "db", sampling(), config_of(), options=REFRESH)
    assert report.notes == ["5 panoramas", "1 panoramas are no longer found; their entries stay"]
    assert report.counts == {"done": 4, "nothing": 2}
    world.calls.clear()
    fetch_all(tmp_path / "db")
    assert [world.count(kind) for kind in ("search", "heights", "picture")] == [0, 1, 0]
    stored = Database.open(tmp_path / "db").metadata("fake_p000_00")
    assert (stored.lat, stored.captured_at, stored.alt) == (48.6, "2025-01", pytest.approx(148.6 + 2.5))


def test_refreshing_pictures_replaces_entries(tmp_path: Path, world: World) -> None:
    fetch_all(tmp_path / "db")
    database = Database.open(tmp_path / "db")
    (database.entry_path("fake_p000_00") / "disk_keypoints.npy").write_bytes(b"of the old picture")
    wider = config_of(fov_deg=100.0, n_directions=3)
    with pytest.raises(UsageError, match=r"holds 4 views of 90 degrees.*--refresh"):
        fetch_panoramas(database, wider)
    world.faults = {"p003/1": lambda: QuotaError("used up")}
    with pytest.raises(QuotaError):
        fetch_panoramas(database, wider, options=REFRESH)
    world.faults = {}
    fetch_panoramas(database, wider, options=REFRESH)
    calls = [call for call in world.calls if call.startswith("picture")]
    assert len(calls) == 24 + 18 + 1, "a refresh that was stopped goes on"
    assert Database.open(tmp_path / "db").uids() == [f"fake_p{i:03d}_{j:02d}" for i in range(6) for j in range(3)]
    assert {round(database.metadata(uid).fov or 0) for uid in database.uids()} == {100}
    assert not (database.entry_path("fake_p000_00") / "disk_keypoints.npy").exists()


def test_entries_learn_heights_that_come_later(tmp_path: Path, world: World) -> None:
    config = config_of()
    fetch_metadata(tmp_path / "db", sampling(), config)
    database = Database.open(tmp_path / "db")
    report = fetch_panoramas(database, config)
    assert report.notes == ["6 panoramas have no height, so their views have no E: run 'geonav fetch elevation'"]
    assert database.metadata("fake_p000_00").E is None
    fetch_elevation(database, config)
    world.calls.clear()
    assert fetch_panoramas(database, config).notes == []
    assert world.calls == []
    assert database.metadata("fake_p000_00").E is not None
    trusted = fetch_panoramas(database, config_of(position_std_m=0.5, heading_std_deg=0.25))
    assert (trusted.paid_calls, world.calls) == (0, [])
    stored = database.metadata("fake_p000_00")
    assert (stored.position_std_m, stored.heading_std_deg) == (0.5, 0.25)


def test_where_the_source_has_no_height(tmp_path: Path, world: World) -> None:
    world.panoramas = {"q": [Panorama("fake", "a", 48.5, 9.5, "cut_by_provider")]}
    _, elevation, panoramas = fetch_all(tmp_path / "db")
    assert elevation.counts == {"nothing": 1}
    assert "1 panoramas lie where the source has no height" in elevation.notes[0]
    assert "1 panoramas have no height" in panoramas.notes[0]
    stored = Database.open(tmp_path / "db").metadata("fake_a_00")
    assert (stored.alt, stored.E, stored.alt_datum) == (None, None, None)


def test_heights_of_another_datum_are_never_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch_metadata(tmp_path / "db", sampling(), config_of())
    monkeypatch.setattr(FakeHeights, "datum", "local")
    database = Database.open(tmp_path / "db")
    with pytest.raises(UsageError, match=r"heights in local cannot be taken to the database's egm96"):
        fetch_elevation(database, config_of())
    assert FakeProvider.world.count("heights") == 0


def test_panoramas_that_know_their_height_in_another_datum(tmp_path: Path, world: World) -> None:
    world.panoramas = {"q": [Panorama("fake", "a", 48.5, 8.2, "cut_by_provider", alt_m=5.0, alt_datum="local")]}
    fetch_metadata(tmp_path / "db", sampling(), config_of())
    with pytest.raises(UsageError, match=r"heights in local cannot be taken to the database's egm96"):
        fetch_panoramas(Database.open(tmp_path / "db"), config_of())
    assert world.count("picture") == 0


def test_a_sphere_is_downloaded_once_and_cut(tmp_path: Path, world: World) -> None:
    known = {"projection": "equirectangular", "alt_m": 5.0, "alt_datum": "egm96", "heading_deg": 30.0}
    world.panoramas = street(2, **known).panoramas
    _, _, report = fetch_all(tmp_path / "db", config_of(n_directions=6))
    assert [call for call in world.calls if call.startswith("picture")] == ["picture p000", "picture p001"]
    assert report.counts == {"done": 12}
    database = Database.open(tmp_path / "db")
    assert [database.metadata(f"fake_p000_{j:02d}").azn for j in range(6)] == [0, 60, 120, 180, 240, 300]


def test_a_photo_keeps_its_camera(tmp_path: Path, world: World) -> None:
    camera = Camera("SIMPLE_RADIAL", 96, 72, (80.0, 48.0, 36.0, -0.1))
    known = {"projection": "camera", "camera": camera, "heading_deg": 210.0, "pitch_deg": -3.0, "roll_deg": 2.0}
    world.panoramas = street(1, **known, alt_m=5.0, alt_datum="egm96", sequence="drive").panoramas
    fetch_all(tmp_path / "db")
    database = Database.open(tmp_path / "db")
    assert database.uids() == ["fake_p000_00"]
    stored = database.metadata("fake_p000_00")
    assert stored.camera == camera
    assert (stored.azn, stored.pitch, stored.roll) == (210.0, -3.0, 2.0)
    assert (stored.model_extra or {})["sequence"] == "drive"
    assert database.image_path("fake_p000_00").read_bytes() == fake_sources.jpeg("p000", (96, 72))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>", "not a picture"),
        (fake_sources.jpeg("x", (32, 32)), "32x32 pixels, not the 64x64 asked for"),
        (fake_sources.jpeg("x", (64, 64))[:2000], "cannot be decoded"),
    ],
)
def test_a_picture_is_checked(content: bytes, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeProvider, "picture", lambda *_: content)
    _, _, report = fetch_all(tmp_path / "db")
    assert report.counts == {"failed": 24}
    assert reason in report.failed[0][1]
    assert Database.open(tmp_path / "db").uids() == []


def test_the_grey_picture_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    from PIL import Image, ImageDraw

    grey = Image.new("RGB", (64, 64), (228, 227, 223))
    ImageDraw.Draw(grey).line((20, 30, 44, 30), (120, 120, 120))
    buffer = io.BytesIO()
    grey.save(buffer, "JPEG")
    monkeypatch.setattr(FakeProvider, "picture", lambda *_: buffer.getvalue())
    _, _, report = fetch_all(tmp_path / "db")
    assert report.counts == {"failed": 24}
    assert "grey" in report.failed[0][1]


def test_ids_that_cannot_name_folders(tmp_path: Path, world: World) -> None:
    odd = [Panorama("fake", name, 48.5, 8.25, "cut_by_provider") for name in ("a/b", "a:b", "..", "x" * 300, "ü")]
    world.panoramas = {"q": odd}
    fetch_all(tmp_path / "db", config_of(n_directions=1))
    database = Database.open(tmp_path / "db")
    assert len(database) == 5
    assert {(database.metadata(uid).model_extra or {})["pano_id"] for uid in database.uids()} == {
        panorama.pano_id for panorama in odd
    }
    assert all(uid.isascii() and "/" not in uid and len(uid) < 150 for uid in database.uids())


def test_what_is_missing_is_priced_before_it_is_fetched(tmp_path: Path, world: World) -> None:
    fetch_metadata(tmp_path / "db", sampling(), config_of())
    database = Database.open(tmp_path / "db")
    with Manifest.open(database) as manifest, manifest.transaction():
        manifest.spend.add("street_view", 9_990)
    before = rows_of(tmp_path / "db")
    plan = plan_fetch(database, config_of(), heights=FetchOptions(), pictures=FetchOptions())
    assert (plan.panoramas, plan.height_calls, plan.views, plan.picture_calls) == (6, 2, 24, 24)
    assert [(found.sku, found.calls, found.used) for found in plan.estimates] == [
        ("elevation", 2, 0), ("street_view", 24, 9_990),
    ]  # fmt: skip
    assert plan.estimates[1].cost_usd == pytest.approx(14 * 7 / 1000)
    assert rows_of(tmp_path / "db") == before
    assert world.count("picture") == world.count("heights") == 0
    with pytest.raises(UsageError, match=r"would cost USD 0\.10, more than the USD 0\.05 allowed"):
        fetch_panoramas(database, config_of(max_cost_usd=0.05))
    assert world.count("picture") == 0
    report = fetch_panoramas(database, config_of(max_cost_usd=0.10))
    assert report.cost_usd == pytest.approx(0.098)
    plan = plan_fetch(database, config_of(), heights=None, pictures=FetchOptions())
    assert (plan.views, plan.estimates) == (0, ())


def test_an_entry_of_that_name_is_never_overwritten(tmp_path: Path) -> None:
    fetch_metadata(tmp_path / "db", sampling(), config_of())
    database = Database.open(tmp_path / "db")
    from geonav.data.metadata import ImageMetadata

    database.add_entry("fake_p000_00", b"mine", ImageMetadata(w=1, h=1, K=None))
    report = fetch_panoramas(database, config_of())
    assert report.failed == [("fake_p000_00", "the database has another entry of that name")]
    assert database.image_path("fake_p000_00").read_bytes() == b"mine"


def test_a_disk_that_fills_up_keeps_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    fetch_metadata(tmp_path / "db", sampling(), config_of())
    database = Database.open(tmp_path / "db")
    fetch_elevation(database, config_of())
    add_entry, count = Database.add_entry, itertools.count()

    def full(self: Database, *arguments: object) -> None:
        if next(count) >= 10:
            msg = "cannot write: No space left on device"
            raise StorageError(msg)
        add_entry(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Database, "add_entry", full)
    with pytest.raises(StorageError, match="No space left"):
        fetch_panoramas(database, config_of())
    monkeypatch.undo()
    assert len(Database.open(tmp_path / "db")) == 10
    with Manifest.open(database, read_only=True) as manifest:
        assert manifest.views.counts()["fake"]["done"] == 10


def run_killed(path: Path, kill_after_s: float) -> int:
    command = [sys.executable, "-m", "tests.pipeline.fetch_run", str(path), str(kill_after_s)]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=60).returncode


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an uninterrupted run makes."""
    path = tmp_path_factory.mktemp("whole") / "db"
    assert run_killed(path, 0) == 0
    return path


def check_kills(tmp_path: Path, whole: Path, count: int) -> None:
    # Moments are spread over the run; the seed is fixed, the machine's pace is not.
    rng, left, killed = np.random.default_rng(0), count, 0
    while left:
        path = tmp_path / f"killed{left}"
        while left and run_killed(path, rng.uniform(0.02, 0.4)) == -signal.SIGKILL:
            left -= 1
            killed += 1
        assert run_killed(path, 0) == 0
        assert files_of(path) == files_of(whole)
        assert rows_of(path) == rows_of(whole)
    assert killed == count


def test_a_killed_run_ends_as_an_uninterrupted_one(tmp_path: Path, whole: Path) -> None:
    check_kills(tmp_path, whole, 3)


@pytest.mark.slow
def test_fifty_killed_runs_end_as_uninterrupted_ones(tmp_path: Path, whole: Path) -> None:
    check_kills(tmp_path, whole, 50)


def test_interrupting_keeps_what_was_fetched(tmp_path: Path, whole: Path) -> None:
    code = (
        "import os, signal, sys, threading, tests.pipeline.fetch_run as run; from pathlib import Path; "
        "threading.Timer(0.25, lambda: os.kill(os.getpid(), signal.SIGINT)).start(); run.main(Path(sys.argv[1]), 0.0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "db")], cwd=ROOT, capture_output=True, check=False
    )
    assert ended.stderr.endswith(b"KeyboardInterrupt\n")
    assert ended.stderr.count(b"Traceback") == 1
    before = len(Database.open(tmp_path / "db"))
    with Manifest.open(tmp_path / "db", read_only=True) as manifest:
        assert manifest.views.counts().get("fake", {}).get("done", 0) == before
    assert run_killed(tmp_path / "db", 0) == 0
    assert files_of(tmp_path / "db") == files_of(whole)
    assert rows_of(tmp_path / "db") == rows_of(whole)


def test_only_one_process_writes(tmp_path: Path) -> None:
    fetch_metadata(tmp_path / "db", sampling(), config_of())
    code = (
        "import sys, time; from geonav.data.database import Database; lock = Database.open(sys.argv[1]).lock(); "
        "lock.__enter__(); print(1, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as other:
        other.stdout.readline()  # type: ignore[union-attr]
        with pytest.raises(DatabaseError, match="is being written by process"):
            fetch_panoramas(Database.open(tmp_path / "db"), config_of())
        other.kill()
