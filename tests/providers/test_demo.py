"""The synthetic street: is what it shows where its poses say?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from geonav.errors import UsageError
from geonav.geometry.camera import Camera
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import camera_center, is_rotation, pose_from_center
from geonav.providers.demo.atlas import Atlas, AtlasBuilder
from geonav.providers.demo.photo import Conditions, Exposure, Light, jpeg_bytes, render
from geonav.providers.demo.poses import Drive, Walk, query_poses, reference_poses
from geonav.providers.demo.quads import Block, Frame, QuadBuilder, Quads, Skin
from geonav.providers.demo.render import raycast
from geonav.providers.demo.scene import StreetScene
from geonav.providers.demo.write import quaternion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.conftest import StreetPhotos

EXACT = Conditions(Light(sun=0.0, ambient=1.0), Exposure.exact())
TEXEL_M = 0.004
CAMERAS = [
    Camera.from_focal(640, 480, 500.0),
    Camera.from_focal(480, 640, 900.0),
    Camera("PINHOLE", 640, 480, (520.0, 540.0, 300.0, 260.0)),
    Camera("SIMPLE_RADIAL", 640, 480, (480.0, 330.0, 236.0, -0.12)),
    Camera("OPENCV", 640, 480, (500.0, 505.0, 322.0, 238.0, -0.1, 0.03, 0.001, -0.002)),
]


@dataclass(frozen=True)
class Wall:
    """Something with surfaces and textures."""

    quads: Quads
    atlas: Atlas


@pytest.fixture(scope="module")
def dotted_wall() -> tuple[Wall, NDArray[np.float64]]:
    """A dark wall 8 m north of the origin with bright dots, and the dots' places (N, 3)."""
    size = 1024
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=-1).reshape(-1, 2)
    dots = 80 + 170 * grid + rng.uniform(-20, 20, grid.shape)
    centers = np.arange(size) + 0.5
    tone = np.full((size, size), 20.0, np.float32)
    for u, v in dots:
        squares = (centers[None] - u) ** 2 + (centers[:, None] - v) ** 2
        tone += 220 * np.exp(-squares / 50) * (squares < 900)
    atlas, builder = AtlasBuilder(), QuadBuilder()
    skin = Skin(atlas.add(np.repeat(tone[..., None], 3, axis=2)), TEXEL_M)
    side = size * TEXEL_M
    frame = Frame(np.array([-side / 2, 8.0, 0.0]), np.array([1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0]))
    builder.front(frame, Block((0.0, side), (0.0, 0.0), (0.0, side)), skin)
    places = np.array([frame.point(u * TEXEL_M, 0.0, side - v * TEXEL_M) for u, v in dots])
    return Wall(builder.build(), atlas.build()), places


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda c: f"{c.model}-{c.width}x{c.height}")
@pytest.mark.parametrize(("azimuth_deg", "center"), [(0, (0.0, 0.0, 2.0)), (35, (-5.0, 2.0, 1.5))])
def test_features_fall_where_the_camera_projects_them(
    dotted_wall: tuple[Wall, NDArray[np.float64]],
    camera: Camera,
    azimuth_deg: float,
    center: tuple[float, float, float],
) -> None:
    wall, places = dotted_wall
    pose = pose_from_center(rotation_from_angles(azimuth_deg, 3.0, 2.0), center)
    grey = render(wall, camera, pose, EXACT)[..., 0].astype(float)
    errors = []
    for pixel in camera.pixels_from_points(places @ pose[:3, :3].T + pose[:3, 3]):
        if not ((pixel > 12) & (pixel < [camera.width - 12, camera.height - 12])).all():
            continue
        left, top = np.floor(pixel).astype(int)
        window = np.clip(grey[top - 8 : top + 9, left - 8 : left + 9] - 24, 0, None)
        rows, columns = np.mgrid[top - 8 : top + 9, left - 8 : left + 9] + 0.5
        errors.append([(window * columns).sum() / window.sum(), (window * rows).sum() / window.sum()] - pixel)
    assert len(errors) >= 20
    assert np.abs(errors).max() < 0.05
    assert np.abs(np.mean(errors, axis=0)).max() < 0.015


def test_raycast_finds_the_points_again(dotted_wall: tuple[Wall, NDArray[np.float64]]) -> None:
    wall, places = dotted_wall
    pose = pose_from_center(rotation_from_angles(20.0, 5.0, -3.0), (-3.0, 1.0, 1.0))
    pixels = CAMERAS[3].pixels_from_points(places @ pose[:3, :3].T + pose[:3, 3])
    np.testing.assert_allclose(raycast(wall.quads, CAMERAS[3], pose, pixels), places, atol=1e-6)
    away = pose_from_center(rotation_from_angles(200.0), (-3.0, 1.0, 1.0))
    assert np.isnan(raycast(wall.quads, CAMERAS[3], away, [[100.0, 100.0]])).all()


