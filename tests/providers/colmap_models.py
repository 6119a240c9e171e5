"""COLMAP models of one's choice, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap

from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center

PARAMS = (90.0, 91.0, 47.0, 33.0)


@dataclass(frozen=True)
class View:
    """One image of a model: its name, camera and camera_from_model (4, 4)."""

    name: str
    pose: np.ndarray
    model: str = "PINHOLE"
    size: tuple[int, int] = (96, 64)
    params: tuple[float, ...] = PARAMS


def view(name: str, number: int = 0, **camera: object) -> View:
    """A view that stands and looks differently for each number."""
    rotation = rotation_from_angles(20.0 + 30 * number, 3.0 - number, 2.0 * number)
    return View(name, pose_from_center(rotation, [4.0 * number + 1, 2.0 * number - 3, 1.5]), **camera)  # type: ignore[arg-type]


def write_text(folder: Path, views: Sequence[View]) -> Path:
    """Write a text model."""
    folder.mkdir(parents=True, exist_ok=True)
    cameras, images = [], []
    for number, item in enumerate(views, 1):
        x, y, z, w = pycolmap.Rotation3d(item.pose[:3, :3]).quat
        numbers = " ".join(repr(float(value)) for value in (w, x, y, z, *item.pose[:3, 3]))
        params = " ".join(repr(value) for value in item.params)
        cameras.append(f"{number} {item.model} {item.size[0]} {item.size[1]} {params}\n")
        images.append(f"{number} {numbers} {number} {item.name}\n\n")
    (folder / "cameras.txt").write_text("".join(cameras))
    (folder / "images.txt").write_text("".join(images))
    (folder / "points3D.txt").write_text("")
    return folder


def write_binary(folder: Path, views: Sequence[View]) -> Path:
    """Write a binary model."""
    text = write_text(folder.with_name(folder.name + "-text"), views)
    folder.mkdir(parents=True, exist_ok=True)
    pycolmap.Reconstruction(text).write_binary(folder)
    return folder
