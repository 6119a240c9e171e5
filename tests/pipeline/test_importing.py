"""Importing: once, whole, resumable, and in one frame."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
from PIL import Image

from geonav.data.database import Database
from geonav.data.progress import ProgressEvent
from geonav.errors import DatabaseError, InputError, StorageError, UsageError
from geonav.geometry.geodesy import GeoPoint, LocalFrame
from geonav.geometry.pose import camera_center
from geonav.pipeline.importing import (
    ColmapImport,
    DatabaseImport,
    FolderImport,
    ImportReport,
    import_colmap,
    import_database,
    import_folder,
)
from geonav.providers.colmap import world_from_ecef
from tests.data.photos import exif, gps, jpeg, pixels, write_jpeg
from tests.providers.colmap_models import View, view, write_text

ORIGIN = GeoPoint(48.9407, 8.4090, 130.0)
NAMES = ["0000.jpg", "0001.jpg", "sub/0000.jpg", "sub/0002.jpg"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of four images, and their pictures."""
    for number, name in enumerate(NAMES):
        write_jpeg(tmp_path / "images" / name, seed=number)
    return write_text(tmp_path / "model", [view(name, number) for number, name in enumerate(NAMES)])


def run(
    model: Path, database: str = "db", on_progress: Any = None, images: Any = "images", **options: Any
) -> ImportReport:
    given = {"origin": ORIGIN} | options
    folder = model.parent
    return import_colmap(folder / database, model, ColmapImport(images=folder / images, **given), on_progress)


def test_a_model_becomes_entries(model: Path) -> None:
    events: list[ProgressEvent] = []
    report = run(model, on_progress=events.append)
    database = Database.open(model.parent / "db")
    assert report.added[:2] == ["0000", "0001"]
    assert database.uids() == sorted(report.added)
    assert len(report.added) == 4
    assert (report.updated, report.skipped, report.failed, report.notes) == ([], [], [], [])
    assert [(event.stage, event.done, event.total, event.item) for event in events] == [
        ("import", number, 4, name) for number, name in enumerate(NAMES, 1)
    ]
    assert (database.origin, database.alt_datum) == (ORIGIN, "wgs84")
    assert database.image_path("0001").read_bytes() == jpeg(seed=1)
    metadata = database.metadata("0001")
    assert metadata.pose == pytest.approx(view("", 1).pose, abs=1e-12)
    assert (metadata.source_name, metadata.alt_datum, metadata.provider) == ("0001.jpg", "wgs84", "colmap")
    assert (metadata.position_std_m, metadata.heading_std_deg) == (0.006, 0.02)


def test_equal_names_get_a_suffix_that_never_changes(model: Path, tmp_path: Path) -> None:
    first = run(model).added
    assert first[2].startswith("0000-")
    assert first[3] == "0002"
    assert run(model, database="again").added == first


def test_importing_again_does_nothing(model: Path) -> None:
    report = run(model)
    before = {path: path.stat().st_mtime_ns for path in (model.parent / "db").rglob("*.j*")}
    again = run(model)
    assert (again.added, again.updated, again.skipped) == ([], [], report.added)
    assert before == {path: path.stat().st_mtime_ns for path in (model.parent / "db").rglob("*.j*")}


def test_another_pose_updates_metadata_and_keeps_what_the_user_added(model: Path) -> None:
    run(model)
    path = model.parent / "db" / "0001" / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"licence": "CC0", "mine": 1}))
    assert run(model).updated == []
    write_text(model, [view(NAMES[0], 0), view(NAMES[1], 7)])
    assert run(model).updated == ["0001"]
    metadata = Database.open(model.parent / "db").metadata("0001")
    assert metadata.pose == pytest.approx(view("", 7).pose, abs=1e-12)
    assert (metadata.licence, metadata.to_json()["mine"]) == ("CC0", 1)
    assert run(model, position_std_m=0.5).updated == ["0000", "0001"]
    assert Database.open(model.parent / "db").metadata("0001").position_std_m == 0.5


