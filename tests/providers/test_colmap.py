"""COLMAP models: text and binary, turned pictures, distorted cameras, broken files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
import pytest

from geonav.data.images import prepare_image
from geonav.errors import InputError
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint, LocalFrame, ecef_from_geo
from geonav.geometry.pose import pose_matrix
from geonav.providers.colmap import ColmapModel, candidates, read_model, world_from_ecef
from geonav.providers.source import Described, Trust, selected
from tests.data.photos import exif, write_jpeg
from tests.providers.colmap_models import PARAMS, View, view, write_binary, write_text

FRAME = LocalFrame(GeoPoint(48.9407, 8.4090, 130.0))
TRUST = Trust(0.01, 0.02)
IDENTITY = np.eye(4)


def describe(model: ColmapModel, images: Any, world_from_model: Any = IDENTITY) -> list[Described]:
    found = candidates(model, images, world_from_model, FRAME, TRUST)
    return [candidate.describe(prepare_image(candidate.path)) for candidate in found]


@pytest.mark.parametrize("write", [write_text, write_binary])
def test_text_and_binary_give_the_same(tmp_path: Path, write: Any) -> None:
    views = [view("b/1.jpg", 1), view("a.jpg", 0)]
    model = read_model(write(tmp_path / "model", views))
    assert [image.name for image in model.images] == ["a.jpg", "b/1.jpg"]
    assert not model.is_geo_registered
    for name in ("a.jpg", "b/1.jpg"):
        write_jpeg(tmp_path / "images" / name)
    first, second = (described.metadata for described in describe(model, tmp_path / "images"))
    assert first.pose == pytest.approx(views[1].pose, abs=1e-12)
    assert second.pose == pytest.approx(views[0].pose, abs=1e-12)
    assert first.camera == Camera("PINHOLE", 96, 64, PARAMS)
    lat, lng, alt = FRAME.geo_from_enu([1.0, -3.0, 1.5])
    assert (first.lat, first.lng, first.alt) == pytest.approx((float(lat), float(lng), float(alt)), abs=1e-9)
    assert (first.azn, first.pitch, first.roll) == pytest.approx((20.0, 3.0, 0.0), abs=1e-9)
    assert (first.position_std_m, first.heading_std_deg, first.provider) == (0.01, 0.02, "colmap")


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("SIMPLE_RADIAL", (90.0, 48.0, 32.0, 0.05)),
        ("OPENCV", (90.0, 91.0, 47.0, 33.0, 0.05, -0.02, 0.001, -0.002)),
        ("OPENCV_FISHEYE", (60.0, 61.0, 47.0, 33.0, 0.01, 0.0, 0.0, 0.0)),
    ],
)
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_distortion_and_orientation_keep_what_a_pixel_means(
    tmp_path: Path, name: Any, params: Any, orientation: Any
) -> None:
    """A point of the world falls on the same spot of the picture, stored or upright."""
    stored = View("a.jpg", view("a.jpg").pose, name, (96, 64), params)
    model = read_model(write_text(tmp_path / "model", [stored]))
    write_jpeg(tmp_path / "a.jpg", tags=exif({274: orientation}))
    metadata = describe(model, tmp_path)[0].metadata
    assert (metadata.w, metadata.h) == ((96, 64) if orientation in {1, 3} else (64, 96))
    camera_points = np.array([[0.1, 0.2, 2.0], [-0.5, 0.3, 3.0], [0.4, -0.3, 1.5]])
    world = (camera_points - stored.pose[:3, 3]) @ stored.pose[:3, :3]
    x, y = Camera(name, 96, 64, params).pixels_from_points(camera_points).T
    upright = {1: (x, y), 3: (96 - x, 64 - y), 6: (64 - y, x), 8: (y, 96 - x)}[orientation]
    assert metadata.pose is not None
    found = metadata.camera.pixels_from_points(world @ metadata.pose[:3, :3].T + metadata.pose[:3, 3])
    assert found == pytest.approx(np.stack(upright, axis=1), abs=1e-6)
    assert metadata.camera_model == name
    assert pytest.approx(metadata.camera.K) == metadata.K


def test_a_camera_that_is_upright_already_is_not_turned(tmp_path: Path) -> None:
    upright = View("a.jpg", view("a.jpg").pose, size=(64, 96), params=(90.0, 91.0, 33.0, 47.0))
    model = read_model(write_text(tmp_path / "model", [upright]))
    write_jpeg(tmp_path / "a.jpg", tags=exif({274: 6}))
    metadata = describe(model, tmp_path)[0].metadata
    assert metadata.pose == pytest.approx(upright.pose, abs=1e-12)
    assert metadata.camera.params == upright.params


def test_mirrored_pictures_and_other_sizes_are_refused(tmp_path: Path) -> None:
    model = read_model(write_text(tmp_path / "model", [view("a.jpg")]))
    write_jpeg(tmp_path / "a.jpg", tags=exif({274: 2}))
    with pytest.raises(InputError, match="mirrors"):
        describe(model, tmp_path)
    write_jpeg(tmp_path / "a.jpg", size=(192, 128))
    with pytest.raises(InputError, match="192x128 pixels, its camera in the model 96x64"):
        describe(model, tmp_path)


def test_a_geo_registered_model(tmp_path: Path) -> None:
    """A model in ECEF stands where the same model with an origin stands."""
    views = [view(f"{number}.jpg", number) for number in range(4)]
    enu_from_ecef = world_from_ecef(FRAME)
    in_ecef = [View(item.name, item.pose @ enu_from_ecef) for item in views]
    model = read_model(write_text(tmp_path / "model", in_ecef))
    assert model.is_geo_registered
    center = model.centroid()
    assert ecef_from_geo(center.lat_deg, center.lng_deg, center.alt_m) == pytest.approx(
        model.centers.mean(axis=0), abs=1e-6
    )
    for item in views:
        write_jpeg(tmp_path / item.name)
    for described, item in zip(describe(model, tmp_path, enu_from_ecef), views, strict=True):
        assert described.metadata.pose == pytest.approx(item.pose, abs=1e-6)


def test_a_pose_that_is_none_is_refused(tmp_path: Path) -> None:
    model = read_model(write_text(tmp_path / "model", [view("a.jpg")]))
    broken = pose_matrix(np.eye(3) * np.nan, np.zeros(3))
    images = tuple(replace(image, pose=broken) for image in model.images)
    write_jpeg(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="not a rotation"):
        describe(ColmapModel(model.path, images), tmp_path)


@pytest.mark.parametrize("missing", ["cameras.txt", "images.txt"])
def test_a_missing_file_is_named(tmp_path: Path, missing: Any) -> None:
    folder = write_text(tmp_path / "model", [view("a.jpg")])
    (folder / missing).unlink()
    with pytest.raises(InputError, match=f"lacks {missing}"):
        read_model(folder)


def test_a_folder_above_the_model_is_recognised(tmp_path: Path) -> None:
    write_text(tmp_path / "sparse" / "0", [view("a.jpg")])
    with pytest.raises(InputError, match=r"did you mean .*sparse/0"):
        read_model(tmp_path)
    with pytest.raises(InputError, match="there is no COLMAP model"):
        read_model(tmp_path / "missing")


@pytest.mark.parametrize("name", ["cameras", "images"])
@pytest.mark.parametrize("content", ["hello garbage\n", "1 2 3\n", "1 PINHOLE a b c\n", "1 1 0 x\n"])
def test_garbage_in_text_gives_one_line(tmp_path: Path, name: Any, content: Any) -> None:
    folder = write_text(tmp_path / "model", [view("a.jpg")])
    (folder / f"{name}.txt").write_text(content)
    with pytest.raises(InputError, match="is broken") as caught:
        read_model(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["cameras", "images"])
def test_every_truncation_of_a_binary_gives_one_line(tmp_path: Path, name: Any) -> None:
    folder = write_binary(tmp_path / "model", [view("a.jpg"), view("b.jpg", 1)])
    path = folder / f"{name}.bin"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=f"{name}.bin") as caught:
            read_model(folder)
        assert "\n" not in str(caught.value)


def test_a_binary_that_promises_too_much_is_refused_at_once(tmp_path: Path) -> None:
    folder = write_binary(tmp_path / "model", [view("a.jpg")])
    for name in ("images", "cameras"):
        path = folder / f"{name}.bin"
        whole = path.read_bytes()
        path.write_bytes(b"\xff" * 7 + b"\x0f" + whole[8:])
        with pytest.raises(InputError, match=f"{name}.bin: it ends too early"):
            read_model(folder)
        path.write_bytes(whole)
    path.write_bytes(whole[:12] + b"\x63" + whole[13:])
    with pytest.raises(InputError, match="camera model 99 is not known"):
        read_model(folder)


@pytest.mark.parametrize("binary", [True, False])
def test_points_rigs_and_names_with_spaces_are_read_as_pycolmap_reads_them(tmp_path: Path, binary: Any) -> None:
    options = pycolmap.SyntheticDatasetOptions(
        num_rigs=2, num_cameras_per_rig=2, num_frames_per_rig=3, num_points3D=20, sensor_from_rig_translation_stddev=0.1
    )
    truth = pycolmap.synthesize_dataset(options)
    next(iter(truth.images.values())).name = "a name with spaces.jpg"
    folder = tmp_path / "model"
    folder.mkdir()
    truth.write_binary(folder) if binary else truth.write_text(folder)
    found = {image.name: image for image in read_model(folder).images}
    assert len(found) == truth.num_images() == 12
    for image in truth.images.values():
        assert found[image.name].pose[:3] == pytest.approx(image.cam_from_world().matrix(), abs=1e-12)
        camera = found[image.name].camera
        assert (camera.model, camera.size) == (image.camera.model_name, (image.camera.width, image.camera.height))
        assert camera.params == pytest.approx(image.camera.params)


def test_an_image_without_its_camera_is_named(tmp_path: Path) -> None:
    folder = write_text(tmp_path / "model", [view("a.jpg"), view("b.jpg", 1)])
    path = folder / "cameras.txt"
    path.write_text(path.read_text().splitlines()[0])
    with pytest.raises(InputError, match=r"image b\.jpg names camera 2, which cameras\.txt lacks"):
        read_model(folder)


def test_a_model_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no registered image"):
        read_model(write_text(tmp_path / "model", []))


NAMES = ["0000.jpg", "0001.jpg", "left/0000.jpg", "left/0001.png"]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ((), (), NAMES),
        (("*[02468].jpg",), (), ["0000.jpg", "left/0000.jpg"]),
        (("left/*",), (), ["left/0000.jpg", "left/0001.png"]),
        (("0001.*", "left/0000.jpg"), (), ["0001.jpg", "left/0000.jpg", "left/0001.png"]),
        ((), ("*.png", "0000*"), ["0001.jpg"]),
        (("*.jpg",), ("left/*",), ["0000.jpg", "0001.jpg"]),
    ],
)
def test_globs(include: Any, exclude: Any, expected: Any) -> None:
    assert selected(NAMES, str, include, exclude) == expected


def test_globs_that_leave_nothing_are_named() -> None:
    with pytest.raises(InputError, match=r"none of 4 pictures, .* is left by --include \*\.JPG --exclude x"):
        selected(NAMES, str, ["*.JPG"], ["x"])
    assert selected([], str, ["x"], []) == []
