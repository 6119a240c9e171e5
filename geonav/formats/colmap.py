"""COLMAP models as text and as binary: cameras, poses, keypoints and points.

Both are written with nothing but the standard library, in the form that every COLMAP since 3.0 reads
(https://colmap.github.io/format.html). One camera is written for all images whose cameras are equal.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geonav.data.files import atomic_write_bytes, storage_errors
from geonav.errors import InputError
from geonav.formats.quaternions import pose_numbers
from geonav.geometry.camera import Camera

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
# COLMAP's numbers of its camera models; fixed, for they stand in binary files.
_MODEL_IDS = {
    "SIMPLE_PINHOLE": 0, "PINHOLE": 1, "SIMPLE_RADIAL": 2, "RADIAL": 3, "OPENCV": 4, "OPENCV_FISHEYE": 5,
    "FULL_OPENCV": 6, "FOV": 7, "SIMPLE_RADIAL_FISHEYE": 8, "RADIAL_FISHEYE": 9, "THIN_PRISM_FISHEYE": 10,
}  # fmt: skip
_NO_POINT = 2**64 - 1


@dataclass(frozen=True)
class PosedImage:
    """An image of a model.

    Attributes:
        name: relative to the folder of images, with forward slashes.
        camera: of the picture as it is stored.
        pose: camera_from_world (4, 4).
        keypoints: (N, 2) pixels; none where the model holds poses alone.
        points: (N,) index of the point that each keypoint shows, -1 for none.
    """

    name: str
    camera: Camera
    pose: Array
    keypoints: Array = field(default_factory=lambda: np.zeros((0, 2)))
    points: Ints = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class Points:
    """Points of a model.

    Attributes:
        xyz: (P, 3) world metres.
        errors_px: (P,) mean reprojection error.
    """

    xyz: Array
    errors_px: Array

    @classmethod
    def none(cls) -> Points:
        """No points."""
        return cls(np.zeros((0, 3)), np.zeros(0))


def write_model(
    folder: Path | str,
    images: Sequence[PosedImage],
    points: Points | None = None,
    *,
    form: Literal["txt", "bin"] = "bin",
) -> None:
    """Write ``cameras``, ``images`` and ``points3D`` as text or binary.

    Args:
        folder: made if it is missing. Files of the other form in it are an error: readers would take the wrong ones.
        images: in the order of their numbers, which begin at 1.
        points: what the images' keypoints show; None for a model of poses alone.
        form: ``txt`` or ``bin``.

    Raises:
        InputError: two images of one name, a name that the form cannot hold, or the folder holds the other form.
        StorageError: the folder cannot be written.
    """
    target = Path(folder)
    _check_names(images, form)
    other = target / f"images.{'txt' if form == 'bin' else 'bin'}"
    if other.exists():
        msg = f"{other} is there: programs would not know which of the two to read; remove it or choose another folder"
        raise InputError(msg)
    points = points or Points.none()
    cameras = list(dict.fromkeys(image.camera for image in images))
    ids = {camera: number for number, camera in enumerate(cameras, 1)}
    tracks = _tracks(images, len(points.xyz))
    parts = (_text if form == "txt" else _binary)(cameras, images, ids, points, tracks)
    with storage_errors(target):
        target.mkdir(parents=True, exist_ok=True)
    for name, content in parts.items():
        atomic_write_bytes(target / f"{name}.{form}", content)


def _check_names(images: Sequence[PosedImage], form: str) -> None:
    seen: set[str] = set()
    for image in images:
        if image.name in seen:
            msg = f"two images are named '{image.name}': a model tells them apart by name alone"
            raise InputError(msg)
        if not image.name or image.name != image.name.strip() or set(image.name) & set("\n\r\0"):
            msg = f"image name {image.name!r} cannot stand in a COLMAP model: rename it"
            raise InputError(msg)
        if form == "txt" and image.name.split() != [image.name]:
            msg = f"COLMAP reads image name '{image.name}' of a text model up to its blank: write a binary model"
            raise InputError(msg)
        seen.add(image.name)


def _tracks(images: Sequence[PosedImage], num_points: int) -> list[list[tuple[int, int]]]:
    """For each point, number of the image and of the keypoint of every observation."""
    tracks: list[list[tuple[int, int]]] = [[] for _ in range(num_points)]
    for number, image in enumerate(images, 1):
        for keypoint in np.flatnonzero(image.points >= 0):
            tracks[int(image.points[keypoint])].append((number, int(keypoint)))
    return tracks


def _numbers(values: Sequence[float] | Array) -> str:
    return " ".join(repr(float(value)) for value in values)


def _text(
    cameras: Sequence[Camera],
    images: Sequence[PosedImage],
    ids: dict[Camera, int],
    points: Points,
    tracks: list[list[tuple[int, int]]],
) -> dict[str, bytes]:
    camera_lines = [
        f"{ids[camera]} {camera.model} {camera.width} {camera.height} {_numbers(camera.params)}\n" for camera in cameras
    ]
    image_lines = ["# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME; then X, Y, POINT3D_ID of each keypoint\n"]
    for number, image in enumerate(images, 1):
        image_lines.append(f"{number} {_numbers(pose_numbers(image.pose))} {ids[image.camera]} {image.name}\n")
        keypoints = (
            f"{_numbers(xy)} {point + 1 if point >= 0 else -1}"
            for xy, point in zip(image.keypoints, image.points, strict=True)
        )
        image_lines.append(" ".join(keypoints) + "\n")
    point_lines = ["# POINT3D_ID, X, Y, Z, R, G, B, ERROR, (IMAGE_ID, POINT2D_IDX)...\n"]
    for number, (xyz, error, track) in enumerate(zip(points.xyz, points.errors_px, tracks, strict=True), 1):
        seen = " ".join(f"{image} {keypoint}" for image, keypoint in track)
        point_lines.append(f"{number} {_numbers(xyz)} 128 128 128 {float(error)!r} {seen}\n")
    lines = {"cameras": ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS\n", *camera_lines]}
    lines |= {"images": image_lines, "points3D": point_lines}
    return {name: "".join(text).encode() for name, text in lines.items()}


def _binary(
    cameras: Sequence[Camera],
    images: Sequence[PosedImage],
    ids: dict[Camera, int],
    points: Points,
    tracks: list[list[tuple[int, int]]],
) -> dict[str, bytes]:
    camera_parts = [struct.pack("<Q", len(cameras))]
    for camera in cameras:
        head = struct.pack("<IiQQ", ids[camera], _MODEL_IDS[camera.model], camera.width, camera.height)
        camera_parts.append(head + struct.pack(f"<{len(camera.params)}d", *camera.params))
    image_parts = [struct.pack("<Q", len(images))]
    for number, image in enumerate(images, 1):
        image_parts.append(struct.pack("<I7dI", number, *pose_numbers(image.pose), ids[image.camera]))
        image_parts.append(image.name.encode() + b"\0" + struct.pack("<Q", len(image.keypoints)))
        table = np.zeros(len(image.keypoints), [("xy", "<f8", 2), ("point", "<u8")])
        table["xy"] = image.keypoints
        table["point"] = np.where(
            image.points >= 0, image.points.astype(np.uint64) + np.uint64(1), np.uint64(_NO_POINT)
        )
        image_parts.append(table.tobytes())
    point_parts = [struct.pack("<Q", len(points.xyz))]
    for number, (xyz, error, track) in enumerate(zip(points.xyz, points.errors_px, tracks, strict=True), 1):
        point_parts.append(struct.pack("<Q3d3BdQ", number, *xyz, 128, 128, 128, error, len(track)))
        point_parts.append(np.array(track, "<u4").tobytes())
    parts = {"cameras": camera_parts, "images": image_parts, "points3D": point_parts}
    return {name: b"".join(part) for name, part in parts.items()}