def test_nearer_surfaces_hide_farther_ones_and_backs_are_not_seen() -> None:
    atlas, builder = AtlasBuilder(), QuadBuilder()
    white = Skin(atlas.add(np.full((8, 8, 3), 250.0, np.float32), wraps=True), 0.1)
    frame = Frame(np.array([0.0, 8.0, 0.0]), np.array([1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0]))
    builder.front(frame, Block((-1.0, 1.0), (0.0, 2.0), (0.0, 4.0)), white.tinted(0.4))
    builder.front(frame, Block((-9.0, 9.0), (0.0, 0.0), (-9.0, 9.0)), white)
    builder.back(frame, Block((-9.0, 9.0), (4.0, 4.0), (-9.0, 9.0)), white.tinted(0.1))
    pose = pose_from_center(rotation_from_angles(0.0), (0.0, 0.0, 2.0))
    picture = render(Wall(builder.build(), atlas.build()), Camera.from_focal(200, 100, 100.0), pose, EXACT)[..., 0]
    assert picture[50, 100] == pytest.approx(100, abs=2)
    assert picture[50, 20] == pytest.approx(250, abs=2)
    # Its edges lie at +-1 m, 6 m away: pixels 100 +- 16.67.
    assert picture[50, 82] == pytest.approx(250, abs=2)
    assert picture[50, 84] == pytest.approx(100, abs=2)


def test_far_fine_texture_turns_grey_and_not_into_moire() -> None:
    atlas, builder = AtlasBuilder(), QuadBuilder()
    checks = 255.0 * (np.indices((256, 256)).sum(axis=0) % 2)
    skin = Skin(atlas.add(np.repeat(checks[..., None], 3, axis=2).astype(np.float32), wraps=True), 0.01)
    frame = Frame(np.array([0.0, 30.0, 0.0]), np.array([1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0]))
    builder.front(frame, Block((-40.0, 40.0), (0.0, 0.0), (-30.0, 30.0)), skin)
    pose = pose_from_center(rotation_from_angles(40.0), (0.0, 0.0, 0.0))
    picture = render(Wall(builder.build(), atlas.build()), Camera.from_focal(320, 240, 300.0), pose, EXACT)
    assert np.abs(picture[:, :200].astype(float) - 127.5).max() < 6


@pytest.fixture(scope="module")
def street() -> StreetScene:
    return StreetScene(seed=3, length_m=24.0, num_buildings=4, texel_m=0.03)


def _view(scene: StreetScene, along_m: float, yaw_deg: float = 50.0) -> NDArray[np.float64]:
    return pose_from_center(rotation_from_angles(scene.azimuth_deg + yaw_deg, 5.0), scene.point(along_m, 0.0, 2.0))


def test_equal_seeds_give_equal_pictures_and_others_do_not(street: StreetScene) -> None:
    camera = Camera.from_focal(160, 120, 120.0)
    first = render(street, camera, _view(street, 8.0), rng=np.random.default_rng(1))
    again = render(StreetScene(seed=3, length_m=24.0, num_buildings=4, texel_m=0.03), camera, _view(street, 8.0),
                   rng=np.random.default_rng(1))  # fmt: skip
    other = StreetScene(seed=4, length_m=24.0, num_buildings=4, texel_m=0.03)
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - render(other, camera, _view(other, 8.0))).mean() > 10


def test_the_street_has_depth_beyond_one_plane(street: StreetScene) -> None:
    camera = Camera.from_focal(320, 240, 250.0)
    columns, rows = np.meshgrid(np.arange(5.5, 320, 12), np.arange(5.5, 240, 12))
    points = raycast(street.quads, camera, _view(street, 8.0), np.stack([columns, rows], axis=-1).reshape(-1, 2))
    across = np.abs(points[np.isfinite(points).all(axis=1)] @ street.left)
    on_wall = np.abs(across - street.half_width_m) < 0.01
    behind, before = across > street.half_width_m + 0.08, across < street.half_width_m - 0.03
    assert on_wall.mean() > 0.2
    assert behind.mean() > 0.03
    assert before.mean() > 0.03


@pytest.mark.parametrize(("individual_wear", "least", "most"), [(False, 0.0, 1.0), (True, 2.0, 60.0)])
def test_copies_look_alike(individual_wear: bool, least: float, most: float) -> None:
    scene = StreetScene(
        seed=5, length_m=48.0, num_buildings=12, repetition=1.0, individual_wear=individual_wear, texel_m=0.03
    )
    camera, house_m = Camera.from_focal(160, 120, 200.0), 8.0
    # Straight at the wall's upper part, above cars and posts' heads.
    poses = [
        pose_from_center(rotation_from_angles(scene.azimuth_deg + 90, 30.0), scene.point(x, 2.0, 2.0))
        for x in (20.0, 20.0 + house_m)
    ]
    first, second = (render(scene, camera, pose, EXACT).astype(int) for pose in poses)
    assert least <= np.abs(first - second).mean() <= most