def test_globs_choose(model: Path) -> None:
    assert run(model, include=["*[02468].jpg"], exclude=["sub/*"]).added == ["0000"]
    with pytest.raises(InputError, match="--include x"):
        run(model, database="other", include=["x"])
    assert not (model.parent / "other").exists()


def test_missing_and_broken_pictures_are_reported_and_the_rest_goes_on(model: Path) -> None:
    (model.parent / "images" / "0000.jpg").unlink()
    (model.parent / "images" / "0001.jpg").write_bytes(jpeg(seed=1)[:-900])
    report = run(model)
    assert [name for name, _ in report.failed] == ["0000.jpg", "0001.jpg"]
    assert "No such file" in report.failed[0][1]
    assert "cannot be decoded" in report.failed[1][1]
    assert len(report.added) == 2
    write_jpeg(model.parent / "images" / "0000.jpg", seed=0)
    assert len(run(model).added) == 1


def test_an_interrupted_import_goes_on(model: Path) -> None:
    def interrupt(event: Any) -> None:
        if event.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(model, on_progress=interrupt)
    draft = model.parent / "db" / ".geonav" / "tmp" / "killed"
    draft.mkdir()
    (draft / "image.jpg").write_bytes(b"half")
    report = run(model)
    assert (len(report.skipped), len(report.added)) == (2, 2)
    assert not draft.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_or_read_only_disk_loses_nothing(model: Path, monkeypatch: pytest.MonkeyPatch, number: Any) -> None:
    run(model, include=["0000.jpg"], exclude=["sub/*"])
    stored = {path: path.read_bytes() for path in (model.parent / "db").rglob("*") if path.is_file()}

    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(StorageError, match="nothing already stored is lost"):
        run(model)
    monkeypatch.undo()
    left = {path: path.read_bytes() for path in (model.parent / "db").rglob("*") if path.is_file()}
    assert {path: left[path] for path in stored if path.name != "lock"} == {
        path: content for path, content in stored.items() if path.name != "lock"
    }
    assert len(run(model).added) == 3


def test_two_scenes_a_kilometre_apart_share_a_frame(model: Path) -> None:
    """Positions of the second scene agree with pyproj's to a millimetre, its directions with its own frame's."""
    other = GeoPoint(48.9490, 8.4130, 190.0)
    run(model, include=["0000.jpg", "0001.jpg"], exclude=["sub/*"])
    report = run(model, origin=other, include=["sub/*"])
    database = Database.open(model.parent / "db")
    assert database.origin == ORIGIN
    transformer = pyproj.Transformer.from_pipeline(
        "+proj=pipeline +step +inv +proj=topocentric +ellps=WGS84 "
        f"+lat_0={other.lat_deg} +lon_0={other.lng_deg} +h_0={other.alt_m} "
        "+step +proj=topocentric +ellps=WGS84 "
        f"+lat_0={ORIGIN.lat_deg} +lon_0={ORIGIN.lng_deg} +h_0={ORIGIN.alt_m}"
    )
    for uid, number in zip(report.added, (2, 3), strict=True):
        metadata = database.metadata(uid)
        assert metadata.pose is not None
        center = camera_center(metadata.pose)
        own = camera_center(view("", number).pose)
        assert center == pytest.approx(np.array(transformer.transform(*own)), abs=1e-3)
        assert np.linalg.norm(center) > 900
        lat, lng, alt = LocalFrame(other).geo_from_enu(own)
        assert (metadata.lat, metadata.lng) == pytest.approx((float(lat), float(lng)), abs=1e-9)
        assert metadata.alt == pytest.approx(float(alt), abs=1e-4)
        # Meridians converge by 0.003 degrees between the two; the azimuth is that of the common frame.
        assert metadata.azn == pytest.approx(20.0 + 30 * number, abs=0.01)


