"""The photo to be located: its picture, its camera and how sure that camera is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from geonav.data.exif import camera_from_exif
from geonav.data.features import LocalFeatures
from geonav.data.images import Photo, Picture, read_image
from geonav.data.results import KSource
from geonav.errors import ImageError
from geonav.geometry.camera import Camera

# What calibrated intrinsics are good for: the focal length to 0.03 %, the principal point to 0.02 % of the width.
_KNOWN_FOCAL_STD_REL = 3e-4
_KNOWN_CENTER_STD_REL = 2e-4
# Principal points of consumer cameras lie within about one percent of the longer side of the middle.
_FREE_CENTER_STD_REL = 1e-2
_MAX_PINHOLE_FOV_DEG = 150.0
# Pixels are square to a few parts in a thousand; a lens without calibration bends by a few percent.
_ASPECT_STD = 2e-3
_RADIAL_STD = 3e-2
# A photo that says nothing was most likely taken with a lens between 20 and 70 mm (35 mm equivalent).
_GUESSED_FOCAL_REL = 1.1
_GUESSED_FOCAL_STD_REL = 1.0


@dataclass(frozen=True)
class QueryPhoto:
    """A decoded photo and its camera.

    Attributes:
        photo: pixels and EXIF.
        camera: intrinsics of the upright picture.
        source: where they came from; "estimated" where the focal length is only a guess so far.
        intrinsics_std: standard deviations (5,) of focal length and principal point in pixels, of the
            aspect fy / fx - 1 and of the radial distortion k1.
        notes: what a careful reader should know.
    """

    photo: Photo
    camera: Camera
    source: KSource
    intrinsics_std: np.ndarray[tuple[int], np.dtype[np.float64]]
    notes: tuple[str, ...] = ()

    @property
    def is_calibrated(self) -> bool:
        """Whether the intrinsics are known well enough to be held fixed."""
        return self.source in {"given", "metadata"}


@dataclass(frozen=True)
class PreparedPhoto:
    """A photo whose features are known.

    Attributes:
        query: its picture and camera.
        features: in pixels of its full size.
        seconds: wall time of each stage so far.
    """

    query: QueryPhoto
    features: LocalFeatures
    seconds: dict[str, float] = field(default_factory=dict)


def read_query(
    picture: Picture, camera: Camera | None = None, source: KSource = "given", least_side_px: int | None = None
) -> QueryPhoto:
    """Read a photo and find its camera: the one given, else EXIF's, else a guess to be improved on.

    Args:
        picture: the photo.
        camera: calibration of its upright picture, or of its stored pixels if EXIF turns them.
        source: what to call a given calibration.
        least_side_px: see :func:`geonav.data.images.read_image`.

    Raises:
        ImageError: the photo cannot be read, or the camera is of another picture size.
    """
    photo = read_image(picture, least_side_px=least_side_px)
    notes = tuple(f"EXIF: {warning}" for warning in photo.exif.warnings)
    if camera is not None:
        camera = _fitting(camera, photo)
        if camera.is_pinhole and camera.fov_deg > _MAX_PINHOLE_FOV_DEG:
            msg = f"{photo.path}: no pinhole camera sees {camera.fov_deg:.0f} degrees: check its focal length"
            raise ImageError(msg)
        std = _stds(camera, _KNOWN_FOCAL_STD_REL, _KNOWN_CENTER_STD_REL)
        return QueryPhoto(photo, camera, source, std, notes)
    width, height = photo.size
    found = camera_from_exif(photo.exif, width, height)
    if found is not None:
        std = _stds(found.camera, found.focal_std_rel, _FREE_CENTER_STD_REL)
        return QueryPhoto(photo, found.camera, found.source, std, notes)
    guess = Camera.from_focal(width, height, _GUESSED_FOCAL_REL * max(width, height))
    std = _stds(guess, _GUESSED_FOCAL_STD_REL, _FREE_CENTER_STD_REL)
    return QueryPhoto(photo, guess, "estimated", std, notes)


def _stds(camera: Camera, focal_rel: float, center_rel: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    center = center_rel * max(camera.width, camera.height)
    return np.array([focal_rel * camera.focal_px, center, center, _ASPECT_STD, _RADIAL_STD])


def _fitting(camera: Camera, photo: Photo) -> Camera:
    """The given camera for the upright picture."""
    if (camera.width, camera.height) == photo.size:
        return camera
    if photo.orientation in (6, 8) and (camera.height, camera.width) == photo.size:
        return camera.rotated(photo.orientation)[0]
    width, height = photo.size
    msg = f"{photo.path} is {width}x{height} but the camera is for {camera.width}x{camera.height}: give its own"
    raise ImageError(msg)
