"""Camera intrinsics: COLMAP's models, pixels to rays and back.

Plain pinholes are computed here; every other model goes through pycolmap, whose parameter order this
module shares (https://colmap.github.io/cameras.html).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geonav.errors import InputError, UsageError

if TYPE_CHECKING:
    import pycolmap

Array = NDArray[np.float64]

_NUM_PARAMS = {
    "SIMPLE_PINHOLE": 3,
    "PINHOLE": 4,
    "SIMPLE_RADIAL": 4,
    "RADIAL": 5,
    "OPENCV": 8,
    "FULL_OPENCV": 12,
    "OPENCV_FISHEYE": 8,
    "FOV": 5,
    "SIMPLE_RADIAL_FISHEYE": 4,
    "RADIAL_FISHEYE": 5,
    "THIN_PRISM_FISHEYE": 12,
}
_ONE_FOCAL = {"SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE"}
_TANGENTIAL = {"OPENCV", "FULL_OPENCV"}
_UNTURNABLE = {"THIN_PRISM_FISHEYE"}
# x' = -y, y' = x: what a quarter turn clockwise of the picture does to camera coordinates.
_QUARTER_TURN = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
_QUARTER_TURNS = {1: 0, 6: 1, 3: 2, 8: 3}


@dataclass(frozen=True)
class Camera:
    """Intrinsics of one picture size.

    Attributes:
        model: COLMAP's name of the camera model.
        width: pixels.
        height: pixels.
        params: the model's parameters in COLMAP's order, in pixels where they are lengths.
    """

    model: str
    width: int
    height: int
    params: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: unknown model, wrong number of parameters, or values no camera has.
        """
        if self.model not in _NUM_PARAMS:
            msg = f"camera model '{self.model}' is not supported: use one of {', '.join(sorted(_NUM_PARAMS))}"
            raise InputError(msg)
        if len(self.params) != _NUM_PARAMS[self.model]:
            msg = f"camera model {self.model} takes {_NUM_PARAMS[self.model]} parameters, not {len(self.params)}"
            raise InputError(msg)
        if self.width < 1 or self.height < 1:
            msg = f"camera size {self.width}x{self.height} must be positive"
            raise InputError(msg)
        if not np.isfinite(self.params).all() or min(self.focal_lengths_px) <= 0:
            msg = f"camera parameters {self.params} must be finite, with a positive focal length"
            raise InputError(msg)

    @classmethod
    def from_fov(cls, width: int, height: int, fov_deg: float) -> Camera:
        """Pinhole with a horizontal field of view in degrees and the principal point in the middle."""
        if not 0 < fov_deg < 180:
            msg = f"field of view {fov_deg} must be between 0 and 180 degrees"
            raise InputError(msg)
        return cls.from_focal(width, height, width / 2 / np.tan(np.radians(fov_deg) / 2))

    @classmethod
    def from_focal(cls, width: int, height: int, focal_px: float) -> Camera:
        """Pinhole with one focal length in pixels and the principal point in the middle."""
        return cls("PINHOLE", width, height, (float(focal_px), float(focal_px), width / 2, height / 2))

    @classmethod
    def from_K(cls, width: int, height: int, K: ArrayLike) -> Camera:
        """Pinhole from a calibration matrix (3, 3) in pixels.

        Raises:
            InputError: the matrix is not an invertible, upper triangular K without skew.
        """
        mat = np.asarray(K, float)
        if mat.shape != (3, 3) or not np.isfinite(mat).all():
            msg = "K must be a finite 3x3 matrix"
            raise InputError(msg)
        scale = mat[2, 2]
        lower = [mat[1, 0], mat[2, 0], mat[2, 1]]
        if abs(scale) < 1e-12 or abs(np.linalg.det(mat)) < 1e-12 or np.abs(lower).max() > 1e-6 * abs(scale):
            msg = "K is not an invertible upper triangular calibration matrix"
            raise InputError(msg)
        mat = mat / scale
        if abs(mat[0, 1]) > 1e-6 * abs(mat[0, 0]):
            msg = f"K has a skew of {mat[0, 1]:g}, which no camera model here has"
            raise InputError(msg)
        return cls("PINHOLE", width, height, (mat[0, 0], mat[1, 1], mat[0, 2], mat[1, 2]))

    @classmethod
    def parse(cls, text: str) -> Camera:
        """Read ``MODEL,width,height,param,...`` as written on a command line.

        Raises:
            UsageError: the text has another form.
        """
        try:
            model, width, height, *params = (part.strip() for part in text.replace(" ", ",").split(",") if part.strip())
            return cls(model.upper(), int(width), int(height), tuple(float(value) for value in params))
        except (ValueError, InputError, OverflowError) as error:
            reason = f" ({error})" if isinstance(error, InputError) else ""
            msg = f"camera '{text}' is not MODEL,width,height,params as in PINHOLE,1536,1024,1380,1380,768,512{reason}"
            raise UsageError(msg) from error

    @property
    def focal_lengths_px(self) -> tuple[float, float]:
        """Focal lengths along x and y in pixels."""
        return (self.params[0], self.params[0]) if self.model in _ONE_FOCAL else self.params[:2]  # type: ignore[return-value]

    @property
    def focal_px(self) -> float:
        """Mean focal length in pixels: pixels per radian at the principal point."""
        return float(np.mean(self.focal_lengths_px))

    @property
    def principal_point_px(self) -> tuple[float, float]:
        """Principal point in pixels."""
        start = 1 if self.model in _ONE_FOCAL else 2
        return self.params[start], self.params[start + 1]

    @property
    def K(self) -> Array:
        """Linear part of the calibration (3, 3) in pixels."""
        (fx, fy), (cx, cy) = self.focal_lengths_px, self.principal_point_px
        return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])

    @property
    def is_pinhole(self) -> bool:
        """Whether the camera has no distortion."""
        return self.model in {"SIMPLE_PINHOLE", "PINHOLE"}

    @property
    def fov_deg(self) -> float:
        """Horizontal field of view in degrees, distortion left aside."""
        return float(2 * np.degrees(np.arctan(self.width / 2 / self.focal_lengths_px[0])))

    def to_pycolmap(self) -> pycolmap.Camera:
        """The same camera as a pycolmap object."""
        import pycolmap

        return pycolmap.Camera(model=self.model, width=self.width, height=self.height, params=list(self.params))

    def rays_from_pixels(self, pixels: ArrayLike) -> Array:
        """Unit directions (N, 3) in the camera frame of pixels (N, 2); NaN where there is none."""
        points = np.asarray(pixels, float).reshape(-1, 2)
        if self.is_pinhole:
            (fx, fy), (cx, cy) = self.focal_lengths_px, self.principal_point_px
            xy = np.stack([(points[:, 0] - cx) / fx, (points[:, 1] - cy) / fy], axis=1)
            rays = np.concatenate([xy, np.ones((len(xy), 1))], axis=1)
        elif len(points) == 0:
            return np.zeros((0, 3))
        else:
            rays = np.asarray(self.to_pycolmap().cam_ray_from_img(points), float)
        unit: Array = rays / np.linalg.norm(rays, axis=1, keepdims=True)
        return unit

    def pixels_from_points(self, points: ArrayLike) -> Array:
        """Pixels (N, 2) of points (N, 3) in the camera frame; NaN for points behind the camera."""
        xyz = np.asarray(points, float).reshape(-1, 3)
        pixels = np.full((len(xyz), 2), np.nan)
        front = xyz[:, 2] > 1e-9
        if self.is_pinhole:
            (fx, fy), (cx, cy) = self.focal_lengths_px, self.principal_point_px
            pixels[front] = xyz[front, :2] / xyz[front, 2:] * [fx, fy] + [cx, cy]
        elif front.any():
            pixels[front] = np.asarray(self.to_pycolmap().img_from_cam(xyz[front]), float)
        return pixels

    def scaled(self, width: int, height: int) -> Camera:
        """The same camera for the picture resized to ``width`` x ``height`` pixels."""
        sx, sy = width / self.width, height / self.height
        params = list(self.params)
        if self.model in _ONE_FOCAL:
            params[0] *= (sx + sy) / 2
            params[1], params[2] = params[1] * sx, params[2] * sy
        else:
            params[0], params[1] = params[0] * sx, params[1] * sy
            params[2], params[3] = params[2] * sx, params[3] * sy
        return Camera(self.model, width, height, tuple(params))

    def rotated(self, exif_orientation: int) -> tuple[Camera, Array]:
        """The camera of the upright picture, and ``upright_from_stored`` (3, 3) of its axes.

        Args:
            exif_orientation: EXIF's orientation of the stored pixels: 1, 3, 6 or 8.

        Raises:
            InputError: mirrored pictures, which no camera takes, and models that cannot be turned.
        """
        if exif_orientation not in _QUARTER_TURNS:
            msg = f"EXIF orientation {exif_orientation} mirrors the picture: no camera model describes that"
            raise InputError(msg)
        camera, turn = self, np.eye(3)
        for _ in range(_QUARTER_TURNS[exif_orientation]):
            camera, turn = camera._turned_clockwise(), _QUARTER_TURN @ turn
        return camera, turn

    def _turned_clockwise(self) -> Camera:
        if self.model in _UNTURNABLE:
            msg = f"camera model {self.model} cannot be turned upright: store its picture upright"
            raise InputError(msg)
        (fx, fy), (cx, cy) = self.focal_lengths_px, self.principal_point_px
        params = [fx] if self.model in _ONE_FOCAL else [fy, fx]
        params += [self.height - cy, cx, *self.params[len(params) + 2 :]]
        if self.model in _TANGENTIAL:  # p1, p2 turn with the axes
            params[6], params[7] = params[7], -params[6]
        return Camera(self.model, self.height, self.width, tuple(params))