def test_a_geo_registered_model_needs_no_origin(model: Path) -> None:
    frame = LocalFrame(ORIGIN)
    views = [View(name, view(name, number).pose @ world_from_ecef(frame)) for number, name in enumerate(NAMES)]
    folder = write_text(model.parent / "ecef", views)
    run(folder, origin=None)
    database = Database.open(model.parent / "db")
    truth = LocalFrame(database.frame.origin).rigid_from(frame)
    for uid, number in (("0000", 0), ("0001", 1)):
        pose = database.metadata(uid).pose
        assert pose is not None
        expected = truth[:3, :3] @ camera_center(view("", number).pose) + truth[:3, 3]
        assert camera_center(pose) == pytest.approx(expected, abs=1e-6)
    assert np.linalg.norm(camera_center(pose)) < 20


def test_a_model_that_is_not_geo_registered_needs_an_origin(model: Path) -> None:
    with pytest.raises(UsageError, match="--origin LAT LNG ALT"):
        run(model, origin=None)
    assert not (model.parent / "db").exists()


def test_height_datums_are_not_mixed(model: Path) -> None:
    run(model, alt_datum="egm96")
    assert Database.open(model.parent / "db").alt_datum == "egm96"
    with pytest.raises(UsageError, match="--alt-datum egm96"):
        run(model)


def test_one_import_at_a_time(model: Path) -> None:
    run(model)
    with Database.open(model.parent / "db").lock(), pytest.raises(DatabaseError, match="being written by process"):
        run(model)


@pytest.mark.parametrize(
    ("name", "value"), [("position_std_m", 0), ("heading_std_deg", -1), ("position_std_m", np.nan)]
)
def test_standard_deviations_must_be_positive(model: Path, name: Any, value: Any) -> None:
    with pytest.raises(UsageError, match=name):
        run(model, **{name: value})


