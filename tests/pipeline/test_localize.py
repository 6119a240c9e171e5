"""Photos of the synthetic street are located to centimetres, and refused where they should be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geonav.config import GeonavConfig, load_config
from geonav.data.database import Database
from geonav.errors import DatabaseError, ImageError, UsageError
from geonav.evaluation.experiment import evaluate
from geonav.geometry.camera import Camera
from geonav.geometry.pose import camera_center, rotation_error_deg
from geonav.pipeline.importing import ColmapImport, import_colmap
from geonav.pipeline.index import index_global
from geonav.pipeline.localize import Localizer
from geonav.pipeline.view_matches import ViewMatches
from tests.conftest import StreetPhotos

# Half the keypoints match in a quarter of the time; the photos are small.
FEWER = {"local": {"max_keypoints": 1024}}


@pytest.fixture(scope="module")
def database(street_database_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Database:
    path = tmp_path_factory.mktemp("indexed") / "street"
    shutil.copytree(street_database_path, path)
    found = Database.open(path)
    index_global(found, load_config(overrides=FEWER))
    return found


@pytest.fixture(scope="module")
def localizer(database: Database) -> Localizer:
    return Localizer(database, load_config(overrides=FEWER))


def _cases(street_photos: StreetPhotos) -> Iterator[tuple[Path, Camera, np.ndarray]]:
    for image in street_photos.named("queries"):
        camera = Camera(image["camera_model"], image["w"], image["h"], tuple(image["camera_params"]))
        yield street_photos.root / image["image"], camera, np.array(image["E"])


def test_known_cameras_are_located_to_centimetres(localizer: Localizer, street_photos: StreetPhotos) -> None:
    errors = []
    for path, camera, truth in _cases(street_photos):
        result = localizer.locate(path, camera=camera)
        assert result.status == "located", result.reason
        assert result.K_source == "given"
        assert result.ellipse_95 is not None
        assert result.position_std_m is not None
        pose = np.array(result.E)
        error_m = float(np.linalg.norm(camera_center(pose) - camera_center(truth)))
        errors.append((error_m, rotation_error_deg(pose[:3, :3], truth[:3, :3])))
        # 95 % in the plane is 2.45 sigma: four times the ellipse is no coincidence any more.
        assert np.hypot(*(camera_center(pose) - camera_center(truth))[:2]) < 4 * result.ellipse_95.semi_major_m
    median_m, median_deg = np.median(errors, axis=0)
    assert median_m < 0.03
    assert median_deg < 0.1
    assert max(error for error, _ in errors) < 0.15


def test_without_a_camera_the_focal_length_is_estimated(localizer: Localizer, street_photos: StreetPhotos) -> None:
    path, camera, truth = next(_cases(street_photos))
    result = localizer.locate(path)
    assert result.status == "located", result.reason
    assert result.K_source == "estimated"
    assert any("focal length" in note for note in result.notes)
    assert result.K is not None
    assert result.K[0][0] == pytest.approx(camera.focal_px, rel=0.06)
    assert np.linalg.norm(camera_center(np.array(result.E)) - camera_center(truth)) < 0.5
    known = localizer.locate(path, camera=camera)
    assert known.ellipse_95 is not None
    assert result.ellipse_95 is not None
    assert result.ellipse_95.semi_major_m > known.ellipse_95.semi_major_m


def test_a_street_the_database_does_not_hold_is_refused(localizer: Localizer, street_photos: StreetPhotos) -> None:
    result = localizer.locate(street_photos.elsewhere)
    assert result.status == "not_located"
    assert result.reason
    assert result.E is None
    assert result.lat is None


@pytest.mark.parametrize("kind", ["black", "sky", "blurred"])
def test_photos_that_show_nothing_are_refused(
    localizer: Localizer, street_photos: StreetPhotos, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"{kind}.png"
    if kind == "black":
        pixels = np.zeros((480, 640, 3), np.uint8)
    elif kind == "sky":
        pixels = np.repeat(np.linspace(120, 200, 480).astype(np.uint8)[:, None, None], 640, 1) * np.ones(3, np.uint8)
    else:
        with Image.open(street_photos.queries[0]) as photo:
            pixels = np.asarray(photo.resize((8, 6)).resize((640, 480), Image.Resampling.BICUBIC))
    Image.fromarray(pixels).save(path)
    result = localizer.locate(path)
    assert result.status == "not_located"
    assert result.E is None


def test_a_photo_that_is_a_reference_does_not_match_itself(localizer: Localizer, street_photos: StreetPhotos) -> None:
    photo = sorted((street_photos.root / "images").iterdir())[3]
    camera = localizer.database.metadata(photo.stem).camera
    result = localizer.locate(photo, camera=camera)
    assert photo.stem not in [reference.uid for reference in result.references]
    assert any(photo.stem in note and "left out" in note for note in result.notes)


def test_a_copy_of_a_reference_in_another_file_is_found_out(
    localizer: Localizer, street_photos: StreetPhotos, tmp_path: Path
) -> None:
    photo = sorted((street_photos.root / "images").iterdir())[3]
    copy = tmp_path / "copy.png"
    with Image.open(photo) as image:
        image.save(copy)
    result = localizer.locate(copy, camera=localizer.database.metadata(photo.stem).camera)
    assert photo.stem not in [reference.uid for reference in result.references]


def test_the_same_photo_twice_gives_the_same_numbers(localizer: Localizer, street_photos: StreetPhotos) -> None:
    first, second = (localizer.locate(street_photos.queries[0]) for _ in range(2))
    assert first.model_dump(exclude={"seconds"}) == second.model_dump(exclude={"seconds"})


def test_a_camera_of_another_size_is_an_error(localizer: Localizer, street_photos: StreetPhotos) -> None:
    with pytest.raises(ImageError, match="100x100"):
        localizer.locate(street_photos.queries[0], camera=Camera.from_fov(100, 100, 60))


def test_a_turned_photo_is_located_with_the_camera_of_its_stored_pixels(
    localizer: Localizer, street_photos: StreetPhotos, tmp_path: Path
) -> None:
    path, camera, truth = next(_cases(street_photos))
    turned = tmp_path / "turned.jpg"
    with Image.open(path) as photo:
        exif = Image.Exif()
        exif[0x0112] = 6  # the stored pixels must be turned a quarter clockwise to be upright
        photo.transpose(Image.Transpose.ROTATE_90).save(turned, quality=95, exif=exif)
    back, _ = camera.rotated(8)
    result = localizer.locate(turned, camera=back)
    assert result.status == "located", result.reason
    assert np.linalg.norm(camera_center(np.array(result.E)) - camera_center(truth)) < 0.1


def test_a_mask_over_everything_leaves_nothing(
    localizer: Localizer, street_photos: StreetPhotos, tmp_path: Path
) -> None:
    mask = tmp_path / "mask.png"
    with Image.open(street_photos.queries[0]) as photo:
        Image.new("L", photo.size, 0).save(mask)
    assert localizer.locate(street_photos.queries[0], mask=mask).status == "not_located"


def test_exif_gps_is_a_prior_only_when_asked_for(
    database: Database, street_photos: StreetPhotos, tmp_path: Path
) -> None:
    path, camera, truth = next(_cases(street_photos))
    lat, lng, _ = database.frame.geo_from_enu(camera_center(truth) + np.array([3.0, 0.0, 0.0]))
    tagged = tmp_path / "tagged.jpg"
    exif = Image.Exif()
    exif[0x8825] = {1: "N" if lat >= 0 else "S", 2: _dms(float(lat)), 3: "E" if lng >= 0 else "W", 4: _dms(float(lng))}
    with Image.open(path) as photo:
        photo.save(tagged, quality=95, exif=exif)
    off = Localizer(database, load_config(overrides=FEWER)).locate(tagged, camera=camera)
    on = Localizer(database, load_config(overrides={**FEWER, "localize": {"exif_gps": True}})).locate(
        tagged, camera=camera
    )
    assert not any("prior" in note for note in off.notes)
    assert any("prior" in note for note in on.notes)
    for result in (off, on):  # three metres of GPS error must not move centimetres of evidence
        assert np.linalg.norm(camera_center(np.array(result.E)) - camera_center(truth)) < 0.1


def _dms(degrees: float) -> tuple[float, float, float]:
    minutes = abs(degrees) % 1 * 60
    return float(int(abs(degrees))), float(int(minutes)), round(minutes % 1 * 60, 5)


def test_a_database_without_an_index_says_what_to_run(street_database_path: Path) -> None:
    with pytest.raises(DatabaseError, match="geonav index"):
        Localizer(Database.open(street_database_path), load_config())


def test_other_settings_than_the_database_s_are_refused(database: Database) -> None:
    config = load_config(overrides={"local": {"max_keypoints": 512}})
    with pytest.raises(DatabaseError, match="max_keypoints"):
        Localizer(database, config)


def test_an_unknown_device_is_named(database: Database) -> None:
    with pytest.raises(UsageError, match="cuda:9"):
        Localizer(database, GeonavConfig(device="cuda:9"))


def test_evaluate_compares_across_origins(database: Database, street_photos: StreetPhotos, tmp_path: Path) -> None:
    """The query set has an origin of its own, 700 m away: its truth is taken into the references' frame."""
    from geonav.geometry.geodesy import GeoPoint, LocalFrame

    model = tmp_path / "colmap"
    model.mkdir()
    elsewhere = LocalFrame(GeoPoint(street_photos.origin[0] + 0.005, street_photos.origin[1] - 0.006, 40.0))
    here_from_there = database.frame.rigid_from(elsewhere)
    cameras, images = [], []
    for number, image in enumerate(street_photos.named("queries"), start=1):
        params = " ".join(str(value) for value in image["camera_params"])
        cameras.append(f"{number} {image['camera_model']} {image['w']} {image['h']} {params}")
        pose = np.array(image["E"]) @ here_from_there
        quaternion = _quaternion(pose[:3, :3])
        values = " ".join(f"{value:.12f}" for value in (*quaternion, *pose[:3, 3]))
        images.append(f"{number} {values} {number} {Path(image['image']).name}\n")
    (model / "cameras.txt").write_text("\n".join(cameras) + "\n")
    (model / "images.txt").write_text("\n".join(images) + "\n")
    (model / "points3D.txt").write_text("")
    queries = tmp_path / "queries"
    import_colmap(queries, model, ColmapImport(images=street_photos.root / "queries", origin=elsewhere.origin))
    report = evaluate(queries, database, load_config(overrides=FEWER), output=tmp_path / "out")
    assert report.summary["num_queries"] == report.summary["num_located"] == len(street_photos.queries)
    assert report.summary["median_m"] < 0.03
    assert report.summary["within_0.25m_2deg"] == 1.0
    assert all(photo.semi_major_m is not None for photo in report.photos)
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["median_m"] == report.summary["median_m"]
    lines = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["located"] * len(lines)


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    """w, x, y, z of a rotation (3, 3): the eigenvector that Bar-Itzhack's method names."""
    r = rotation
    k = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], r[1, 0] + r[0, 1], r[2, 0] + r[0, 2], r[2, 1] - r[1, 2]],
            [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], r[2, 1] + r[1, 2], r[0, 2] - r[2, 0]],
            [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r[0, 0] + r[1, 1] + r[2, 2]],
        ]
    )
    x, y, z, w = np.linalg.eigh(k)[1][:, -1]
    return np.array([w, x, y, z])


def test_matches_are_handed_out_with_what_agrees(localizer: Localizer, street_photos: StreetPhotos) -> None:
    evidence: list[ViewMatches] = []
    path, camera, _ = next(_cases(street_photos))
    result = localizer.locate(path, camera=camera, on_matched=evidence.extend)
    used = {reference.uid: reference for reference in result.references if reference.num_matches}
    assert {each.uid for each in evidence} == set(used)
    for each in evidence:
        assert each.query_pixels.shape == each.reference_pixels.shape == (used[each.uid].num_matches, 2)
        assert each.inlier.sum() == used[each.uid].num_inliers
    best = evidence[0]
    assert best.inlier.sum() == max(reference.num_inliers for reference in used.values()) > 0