def test_other_clutter_moves_cars_and_leaves_houses(street: StreetScene) -> None:
    other = street.with_clutter(5)
    assert other.atlas is street.atlas
    shared = [set(map(tuple, scene.quads.origin.round(6))) for scene in (street, other)]
    assert len(shared[0] & shared[1]) > 500
    assert shared[0] != shared[1]


def test_conditions_change_the_light_but_not_the_place(street: StreetScene) -> None:
    camera, pose = Camera.from_focal(160, 120, 120.0), _view(street, 8.0)
    usual = render(street, camera, pose, EXACT).astype(float)
    dark = render(street, camera, pose, Conditions(EXACT.light, Exposure(gain=0.5, read_noise=0.0, shot_noise=0.0)))
    assert dark.mean() == pytest.approx(0.5 * usual.mean(), rel=0.06)
    noisy = [render(street, camera, pose, rng=np.random.default_rng(i)).astype(float) for i in range(2)]
    assert 1.0 < np.std(noisy[0] - noisy[1]) < 6.0


def test_queries_keep_their_distance_and_say_what_is_covered() -> None:
    scene = StreetScene(seed=1, length_m=120.0, num_buildings=24)
    rng = np.random.default_rng(0)
    camera = Camera.from_focal(640, 480, 500.0)
    references = reference_poses(scene, Drive(camera, covers_m=(5.0, 50.0)), rng)
    assert len(references) == 20
    walk = Walk((camera,), covers_m=(6.0, 48.0), uncovered=0.4)
    queries = query_poses(scene, 20, walk, rng, references)
    taken = np.array([camera_center(shot.E) for shot in references])
    for shot in queries:
        center = camera_center(shot.E)
        distance = np.linalg.norm((taken - center)[:, :2], axis=1).min()
        assert is_rotation(shot.E[:3, :3])
        assert (1.0 <= distance <= 4.0) if shot.covered else scene.place(center)[0] > 60.0
        assert abs(scene.place(center)[1]) < scene.half_width_m - 1.0
    assert sum(shot.covered for shot in queries) == 12


def test_a_cameras_model_that_looks_back_is_refused(street: StreetScene) -> None:
    fisheye = Camera("OPENCV_FISHEYE", 640, 480, (160.0, 160.0, 320.0, 240.0, 0.0, 0.0, 0.0, 0.0))
    with pytest.raises(UsageError, match="narrower field of view"):
        render(street, fisheye, _view(street, 8.0))


@pytest.mark.parametrize("settings", [{"num_buildings": 1}, {"repetition": 1.5}, {"length_m": 2000.0}])
def test_streets_that_cannot_be_built_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        StreetScene(seed=0, **settings)  # type: ignore[arg-type]


def test_quaternions_are_those_of_colmap() -> None:
    import pycolmap

    rng = np.random.default_rng(0)
    for angles in rng.uniform(-180, 180, (20, 3)) * [1, 0.5, 1]:
        rotation = rotation_from_angles(*angles)
        w, x, y, z = quaternion(rotation)
        np.testing.assert_allclose(pycolmap.Rotation3d(np.array([x, y, z, w])).matrix(), rotation, atol=1e-12)


def test_jpeg_quality_is_kept() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    assert len(jpeg_bytes(picture, 50)) < len(jpeg_bytes(picture, 90))


def test_the_data_set_on_disk_agrees_with_its_truth(street_photos: StreetPhotos) -> None:
    from PIL import Image

    images = street_photos.named("images") + street_photos.named("queries")
    assert len(street_photos.named("images")) == 8
    assert len(street_photos.queries) == 4
    for image in images:
        with Image.open(street_photos.root / image["image"]) as photo:
            assert photo.size == (image["w"], image["h"])
        E = np.array(image["E"])
        np.testing.assert_allclose(camera_center(E), image["enu"], atol=1e-9)
    text = (street_photos.root / "colmap" / "images.txt").read_text(encoding="utf-8").splitlines()
    assert len(text) == 16
    assert json.loads((street_photos.root / "poses.json").read_text(encoding="utf-8"))["origin"]["lat"] == 48.9407


def test_the_colmap_model_is_read_by_colmap(street_photos: StreetPhotos) -> None:
    import pycolmap

    model = pycolmap.Reconstruction(street_photos.root / "colmap")
    truth = {image["image"].split("/")[1]: np.array(image["E"]) for image in street_photos.named("images")}
    assert {image.name for image in model.images.values()} == set(truth)
    for image in model.images.values():
        np.testing.assert_allclose(image.cam_from_world().matrix(), truth[image.name][:3], atol=1e-9)
