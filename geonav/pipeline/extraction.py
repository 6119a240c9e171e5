"""From a picture file to its local features, decoding no more of it than they need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.data.images import Photo, read_image, read_mask
from geonav.errors import ImageError
from geonav.vision.base import LocalExtractor, Mask

# A JPEG decoded at a fraction of its size keeps at least this many times the size that features are found at.
_LEAST_SCALE = 1.5


def least_side_px(config: GeonavConfig) -> int:
    """The longer side that a picture must at least be decoded with to find local features in it."""
    return round(_LEAST_SCALE * config.local.max_side_px)


def read_entry(database: Database, uid: str, least_side_px: int | None) -> tuple[Photo, Mask | None]:
    """The picture of an entry, decoded at a fraction of its size if that does, and its mask of the decoded size.

    Raises:
        DatabaseError: there is no such entry.
        ImageError: the picture or the mask cannot be read.
    """
    photo = read_image(database.image_path(uid), least_side_px=least_side_px)
    return photo, mask_of(photo, database.mask_path(uid))


def mask_of(photo: Photo, path: Path | str | None) -> Mask | None:
    """The mask in a file, made the size of the photo's decoded pixels; None where there is none.

    Raises:
        ImageError: it cannot be read or has another shape than the photo.
    """
    return read_mask(path, (photo.pixels.shape[1], photo.pixels.shape[0]))


def given_mask(mask: Path | str | None, photo: Photo) -> Mask | None:
    """The mask that was asked for, as :func:`mask_of`.

    Raises:
        ImageError: it does not exist, cannot be read or has another shape than the photo.
    """
    if mask is not None and not Path(mask).is_file():
        msg = f"the mask {mask} does not exist: name a picture of the photo's size"
        raise ImageError(msg)
    return mask_of(photo, mask)


def extract(extractor: LocalExtractor, photo: Photo, mask: Mask | None) -> LocalFeatures:
    """The features of a photo in pixels of its full size; ``mask`` is of the size of its decoded pixels."""
    return in_full_size(extractor.extract([photo.pixels], [mask])[0], photo)


def extract_all(extractor: LocalExtractor, photos: Sequence[Photo]) -> list[LocalFeatures]:
    """The features of several photos, computed together where their sizes and the settings allow it."""
    found = extractor.extract([photo.pixels for photo in photos])
    return [in_full_size(features, photo) for features, photo in zip(found, photos, strict=True)]


def in_full_size(features: LocalFeatures, photo: Photo) -> LocalFeatures:
    """Features of the decoded pixels of a photo, in pixels of its full size."""
    if photo.reduced == 1:
        return features
    return LocalFeatures(features.keypoints * photo.reduced, features.scores, features.descriptors)
