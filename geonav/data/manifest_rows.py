"""What the rows of the manifest hold, and how a panorama is written into one of them."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from geonav.data.survey import Panorama, SearchQuery, ViewSpec
from geonav.geometry.camera import Camera


class Status(StrEnum):
    """How far a query, a height or a view has come.

    ``PENDING`` is still to be asked for, ``NOTHING`` was answered with nothing, ``FAILED`` may work another time,
    ``MISSING`` is not, or no longer, to be had.
    """

    PENDING = "pending"
    DONE = "done"
    NOTHING = "nothing"
    FAILED = "failed"
    MISSING = "missing"


@dataclass(frozen=True)
class Ground:
    """The ground's height below a panorama.

    Attributes:
        height_m: metres above ``datum``.
        datum: wgs84, egm96, egm2008 or local.
        source: name of the height source.
    """

    height_m: float
    datum: str
    source: str


@dataclass(frozen=True)
class StoredQuery:
    """A search and how far it has come."""

    provider: str
    query: SearchQuery
    status: Status
    reason: str | None
    attempts: int


@dataclass(frozen=True)
class StoredView:
    """A view of a panorama and how far it has come.

    Attributes:
        spec: which view.
        status: how far it has come.
        reason: why it failed or is missing.
        attempts: fetches that came to an end.
        uid: its entry in the database.
        stamp: of what its entry's metadata was made from; None while there is no entry.
        is_refresh: whether its entry's picture is out of date.
    """

    spec: ViewSpec
    status: Status
    reason: str | None
    attempts: int
    uid: str
    stamp: str | None = None
    is_refresh: bool = False


@dataclass(frozen=True)
class StoredPanorama:
    """A panorama, what is known of the ground below it, and its views.

    Attributes:
        panorama: as its provider describes it.
        is_gone: whether its provider no longer finds it.
        height_status: of the search for the ground's height; None where the panorama knows its own height.
        ground: None where it is not known.
        views: planned ones, in the order of their index.
    """

    panorama: Panorama
    is_gone: bool
    height_status: Status | None
    ground: Ground | None
    views: tuple[StoredView, ...] = ()


def panorama_to_json(panorama: Panorama) -> str:
    """A panorama as one line of JSON; equal panoramas give equal lines."""
    return json.dumps(dataclasses.asdict(panorama), sort_keys=True, separators=(",", ":"), allow_nan=False)


def panorama_from_json(text: str) -> Panorama:
    """The panorama behind a line of :func:`panorama_to_json`."""
    fields: dict[str, Any] = json.loads(text)
    camera = fields.pop("camera")
    if camera is not None:
        camera = Camera(camera["model"], camera["width"], camera["height"], tuple(camera["params"]))
    return Panorama(**fields, camera=camera)
