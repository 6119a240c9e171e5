"""Another database of geonav's structure, whoever made it.

A database that geonav did not make has no origin written down. It is worked out from entries that
have both ``E`` and ``lat lng alt``, and taken only when all of them agree with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geonav.data.database import Database
from geonav.data.images import StorableImage
from geonav.data.metadata import ImageMetadata, pose_fields
from geonav.errors import DatabaseError, InputError
from geonav.geometry.geodesy import GeoPoint, LocalFrame
from geonav.geometry.pose import camera_center
from geonav.providers.source import Candidate, Described, Trust

Array = NDArray[np.float64]
DEFAULT_TRUST = Trust(position_std_m=2.0, heading_std_deg=2.0)
_ROUNDS = 20
_AGREEMENT_M = 1.0
_NUM_WITNESSES = 200


def origin_of(database: Database) -> GeoPoint | None:
    """The origin of a database's local frame: written down, or worked out; None where it has none.

    Raises:
        DatabaseError: its entries contradict each other.
    """
    if database.origin is not None:
        return database.origin
    witnesses = list(_witnesses(database))
    if not witnesses:
        return None
    origin = _origin_from(*witnesses[0])
    frame = LocalFrame(origin)
    for place, center in witnesses:
        gap = float(np.linalg.norm(frame.enu_from_geo(place.lat_deg, place.lng_deg, place.alt_m) - center))
        if not gap < _AGREEMENT_M:
            gaps = f"its entries' E and lat lng alt disagree by {gap:.0f} m"
            msg = f"{database.path} has no origin and {gaps}: correct them, or remove E"
            raise DatabaseError(msg)
    return origin


def candidates(
    source: Database, frame: LocalFrame, source_frame: LocalFrame | None, trust: tuple[float | None, float | None]
) -> list[Candidate]:
    """The entries of ``source``, described in ``frame``.

    Args:
        source: the other database.
        frame: of the database that takes the entries.
        source_frame: that their ``E`` is in; None if not known, then entries with ``E`` are refused.
        trust: position (m) and heading (deg) standard deviations that overrule the entries' own.
    """
    source_from_target = None if source_frame is None else source_frame.rigid_from(frame)

    def candidate(uid: str) -> Candidate:
        def describe(picture: StorableImage) -> Described:
            stored = source.metadata(uid)
            fields = _moved(stored, picture, frame, source_from_target) | _trusted(stored, trust)
            return Described(ImageMetadata.model_validate(stored.model_dump() | fields))

        return Candidate(f"{uid}.jpg", source.image_path(uid), describe, source.mask_path(uid))

    return [candidate(uid) for uid in source.uids()]


def _moved(
    stored: ImageMetadata, picture: StorableImage, frame: LocalFrame, source_from_target: Array | None
) -> dict[str, Any]:
    if (stored.w, stored.h) != picture.size:
        sizes = f"{stored.w}x{stored.h}, its upright picture {picture.size[0]}x{picture.size[1]}"
        msg = f"its metadata says {sizes}: correct w, h and K"
        raise InputError(msg)
    if stored.pose is None:
        return {}
    if source_from_target is None:
        msg = "it has an E, but its database has no origin that says where: add lat, lng and alt, or remove E"
        raise InputError(msg)
    pose = stored.pose @ source_from_target
    fields = pose_fields(pose, frame)
    # What the entry says itself stays; the rest follows from E.
    given = {key for key in fields if key != "E" and getattr(stored, key) is not None}
    return {key: value for key, value in fields.items() if key not in given}


def _trusted(stored: ImageMetadata, trust: tuple[float | None, float | None]) -> dict[str, Any]:
    position = trust[0] if trust[0] is not None else stored.position_std_m
    heading = trust[1] if trust[1] is not None else stored.heading_std_deg
    return {
        "position_std_m": DEFAULT_TRUST.position_std_m if position is None else position,
        "heading_std_deg": DEFAULT_TRUST.heading_std_deg if heading is None else heading,
    }


def _witnesses(database: Database) -> Iterable[tuple[GeoPoint, Array]]:
    """Positions on Earth and camera centres (3,) of the first entries that have both."""
    found = 0
    for uid in database.uids():
        try:
            stored = database.metadata(uid)
        except DatabaseError:
            continue
        if stored.pose is not None and stored.lat is not None and stored.lng is not None and stored.alt is not None:
            yield GeoPoint(stored.lat, stored.lng, stored.alt), camera_center(stored.pose)
            found += 1
        if found >= _NUM_WITNESSES:
            return


def _origin_from(place: GeoPoint, center: Array) -> GeoPoint:
    """The origin of the frame in which ``place`` has the coordinates ``center``."""
    origin = place
    for _ in range(_ROUNDS):
        lat, lng, alt = LocalFrame(origin).geo_from_enu(center)
        origin = GeoPoint(
            origin.lat_deg + place.lat_deg - float(lat),
            origin.lng_deg + place.lng_deg - float(lng),
            origin.alt_m + place.alt_m - float(alt),
        )
    return origin
