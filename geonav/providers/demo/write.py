"""Photos, their COLMAP model and their true poses on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geonav.geometry.pose import camera_center
from geonav.providers.demo.photo import Conditions, jpeg_bytes, render

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geonav.geometry.camera import Camera
    from geonav.geometry.geodesy import GeoPoint
    from geonav.providers.demo.poses import Shot
    from geonav.providers.demo.scene import Scene


@dataclass(frozen=True)
class Taken:
    """A photo that was taken.

    Attributes:
        folder: It lies in, below the data set's.
        shot: What was taken.
    """

    folder: str
    shot: Shot

    @property
    def path(self) -> str:
        """Below the data set's folder, with forward slashes."""
        return f"{self.folder}/{self.shot.name}"


@dataclass(frozen=True)
class Photographer:
    """Takes the photos of a data set.

    Attributes:
        scene: What is photographed.
        conditions: Draws light and exposure of each photo.
        seed: Of conditions and noise; each photo has its own stream, so order does not matter.
    """

    scene: Scene
    conditions: Callable[[np.random.Generator], Conditions]
    seed: int = 0

    def take(self, shot: Shot) -> bytes:
        """The JPEG of a shot."""
        rng = np.random.default_rng([self.seed, *shot.name.encode()])
        conditions = self.conditions(rng)
        picture = render(self.scene, shot.camera, shot.E, conditions, rng)
        return jpeg_bytes(picture, conditions.exposure.jpeg_quality)


def write_photos(root: Path, folder: str, photographer: Photographer, shots: Sequence[Shot]) -> list[Taken]:
    """Take photos and write them to root/folder."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    for shot in shots:
        (root / folder / shot.name).write_bytes(photographer.take(shot))
    return [Taken(folder, shot) for shot in shots]


def write_colmap(folder: Path, shots: Sequence[Shot]) -> None:
    """Write a COLMAP text model of poses without points; its world is ENU.

    The format is COLMAP's (https://colmap.github.io/format.html): quaternions (w, x, y, z) and
    translations of camera_from_world, two lines an image, the second empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cameras: dict[Camera, int] = {}
    for shot in shots:
        cameras.setdefault(shot.camera, len(cameras) + 1)
    lines = [
        " ".join(map(str, [number, c.model, c.width, c.height, *map(repr, map(float, c.params))]))
        for c, number in cameras.items()
    ]
    _write_lines(folder / "cameras.txt", lines)
    lines = []
    for number, shot in enumerate(shots, start=1):
        numbers = [*quaternion(shot.E[:3, :3]), *shot.E[:3, 3].tolist()]
        values = " ".join(repr(float(x)) for x in numbers)
        lines += [f"{number} {values} {cameras[shot.camera]} {shot.name}", ""]
    _write_lines(folder / "images.txt", lines)
    _write_lines(folder / "points3D.txt", [])


def write_truth(path: Path, origin: GeoPoint, photos: Sequence[Taken]) -> None:
    """Write the true poses as JSON.

    It holds `origin` (lat, lng, alt) and per image `image`, `w`, `h`, `K`, `E` (camera_from_world,
    ENU metres), `enu` (camera centre), `covered`, and `camera_model` and `camera_params` as COLMAP
    names them.
    """
    images = [
        {
            "image": photo.path,
            "w": photo.shot.camera.width,
            "h": photo.shot.camera.height,
            "K": photo.shot.camera.K.tolist(),
            "E": photo.shot.E.tolist(),
            "enu": camera_center(photo.shot.E).tolist(),
            "covered": photo.shot.covered,
            "camera_model": photo.shot.camera.model,
            "camera_params": [float(x) for x in photo.shot.camera.params],
        }
        for photo in photos
    ]
    place = {"lat": origin.lat_deg, "lng": origin.lng_deg, "alt": origin.alt_m}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"origin": place, "images": images}, indent=1), encoding="utf-8")


def quaternion(rotation: np.ndarray) -> list[float]:
    """(w, x, y, z), w >= 0, of a rotation (3, 3): the eigenvector of Bar-Itzhack's matrix."""
    r = np.asarray(rotation, float)
    k = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], 0, 0, 0],
            [r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], 0, 0],
            [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1], 0],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], np.trace(r)],
        ]
    )
    x, y, z, w = np.linalg.eigh(k)[1][:, -1].tolist()
    return [w, x, y, z] if w >= 0 else [-w, -x, -y, -z]


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
