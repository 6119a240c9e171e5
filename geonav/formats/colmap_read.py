"""Keypoints and points of a COLMAP model, text or binary.

Cameras and poses are read by :mod:`geonav.providers.colmap_files`; this is what an import has no use for. Nothing is
believed of a binary file's counts before the file was seen to be that long.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geonav.errors import InputError
from geonav.formats.colmap import Points
from geonav.formats.lines import broken

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
_NO_POINT = 2**64 - 1
_KEYPOINT = np.dtype([("xy", "<f8", 2), ("point", "<u8")])
_IMAGE, _POINT = struct.Struct("<I7dI"), struct.Struct("<Q3d3Bd")
_POINT_FORM = "not POINT3D_ID X Y Z R G B ERROR (IMAGE_ID POINT2D_IDX)...: export the model again"


@dataclass(frozen=True)
class Observed:
    """The keypoints of one image: (N, 2) pixels, and (N,) index into the points, -1 for none."""

    keypoints: Array
    points: Ints


def read_tracks(folder: Path | str) -> tuple[dict[str, Observed], Points]:
    """Keypoints by image name, and the points they show; binary files are preferred.

    Raises:
        InputError: files are missing or broken; the message names the file and, of text, the line.
    """
    path = Path(folder)
    form = "bin" if (path / "images.bin").is_file() else "txt"
    files = path / f"images.{form}", path / f"points3D.{form}"
    try:
        if form == "bin":
            images, found = dict(_binary_images(files[0])), list(_binary_points(files[1]))
        else:
            images, found = dict(_text_images(files[0])), list(_text_points(files[1]))
    except OSError as error:
        msg = f"COLMAP model {path} cannot be read: {error.strerror or error}"
        raise InputError(msg) from error
    index = {point_id: number for number, (point_id, _, _) in enumerate(found)}
    observed = {}
    for name, (keypoints, ids) in images.items():
        unknown = [point for point in ids if point >= 0 and point not in index]
        if unknown:
            msg = f"{files[0]}: image {name} shows point {unknown[0]}, which {files[1].name} lacks: export it again"
            raise InputError(msg)
        observed[name] = Observed(keypoints, np.array([index.get(point, -1) for point in ids], np.int64))
    xyz = np.array([place for _, place, _ in found], float).reshape(-1, 3)
    return observed, Points(xyz, np.array([error for _, _, error in found], float))


_Image = tuple[str, tuple[Array, list[int]]]
_Point = tuple[int, tuple[float, ...], float]


def _text_images(path: Path) -> Iterator[_Image]:
    lines = iter(enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n"), 1))
    for number, line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split(maxsplit=9)
        below, text = next(lines, (number + 1, ""))
        values = text.split()
        if len(fields) != 10 or len(values) % 3:
            what = "not IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME" if len(fields) != 10 else "not X Y POINT3D_ID..."
            raise broken(path, number if len(fields) != 10 else below, f"{what}: export the model again")
        try:
            table = np.array(values, float).reshape(-1, 3)
            yield fields[9].strip(), (table[:, :2], [int(value) for value in values[2::3]])
        except ValueError as error:
            raise broken(path, below, "not X Y POINT3D_ID...: export the model again") from error


def _text_points(path: Path) -> Iterator[_Point]:
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split()
        try:
            yield int(fields[0]), tuple(float(value) for value in (fields[1], fields[2], fields[3])), float(fields[7])
        except (ValueError, IndexError) as error:
            raise broken(path, number, _POINT_FORM) from error


def _binary_images(path: Path) -> Iterator[_Image]:
    data = path.read_bytes()
    try:
        (count,) = struct.unpack_from("<Q", data)
        at = 8
        for _ in range(count):
            _IMAGE.unpack_from(data, at)
            end = data.index(b"\0", at + _IMAGE.size)
            name = data[at + _IMAGE.size : end].decode("utf-8", errors="replace")
            (length,) = struct.unpack_from("<Q", data, end + 1)
            table = np.frombuffer(data, _KEYPOINT, count=length, offset=end + 9)
            yield name, (table["xy"].copy(), [-1 if point == _NO_POINT else point for point in table["point"].tolist()])
            at = end + 9 + length * _KEYPOINT.itemsize
    except (struct.error, ValueError, OverflowError) as error:
        raise _too_short(path) from error


def _binary_points(path: Path) -> Iterator[_Point]:
    data = path.read_bytes()
    try:
        (count,) = struct.unpack_from("<Q", data)
        at = 8
        for _ in range(count):
            point, x, y, z, _, _, _, error_px = _POINT.unpack_from(data, at)
            (length,) = struct.unpack_from("<Q", data, at + _POINT.size)
            at += _POINT.size + 8 + 8 * length
            if at > len(data):
                raise _too_short(path)
            yield point, (x, y, z), error_px
    except struct.error as error:
        raise _too_short(path) from error


def _too_short(path: Path) -> InputError:
    return InputError(f"COLMAP model is broken: {path}: it ends too early; export it again")
