"""Cameras and images of a COLMAP model, text or binary.

The files are read here and not through ``pycolmap.Reconstruction`` for two reasons: that loads all
points, which an import has no use for, and on a truncated binary it allocates and loops for minutes
(pycolmap 4.2.1). Formats: https://colmap.github.io/format.html. Since COLMAP 3.12 rigs and frames are
written beside; ``images`` still holds camera_from_world of every registered image.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
from numpy.typing import NDArray

from geonav.errors import InputError
from geonav.geometry.pose import pose_matrix

_NAMES = ("cameras", "images")  # points are not looked at
_IMAGE = struct.Struct("<I7dI")
_CAMERA = struct.Struct("<IiQQ")
_COUNT = struct.Struct("<Q")
_POINT2D_BYTES = 24


@dataclass(frozen=True)
class ModelCamera:
    """A camera: COLMAP's model name, width and height in pixels, parameters."""

    model: str
    size: tuple[int, int]
    params: tuple[float, ...]


@dataclass(frozen=True)
class ModelImage:
    """A registered image.

    Attributes:
        name: relative to the folder of images.
        camera: the one it was taken with.
        pose: camera_from_model (4, 4).
    """

    name: str
    camera: ModelCamera
    pose: NDArray[np.float64]


def read_images(path: Path) -> list[ModelImage]:
    """Read the registered images of the model in folder ``path``; binary files are preferred.

    Raises:
        InputError: files are missing or broken; the message names file and line.
    """
    suffix = _suffix(path)
    cameras_file, images_file = path / f"cameras.{suffix}", path / f"images.{suffix}"
    read = (_binary_cameras, _binary_images) if suffix == "bin" else (_text_cameras, _text_images)
    images = []
    try:
        cameras = dict(read[0](cameras_file))
        for name, camera_id, pose in read[1](images_file):
            if camera_id not in cameras:
                msg = f"{images_file}: image {name} names camera {camera_id}, which {cameras_file.name} lacks"
                raise InputError(msg)
            images.append(ModelImage(name, cameras[camera_id], pose))
    except OSError as error:
        msg = f"COLMAP model {path} cannot be read: {error.strerror or error}"
        raise InputError(msg) from error
    return images


def _suffix(path: Path) -> str:
    if not path.is_dir():
        msg = f"there is no COLMAP model at {path}: name the folder that holds cameras and images"
        raise InputError(msg)
    missing = {
        suffix: [f"{name}.{suffix}" for name in _NAMES if not (path / f"{name}.{suffix}").is_file()]
        for suffix in ("bin", "txt")
    }
    suffix = min(missing, key=lambda key: len(missing[key]))
    if missing[suffix]:
        nested = [folder for folder in (path / "sparse" / "0", path / "sparse", path / "0") if folder.is_dir()]
        hint = f"; did you mean {nested[0]}?" if nested else ": name the folder that holds the whole model"
        msg = f"COLMAP model {path} lacks {', '.join(missing[suffix])}{hint}"
        raise InputError(msg)
    return suffix


def _broken(path: Path, what: str, line: int | None = None) -> InputError:
    where = path if line is None else f"{path}, line {line}"
    return InputError(f"COLMAP model is broken: {where}: {what}; export it again")


def _pose(quaternion_wxyz: tuple[float, ...], translation: tuple[float, ...]) -> NDArray[np.float64]:
    w, x, y, z = quaternion_wxyz
    norm = float(np.linalg.norm(quaternion_wxyz))
    if not 0 < norm < np.inf:  # refused with the image's name when it is described
        return np.full((4, 4), np.nan)
    rotation = pycolmap.Rotation3d(np.array([x, y, z, w]) / norm).matrix()
    return pose_matrix(rotation, translation)


def _text_lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8", errors="replace") as stream:
        for number, line in enumerate(stream, 1):
            yield number, line.strip()


def _text_cameras(path: Path) -> Iterator[tuple[int, ModelCamera]]:
    for number, line in _text_lines(path):
        if not line or line.startswith("#"):
            continue
        try:
            camera_id, model, width, height, *params = line.split()
            values = tuple(float(value) for value in params)
            yield int(camera_id), ModelCamera(model, (int(width), int(height)), values)
        except ValueError as error:
            raise _broken(path, "not ID MODEL WIDTH HEIGHT PARAMS...", number) from error


def _text_images(path: Path) -> Iterator[tuple[str, int, NDArray[np.float64]]]:
    lines = _text_lines(path)
    for number, line in lines:
        if not line or line.startswith("#"):
            continue
        try:
            _, *numbers, camera_id, name = line.split(maxsplit=9)
            values = tuple(float(value) for value in numbers)
            found = name, int(camera_id), _pose(values[:4], values[4:7])
        except (ValueError, IndexError) as error:
            what = "not ID QW QX QY QZ TX TY TZ CAMERA_ID NAME"
            raise _broken(path, what, number) from error
        next(lines, None)  # the image's points, possibly an empty line
        yield found


def _binary_cameras(path: Path) -> Iterator[tuple[int, ModelCamera]]:
    with _Reader(path) as reader:
        for _ in range(reader.count(_CAMERA.size)):
            camera_id, model_id, width, height = reader.unpack(_CAMERA)
            model, num_params = _camera_model(path, model_id)
            params = reader.unpack(struct.Struct(f"<{num_params}d"))
            yield camera_id, ModelCamera(model, (width, height), params)


def _binary_images(path: Path) -> Iterator[tuple[str, int, NDArray[np.float64]]]:
    with _Reader(path) as reader:
        for _ in range(reader.count(_IMAGE.size)):
            _, *values, camera_id = reader.unpack(_IMAGE)
            name = reader.name()
            reader.skip(reader.count(_POINT2D_BYTES) * _POINT2D_BYTES)
            yield name, camera_id, _pose(tuple(values[:4]), tuple(values[4:]))


def _camera_model(path: Path, model_id: int) -> tuple[str, int]:
    """Name and number of parameters of a camera model."""
    known = {int(model): model for model in pycolmap.CameraModelId.__members__.values()}
    if model_id not in known or model_id < 0:
        raise _broken(path, f"camera model {model_id} is not known")
    camera = pycolmap.Camera.create_from_model_id(1, known[model_id], 1.0, 1, 1)
    return camera.model_name, len(camera.params)


class _Reader:
    """A binary file from front to back, without loading it; every step beyond its end is an InputError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def __enter__(self) -> _Reader:
        self._stream = self._path.open("rb")
        try:
            self._data = mmap.mmap(self._stream.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            self._stream.close()
            raise _broken(self._path, "it is empty") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._data.close()
        self._stream.close()

    def unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        start = self._offset
        self.skip(form.size)
        return form.unpack_from(self._data, start)

    def skip(self, size: int) -> None:
        if self._offset + size > len(self._data):
            raise _broken(self._path, "it ends too early")
        self._offset += size

    def count(self, least_bytes: int) -> int:
        """A number of items that follow, each of at least so many bytes."""
        (count,) = self.unpack(_COUNT)
        if count * least_bytes > len(self._data) - self._offset:
            raise _broken(self._path, "it ends too early")
        return int(count)

    def name(self) -> str:
        end = self._data.find(b"\0", self._offset)
        if end < 0:
            raise _broken(self._path, "it ends too early")
        name = self._data[self._offset : end]
        self._offset = end + 1
        return name.decode("utf-8", errors="replace")
