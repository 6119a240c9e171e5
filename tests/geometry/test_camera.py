"""Cameras: pixels to rays and back for every model, resized, turned upright, and read from text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geonav.errors import InputError, UsageError
from geonav.geometry.camera import Camera

WIDTH, HEIGHT = 640, 480
PARAMS: dict[str, tuple[float, ...]] = {
    "SIMPLE_PINHOLE": (500, 322, 237),
    "PINHOLE": (500, 510, 322, 237),
    "SIMPLE_RADIAL": (500, 322, 237, -0.1),
    "RADIAL": (500, 322, 237, -0.1, 0.02),
    "OPENCV": (500, 510, 322, 237, -0.1, 0.02, 0.003, -0.005),
    "FULL_OPENCV": (500, 510, 322, 237, -0.1, 0.02, 0.003, -0.005, 0.01, 0.01, 0.005, 0.001),
    "OPENCV_FISHEYE": (300, 310, 322, 237, 0.02, -0.01, 0.002, 0.001),
    "FOV": (500, 510, 322, 237, 0.6),
    "SIMPLE_RADIAL_FISHEYE": (300, 322, 237, 0.02),
    "RADIAL_FISHEYE": (300, 322, 237, 0.02, -0.01),
    "THIN_PRISM_FISHEYE": (300, 310, 322, 237, 0.02, -0.01, 0.001, -0.001, 0.002, 0.001, 0.0005, -0.0005),
}
TURNABLE = [model for model in PARAMS if model != "THIN_PRISM_FISHEYE"]
ONE_FOCAL = ["SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE"]


def camera(model: str) -> Camera:
    return Camera(model, WIDTH, HEIGHT, PARAMS[model])


def random_pixels(count: int = 300, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform([0, 0], [WIDTH, HEIGHT], (count, 2))


@pytest.mark.parametrize("model", PARAMS)
def test_pixels_survive_rays_at_any_depth(model: str) -> None:
    pixels = random_pixels()
    rays = camera(model).rays_from_pixels(pixels)
    np.testing.assert_allclose(np.linalg.norm(rays, axis=1), 1.0, atol=1e-12)
    depth = np.random.default_rng(1).uniform(0.01, 1e4, (len(pixels), 1))
    np.testing.assert_allclose(camera(model).pixels_from_points(rays * depth), pixels, atol=1e-6)


@given(st.floats(100, 5000), st.floats(100, 5000), st.floats(0, 640), st.floats(0, 480), st.integers(0, 1000))
def test_pinhole_pixels_survive_rays(fx: float, fy: float, cx: float, cy: float, seed: int) -> None:
    eye = Camera("PINHOLE", WIDTH, HEIGHT, (fx, fy, cx, cy))
    pixels = random_pixels(20, seed)
    rays = eye.rays_from_pixels(pixels)
    np.testing.assert_allclose(eye.pixels_from_points(rays * 3), pixels, atol=1e-8)
    homogeneous = np.column_stack([pixels, np.ones(20)]) @ np.linalg.inv(eye.K).T
    np.testing.assert_allclose(rays, homogeneous / np.linalg.norm(homogeneous, axis=1, keepdims=True), atol=1e-12)


@pytest.mark.parametrize("model", PARAMS)
def test_axes_and_centre_of_the_picture(model: str) -> None:
    eye = camera(model)
    np.testing.assert_allclose(eye.pixels_from_points([[0, 0, 5]]), [[322, 237]], atol=1e-9)
    assert eye.pixels_from_points([[1, 0, 5]])[0, 0] > 323  # x to the right
    assert eye.pixels_from_points([[0, 1, 5]])[0, 1] > 238  # y down
    np.testing.assert_array_equal(eye.principal_point_px, [322, 237])
    expected = PARAMS[model][0] if model in ONE_FOCAL else (PARAMS[model][0] + PARAMS[model][1]) / 2
    assert eye.focal_px == expected
    np.testing.assert_array_equal(eye.K[:, 2], [322, 237, 1])
    assert eye.is_pinhole == (model in {"SIMPLE_PINHOLE", "PINHOLE"})


@pytest.mark.parametrize("model", PARAMS)
def test_what_lies_behind_has_no_pixel_and_nothing_in_gives_nothing_out(model: str) -> None:
    eye = camera(model)
    seen = eye.pixels_from_points([[0.0, 0.0, -1.0], [0.1, 0.1, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, -0.5]])
    np.testing.assert_array_equal(np.isfinite(seen).all(axis=1), [False, True, False, False])
    assert eye.rays_from_pixels(np.zeros((0, 2))).shape == (0, 3)
    assert eye.pixels_from_points(np.zeros((0, 3))).shape == (0, 2)
    assert np.isnan(eye.pixels_from_points([[0, 0, -1]])).all()


def test_pixels_no_ray_comes_from_are_nan() -> None:
    strong = Camera("SIMPLE_RADIAL", WIDTH, HEIGHT, (500, 320, 240, -1.5))
    rays = strong.rays_from_pixels([[0, 0], [320, 240], [5000, 5000]])
    np.testing.assert_array_equal(np.isfinite(rays).all(axis=1), [False, True, False])


@pytest.mark.parametrize("model", PARAMS)
def test_same_numbers_as_pycolmap(model: str) -> None:
    theirs: Any = camera(model).to_pycolmap()
    assert (theirs.model.name, theirs.width, theirs.height) == (model, WIDTH, HEIGHT)
    points = np.column_stack([np.random.default_rng(2).uniform(-0.5, 0.5, (50, 2)), np.ones(50)])
    np.testing.assert_allclose(camera(model).pixels_from_points(points), theirs.img_from_cam(points), atol=1e-9)


@pytest.mark.parametrize("model", PARAMS)
def test_resized_picture_keeps_its_rays(model: str) -> None:
    small = camera(model).scaled(WIDTH // 4, HEIGHT // 4)
    assert (small.width, small.height) == (160, 120)
    pixels = random_pixels()
    np.testing.assert_allclose(small.rays_from_pixels(pixels / 4), camera(model).rays_from_pixels(pixels), atol=1e-8)


@pytest.mark.parametrize("model", [model for model in PARAMS if model not in ONE_FOCAL])
def test_stretched_picture_keeps_its_rays(model: str) -> None:
    stretched = camera(model).scaled(WIDTH * 2, HEIGHT // 2)
    pixels = random_pixels()
    np.testing.assert_allclose(
        stretched.rays_from_pixels(pixels * [2, 0.5]), camera(model).rays_from_pixels(pixels), atol=1e-8
    )


# What EXIF says of the stored picture: (x, y) of a stored pixel -> (x, y) of the same pixel upright.
UPRIGHT = {
    1: lambda x, y: (x, y),
    3: lambda x, y: (WIDTH - x, HEIGHT - y),
    6: lambda x, y: (HEIGHT - y, x),  # stored on its left side: turned clockwise to stand
    8: lambda x, y: (y, WIDTH - x),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_pixels_turn_as_pillow_turns_them(orientation: int) -> None:
    from PIL import Image, ImageOps

    stored = np.zeros((HEIGHT, WIDTH), np.uint8)
    stored[100, 33] = 255
    picture = Image.fromarray(stored)
    picture.getexif()[274] = orientation
    upright = np.asarray(ImageOps.exif_transpose(picture))
    y, x = np.argwhere(upright == 255)[0]
    assert UPRIGHT[orientation](33.5, 100.5) == (x + 0.5, y + 0.5)


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("model", TURNABLE)
def test_upright_camera_sees_the_same_world(model: str, orientation: int) -> None:
    stored = camera(model)
    upright, upright_from_stored = stored.rotated(orientation)
    pixels = random_pixels()
    turned = np.column_stack(UPRIGHT[orientation](pixels[:, 0], pixels[:, 1]))
    assert (upright.width, upright.height) == ((WIDTH, HEIGHT) if orientation in {1, 3} else (HEIGHT, WIDTH))
    np.testing.assert_allclose(
        upright.rays_from_pixels(turned), stored.rays_from_pixels(pixels) @ upright_from_stored.T, atol=1e-8
    )
    points = np.column_stack([np.random.default_rng(3).uniform(-1, 1, (50, 2)), np.full(50, 3.0)])
    seen = stored.pixels_from_points(points)
    np.testing.assert_allclose(
        upright.pixels_from_points(points @ upright_from_stored.T),
        np.column_stack(UPRIGHT[orientation](seen[:, 0], seen[:, 1])),
        atol=1e-8,
    )


@pytest.mark.parametrize("orientation", [0, 2, 4, 5, 7, 9])
def test_mirrored_pictures_are_refused(orientation: int) -> None:
    with pytest.raises(InputError, match=f"orientation {orientation}"):
        camera("PINHOLE").rotated(orientation)


def test_a_model_that_cannot_be_turned_says_so() -> None:
    lens = camera("THIN_PRISM_FISHEYE")
    assert lens.rotated(1)[0] == lens
    with pytest.raises(InputError, match="THIN_PRISM_FISHEYE"):
        lens.rotated(6)


@given(st.floats(1, 179))
def test_field_of_view_is_what_was_asked_for(fov_deg: float) -> None:
    eye = Camera.from_fov(WIDTH, HEIGHT, fov_deg)
    assert eye.fov_deg == pytest.approx(fov_deg)
    left, right = eye.rays_from_pixels([[0, HEIGHT / 2], [WIDTH, HEIGHT / 2]])
    assert np.degrees(np.arccos(left @ right)) == pytest.approx(fov_deg, abs=1e-5)
    assert eye.principal_point_px == (WIDTH / 2, HEIGHT / 2)


@pytest.mark.parametrize("fov_deg", [0.0, -3.0, 180.0, 400.0, float("nan"), float("inf")])
def test_no_camera_has_such_a_field_of_view(fov_deg: float) -> None:
    with pytest.raises(InputError, match="field of view"):
        Camera.from_fov(WIDTH, HEIGHT, fov_deg)


def test_calibration_matrix_of_any_scale() -> None:
    K = np.array([[500.0, 0, 322], [0, 510, 237], [0, 0, 1]])
    for scale in (1.0, 2.5, -3.0):
        eye = Camera.from_K(WIDTH, HEIGHT, K * scale)
        assert eye.model == "PINHOLE"
        assert eye.params == pytest.approx((500, 510, 322, 237))
        np.testing.assert_allclose(eye.K, K)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({(0, 1): 5.0}, "skew"),
        ({(1, 0): 1.0}, "upper triangular"),
        ({(2, 0): 1e-3}, "upper triangular"),
        ({(0, 0): 0.0}, "invertible"),
        ({(2, 2): 0.0}, "invertible"),
        ({(0, 0): float("nan")}, "finite"),
        ({(0, 2): float("inf")}, "finite"),
        ({(0, 0): -500.0}, "positive focal length"),
    ],
)
def test_what_is_no_calibration_matrix(change: dict[tuple[int, int], float], message: str) -> None:
    K = np.array([[500.0, 0, 322], [0, 510, 237], [0, 0, 1]])
    for place, value in change.items():
        K[place] = value
    with pytest.raises(InputError, match=message):
        Camera.from_K(WIDTH, HEIGHT, K)


def test_a_calibration_matrix_is_3_by_3() -> None:
    with pytest.raises(InputError, match="3x3"):
        Camera.from_K(WIDTH, HEIGHT, np.eye(4))


@pytest.mark.parametrize(
    ("model", "size", "params", "message"),
    [
        ("PINHOL", (640, 480), (1, 1, 1, 1), "PINHOL.*SIMPLE_PINHOLE"),
        ("PINHOLE", (640, 480), (500, 500, 320), "4 parameters, not 3"),
        ("SIMPLE_RADIAL", (640, 480), (500, 320, 240), "4 parameters, not 3"),
        ("PINHOLE", (0, 480), (500, 500, 320, 240), "0x480"),
        ("PINHOLE", (640, -1), (500, 500, 320, 240), "640x-1"),
        ("PINHOLE", (640, 480), (0.0, 500, 320, 240), "positive focal"),
        ("PINHOLE", (640, 480), (500, -500, 320, 240), "positive focal"),
        ("PINHOLE", (640, 480), (500, 500, float("nan"), 240), "finite"),
        ("OPENCV", (640, 480), (500, 500, 320, 240, float("inf"), 0, 0, 0), "finite"),
    ],
)
def test_cameras_that_do_not_exist(model: str, size: tuple[int, int], params: tuple[float, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Camera(model, *size, params)


@pytest.mark.parametrize("model", PARAMS)
def test_cameras_are_read_as_written(model: str) -> None:
    numbers = [WIDTH, HEIGHT, *PARAMS[model]]
    for separator in (",", ", ", " "):
        assert Camera.parse(separator.join([model.lower(), *map(str, numbers)])) == camera(model)


@pytest.mark.parametrize(
    "text",
    [
        "PINHOLE",
        "PINHOLE,640",
        "PINHOLE,640,480",
        "PINHOLE,640,480,500,500,320",
        "PINHOLE,640,480,500,500,320,240,1",
        "PINHOLE,640,480,500,five,320,240",
        "640,480,500,500,320,240",
        "LENS,640,480,500,500,320,240",
        "PINHOLE,0,480,500,500,320,240",
        "PINHOLE,640,480,nan,500,320,240",
        "PINHOLE,nan,480,500,500,320,240",
        "PINHOLE,inf,480,500,500,320,240",
        "PINHOLE,640,480,-500,500,320,240",
        "",
        " , ",
        "PINHOLE,640.7,480,500,500,320,240",
    ],
)
def test_text_that_is_no_camera(text: str) -> None:
    with pytest.raises(UsageError, match="is not MODEL,width,height,params"):
        Camera.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_refused_in_words(text: str) -> None:
    with pytest.raises(UsageError):
        Camera.parse(f"PINHOLE,{text}!")
