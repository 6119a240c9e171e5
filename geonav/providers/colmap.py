"""Pictures and poses of a COLMAP model, text or binary.

The model's cameras belong to the pixels as they are stored, because COLMAP does not apply EXIF's
orientation. Where a picture is stored turned and its camera has the size of the stored pixels, camera
and pose are turned upright with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geonav.data.images import StorableImage
from geonav.data.metadata import ImageMetadata, camera_fields, pose_fields
from geonav.errors import InputError
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint, LocalFrame, geo_from_ecef
from geonav.geometry.pose import camera_center, is_rotation, nearest_rotation, pose_matrix
from geonav.providers.colmap_files import ModelImage, read_images
from geonav.providers.source import Candidate, Described, Trust

Array = NDArray[np.float64]
DEFAULT_TRUST = Trust(position_std_m=0.006, heading_std_deg=0.02)
# Distances from the Earth's centre that a camera can have: 20 km below the poles to 100 km up.
_EARTH_M = (6.336e6, 6.478e6)


@dataclass(frozen=True)
class ColmapModel:
    """The registered images of a model, by name."""

    path: Path
    images: tuple[ModelImage, ...]

    @property
    def centers(self) -> Array:
        """Camera centres (N, 3) in the model's frame."""
        return camera_center(np.stack([image.pose for image in self.images]))

    @property
    def is_geo_registered(self) -> bool:
        """Whether the model's frame is Earth-centred (ECEF): its cameras stand on the Earth's surface."""
        radii = np.linalg.norm(self.centers, axis=1)
        return bool(((radii > _EARTH_M[0]) & (radii < _EARTH_M[1])).all())

    def centroid(self) -> GeoPoint:
        """Mean position of the cameras of a geo-registered model."""
        lat, lng, alt = geo_from_ecef(self.centers.mean(axis=0))
        return GeoPoint(float(lat), float(lng), float(alt))


def read_model(path: Path) -> ColmapModel:
    """Read the registered images of a model.

    Raises:
        InputError: files are missing or broken, or no image is registered.
    """
    images = read_images(path)
    if not images:
        msg = f"COLMAP model {path} holds no registered image: nothing to import"
        raise InputError(msg)
    return ColmapModel(path, tuple(sorted(images, key=lambda image: image.name)))


def candidates(
    model: ColmapModel, images_folder: Path, world_from_model: Array, frame: LocalFrame, trust: Trust
) -> list[Candidate]:
    """The model's pictures, described in ``frame``.

    Args:
        model: what :func:`read_model` gave.
        images_folder: where the pictures lie.
        world_from_model: rigid transform (4, 4) from the model's frame to ``frame``.
        frame: the database's.
        trust: stored with each picture.
    """
    model_from_world: Array = np.asarray(np.linalg.inv(world_from_model), float)

    def candidate(image: ModelImage) -> Candidate:
        def describe(picture: StorableImage) -> Described:
            return Described(_describe(image, picture, model_from_world, frame, trust))

        return Candidate(image.name, images_folder / image.name, describe)

    return [candidate(image) for image in model.images]


def world_from_ecef(frame: LocalFrame) -> Array:
    """Rigid transform (4, 4) from Earth-centred metres to ``frame``."""
    return pose_matrix(frame.enu_from_ecef_rotation, frame.enu_from_ecef(np.zeros(3)))


def _describe(
    image: ModelImage, picture: StorableImage, model_from_world: Array, frame: LocalFrame, trust: Trust
) -> ImageMetadata:
    camera = Camera(image.camera.model, *image.camera.size, image.camera.params)
    size = image.camera.size
    pose = image.pose @ model_from_world
    if not np.isfinite(pose).all() or not is_rotation(pose[:3, :3]):
        msg = "its pose in the model is not a rotation and a finite position"
        raise InputError(msg)
    pose[:3, :3] = nearest_rotation(pose[:3, :3])
    if picture.exif.orientation != 1 and size == picture.stored_size:
        camera, upright_from_stored = camera.rotated(picture.exif.orientation)
        pose = pose_matrix(upright_from_stored, np.zeros(3)) @ pose
    elif size != picture.size:
        sizes = f"{picture.size[0]}x{picture.size[1]} pixels, its camera in the model {size[0]}x{size[1]}"
        msg = f"it has {sizes}: give the pictures that the model was made from"
        raise InputError(msg)
    return ImageMetadata(
        **camera_fields(camera),
        **pose_fields(pose, frame),
        provider="colmap",
        captured_at=picture.exif.captured_at,
        position_std_m=trust.position_std_m,
        heading_std_deg=trust.heading_std_deg,
    )
