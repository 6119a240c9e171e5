"""Pictures that another tool's list describes, with whatever it knows: camera, pose, position, heading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geonav.data.images import StorableImage
from geonav.data.metadata import ImageMetadata, camera_fields, pose_fields
from geonav.errors import InputError
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint, LocalFrame
from geonav.geometry.pose import nearest_rotation, pose_matrix
from geonav.providers.source import Candidate, Described, Trust

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ListedImage:
    """What a list says of a picture.

    Attributes:
        name: of the picture in the list.
        path: the file.
        size: width and height in pixels as stored; None where the list does not say.
        camera: of the stored pixels.
        pose: camera_from_world (4, 4) of the stored pixels' axes, in the list's world.
        place: used where there is no pose; a height of None is not known.
        heading_deg: of the optical axis, clockwise from true north; used where there is no pose.
        notes: what should be known about it.
    """

    name: str
    path: Path
    size: tuple[int, int] | None = None
    camera: Camera | None = None
    pose: Array | None = None
    place: tuple[float, float, float | None] | None = None
    heading_deg: float | None = None
    notes: tuple[str, ...] = ()


def candidates(
    images: Sequence[ListedImage], world_from_list: Array | None, frame: LocalFrame, trust: Trust, provider: str
) -> list[Candidate]:
    """The pictures, described in ``frame``.

    Args:
        images: as listed.
        world_from_list: rigid transform (4, 4) from the list's world to ``frame``; None where poses cannot be used.
        frame: the database's.
        trust: stored with each picture.
        provider: stored with each picture.
    """
    list_from_world = None if world_from_list is None else np.asarray(np.linalg.inv(world_from_list), float)

    def candidate(image: ListedImage) -> Candidate:
        def describe(picture: StorableImage) -> Described:
            fields = _picture_fields(image, picture)
            fields |= _place_fields(image, picture, list_from_world, frame)
            metadata = ImageMetadata(
                **fields,
                provider=provider,
                captured_at=picture.exif.captured_at,
                position_std_m=trust.position_std_m,
                heading_std_deg=trust.heading_std_deg,
            )
            return Described(metadata, image.notes)

        return Candidate(image.name, image.path, describe)

    return [candidate(image) for image in images]


def _picture_fields(image: ListedImage, picture: StorableImage) -> dict[str, Any]:
    if image.size is not None and image.size != picture.stored_size:
        sizes = "{}x{} pixels, in the list {}x{}".format(*picture.stored_size, *image.size)
        msg = f"it has {sizes}: give the pictures that the list was made for"
        raise InputError(msg)
    if image.camera is None:
        return {"w": picture.size[0], "h": picture.size[1], "K": None}
    return camera_fields(image.camera.rotated(picture.exif.orientation)[0])


def _place_fields(
    image: ListedImage, picture: StorableImage, list_from_world: Array | None, frame: LocalFrame
) -> dict[str, Any]:
    if image.pose is not None and list_from_world is not None:
        pose = image.pose @ list_from_world
        pose[:3, :3] = nearest_rotation(pose[:3, :3])
        turn = Camera.from_focal(*picture.stored_size, 1.0).rotated(picture.exif.orientation)[1]
        return pose_fields(pose_matrix(turn, np.zeros(3)) @ pose, frame)
    if image.place is None:
        msg = "the list says neither its pose nor its position"
        if image.pose is not None:
            msg = "its pose is in a world that has no place on Earth: give --origin"
        raise InputError(msg)
    lat, lng, alt = image.place
    fields: dict[str, Any] = {"lat": lat, "lng": lng, "alt": alt}
    return fields if image.heading_deg is None else fields | {"azn": image.heading_deg}


def middle(images: Sequence[ListedImage]) -> GeoPoint | None:
    """The median position of those that have one, or None."""
    from geonav.geometry.geodesy import ecef_from_geo, geo_from_ecef

    places = [image.place for image in images if image.place is not None]
    if not places:
        return None
    heights = [alt for _, _, alt in places if alt is not None]
    ecef = ecef_from_geo([lat for lat, _, _ in places], [lng for _, lng, _ in places], 0.0)
    lat, lng, _ = geo_from_ecef(np.median(ecef, axis=0))
    return GeoPoint(float(lat), float(lng), float(np.median(heights)) if heights else 0.0)