def test_missing_images_folder(model: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        run(model, images="elsewhere")


@pytest.mark.parametrize(
    ("name", "uid"),
    [
        ("..jpg", "image"),
        (".hidden.jpg", "hidden"),
        ("Ä ö?.jpg", "Ä_ö_"),
        ("a\\b.jpg", "b"),
        ("x" * 200 + ".jpg", "x" * 100),
    ],
)
def test_uids_are_readable_and_safe(tmp_path: Path, name: Any, uid: Any) -> None:
    folder = write_text(tmp_path / "model", [view("a.jpg")])
    path = folder / "images.txt"
    path.write_text(path.read_text().replace("a.jpg", name))
    write_jpeg(tmp_path / "images" / name)
    assert run(folder).added == [uid]


def test_what_is_no_jpeg_is_converted_once(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.fromarray(pixels()).save(tmp_path / "images" / "a.png")
    folder = write_text(tmp_path / "model", [view("a.png")])
    assert run(folder).added == ["a"]
    with Image.open(tmp_path / "db" / "a" / "image.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (96, 64))
    assert run(folder).skipped == ["a"]


def test_a_folder_of_photos(tmp_path: Path) -> None:
    for number in range(3):
        tags = exif(camera={41989: 28}, gps=gps(48.9 + number * 1e-4, 8.4, 100, 45.0 * number))
        write_jpeg(tmp_path / "photos" / f"{number}.jpg", seed=number, tags=tags)
    write_jpeg(tmp_path / "photos" / "none.jpg", seed=9)
    report = import_folder(tmp_path / "db", tmp_path / "photos", FolderImport())
    database = Database.open(tmp_path / "db")
    assert report.added == database.uids() == ["0", "1", "2"]
    assert report.failed == [("none.jpg", "no GPS position in its EXIF")]
    assert database.alt_datum == "egm96"
    assert database.frame.origin.lat_deg == pytest.approx(48.9001)
    assert all(database.metadata(uid).has_pose for uid in database.uids())
    assert import_folder(tmp_path / "db", tmp_path / "photos", FolderImport()).skipped == ["0", "1", "2"]


def test_photos_above_sea_level_get_no_pose_in_an_ellipsoidal_database(model: Path) -> None:
    run(model)
    write_jpeg(model.parent / "photos" / "p.jpg", tags=exif(camera={41989: 28}, gps=gps(48.94, 8.41, 100, 45.0)))
    report = import_folder(model.parent / "db", model.parent / "photos", FolderImport())
    metadata = Database.open(model.parent / "db").metadata("p")
    assert (metadata.E, metadata.alt, metadata.alt_datum) == (None, 100, "egm96")
    assert report.notes == [("p.jpg", "its height is egm96, the database's are wgs84, so it has no E")]


def test_a_database_is_moved_into_the_frame_of_another(model: Path) -> None:
    run(model)
    source = model.parent / "db"
    (source / "0001" / "mask.png").write_bytes(b"mask")
    other = GeoPoint(48.95, 8.40, 100.0)
    Database.create(model.parent / "target", other)
    report = import_database(model.parent / "target", source, DatabaseImport(exclude=["0002.jpg"]))
    assert len(report.added) == 3
    target = Database.open(model.parent / "target")
    for uid in report.added:
        before, after = Database.open(source).metadata(uid), target.metadata(uid)
        assert before.pose is not None
        assert after.pose is not None
        moved = LocalFrame(other).rigid_from(LocalFrame(ORIGIN))
        expected = moved[:3, :3] @ camera_center(before.pose) + moved[:3, 3]
        assert camera_center(after.pose) == pytest.approx(expected, abs=1e-6)
        assert (after.lat, after.lng, after.alt, after.provider) == (before.lat, before.lng, before.alt, "colmap")
        assert (after.position_std_m, after.source_name) == (before.position_std_m, before.source_name)
        assert target.image_path(uid).read_bytes() == (source / uid / "image.jpg").read_bytes()
    assert (target.path / "0001" / "mask.png").read_bytes() == b"mask"
    again = import_database(model.parent / "target", source, DatabaseImport(exclude=["0002.jpg"]))
    assert (again.skipped, again.updated) == (report.added, [])


def test_a_foreign_database_has_its_origin_worked_out(model: Path) -> None:
    run(model)
    source = model.parent / "db"
    shutil.rmtree(source / ".geonav")
    for path in source.glob("*/metadata.json"):  # as another tool would have written it
        known = json.loads(path.read_text())
        kept = {key: known[key] for key in ("w", "h", "lat", "lng", "alt", "azn", "fov", "K", "E")}
        path.write_text(json.dumps(kept))
    report = import_database(model.parent / "target", source, DatabaseImport())
    target = Database.open(model.parent / "target")
    assert len(report.added) == 4
    assert target.origin is not None
    assert (target.origin.lat_deg, target.origin.lng_deg) == pytest.approx((ORIGIN.lat_deg, ORIGIN.lng_deg), abs=1e-9)
    assert target.origin.alt_m == pytest.approx(ORIGIN.alt_m, abs=1e-4)
    assert target.metadata("0001").pose == pytest.approx(view("", 1).pose, abs=1e-3)
    assert target.metadata("0001").position_std_m == 2.0


def test_a_foreign_database_that_contradicts_itself_is_refused(model: Path) -> None:
    run(model)
    source = model.parent / "db"
    shutil.rmtree(source / ".geonav")
    path = source / "0001" / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"lat": 48.0}))
    with pytest.raises(DatabaseError, match="disagree by"):
        import_database(model.parent / "target", source, DatabaseImport())
    assert not (model.parent / "target").exists()


def test_a_database_with_broken_entries_gives_a_readable_report(model: Path) -> None:
    run(model)
    source = model.parent / "db"
    changes = {"0000": {"w": 97}, "0001": {"K": [[0, 0, 0]] * 3, "E": [[1]]}}
    for uid, change in changes.items():
        path = source / uid / "metadata.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    (source / "0002" / "metadata.json").unlink()
    report = import_database(model.parent / "target", source, DatabaseImport())
    reasons = dict(report.failed)
    assert "says 97x64, its upright picture 96x64" in reasons["0000.jpg"]
    assert "K is not an invertible" in reasons["0001.jpg"]
    assert "E must be 4x4" in reasons["0001.jpg"]
    assert "metadata.json is missing" in reasons["0002.jpg"]
    assert len(report.added) == 1


def test_a_database_is_not_imported_into_itself(model: Path) -> None:
    run(model)
    with pytest.raises(UsageError, match="into itself"):
        import_database(model.parent / "db", model.parent / "db", DatabaseImport())
