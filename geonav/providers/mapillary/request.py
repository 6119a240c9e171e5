"""What is asked of Mapillary (https://www.mapillary.com/developer/api-documentation)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from geonav.providers.boxes import Tile
from geonav.providers.http import Params

# The only zoom whose tiles hold single images.
TILE_ZOOM = 14
# Images that one call is asked about.
BATCH_SIZE = 50
# Largest first; the addresses are signed and expire, so they are asked for when a picture is fetched and never kept.
PICTURE_FIELDS = ("thumb_original_url", "thumb_2048_url")
FIELDS = (
    "id",
    "geometry",
    "computed_geometry",
    "altitude",
    "computed_altitude",
    "compass_angle",
    "computed_compass_angle",
    "computed_rotation",
    "camera_type",
    "camera_parameters",
    "width",
    "height",
    "exif_orientation",
    "is_pano",
    "captured_at",
    "sequence",
    "creator",
    "make",
    "model",
    "quality_score",
    "merge_cc",
)


def tile_path(tile: Tile) -> str:
    """Path of the vector tile of all public images, by the positions their cameras reported."""
    return f"maps/vtp/mly1_public/2/{tile.zoom}/{tile.x}/{tile.y}"


def entities_request(image_ids: Sequence[str]) -> Params:
    """Parameters of a call at the root for the facts of several images."""
    return {"ids": ",".join(image_ids), "fields": ",".join(FIELDS)}


def addresses_request() -> Params:
    """Parameters of a call at an image's id for the addresses of its picture."""
    return {"fields": ",".join(PICTURE_FIELDS)}


def batches(image_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids in groups that one call takes."""
    for start in range(0, len(image_ids), BATCH_SIZE):
        yield image_ids[start : start + BATCH_SIZE]


def authorization(token: str) -> dict[str, str]:
    """The header that carries the token; in an address it would end up in logs."""
    return {"Authorization": f"OAuth {token}"}
