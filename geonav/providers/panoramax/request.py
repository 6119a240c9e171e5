"""What is asked of Panoramax (https://docs.panoramax.fr/api; STAC API item search)."""

from __future__ import annotations

from urllib.parse import urlsplit

from geonav.errors import NetworkError
from geonav.providers.http import Params

SEARCH_PATH = "api/search"
# Tiles of about 400 m in the middle of Europe: few hold more pictures than one answer does.
TILE_ZOOM = 16
# Items of one answer. A search comes sorted by distance to the box's middle and has no reliable further pages, so an
# answer this long counts as cut off and its box is split.
LIMIT = 1000
# A box this small, about 2 m, is not split any more.
MIN_SIDE_DEG = 2e-5

Box = tuple[float, float, float, float]


def search_request(box: Box) -> Params:
    """Parameters of a search in south, west, north, east degrees."""
    south, west, north, east = box
    return {"bbox": f"{west:.8f},{south:.8f},{east:.8f},{north:.8f}", "limit": LIMIT}


def item_request(item_id: str) -> Params:
    """Parameters of a search for one item, wherever it is."""
    return {"ids": item_id, "limit": 1}


def quarters(box: Box) -> list[Box]:
    """The four boxes that one consists of; none where it is too small to be split."""
    south, west, north, east = box
    if max(north - south, east - west) < MIN_SIDE_DEG:
        return []
    lat, lng = (south + north) / 2, (west + east) / 2
    return [
        (low, left, high, right)
        for low, high in ((south, lat), (lat, north))
        for left, right in ((west, lng), (lng, east))
    ]


def picture_address(address: str, base_url: str) -> str:
    """An asset's address, checked: an answer must not send us to files or to other kinds of services.

    Raises:
        NetworkError: it is no http(s) address.
    """
    if urlsplit(address).scheme in {"http", "https"}:
        return address
    if address.startswith("/"):
        return f"{base_url.rstrip('/')}{address}"
    msg = f"Panoramax gave '{address[:80]}' for a picture, which is no http(s) address; run the command again"
    raise NetworkError(msg)
