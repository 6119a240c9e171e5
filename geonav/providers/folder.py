"""A folder of photos whose EXIF says where, and sometimes which way, they were taken.

``E`` is written only where latitude, longitude, a height in the database's datum and a heading from
true north are all known. Pitch and roll are not in EXIF: ``E`` then takes them as 0, and the entry
says so with ``pitch_roll_std_deg``. A magnetic heading is kept in ``azn`` with a larger standard
deviation and ``heading_ref: "magnetic"``, but gives no ``E``: its declination is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from geonav.data.exif import ExifInfo, camera_from_exif
from geonav.data.images import StorableImage, read_exif
from geonav.data.metadata import ImageMetadata, camera_fields
from geonav.errors import ImageError, InputError
from geonav.geometry.geodesy import GeoPoint, LocalFrame, ecef_from_geo, geo_from_ecef
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center
from geonav.providers.source import Candidate, Described, Trust

DEFAULT_TRUST = Trust(position_std_m=5.0, heading_std_deg=10.0)
_MAGNETIC_STD_DEG = 20.0
_PITCH_ROLL_STD_DEG = 10.0
_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".heic", ".heif", ".avif", ".bmp"}


def is_picture(path: Path) -> bool:
    """Whether a path is a file named like a picture that can be read, and not hidden."""
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()


def find_photos(folder: Path) -> list[tuple[str, Path]]:
    """Names, relative with forward slashes, and paths of all pictures below ``folder``, sorted.

    Raises:
        InputError: the folder is missing or holds no picture.
    """
    if not folder.is_dir():
        msg = f"there is no folder {folder}: name the one that holds the photos"
        raise InputError(msg)
    found = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if is_picture(path))
    if not found:
        msg = f"{folder} holds no picture ({' '.join(sorted(_SUFFIXES))}): name the folder of the photos"
        raise InputError(msg)
    return found


def survey(photos: Sequence[tuple[str, Path]]) -> tuple[GeoPoint, str]:
    """The middle of all photos' positions, and the datum of their heights.

    Raises:
        InputError: no photo has a position.
    """
    infos = [info for info in map(_exif_or_none, (path for _, path in photos)) if info is not None]
    placed = [info for info in infos if info.has_position]
    if not placed:
        msg = f"none of {len(photos)} photos has a GPS position in its EXIF: import them as a COLMAP model instead"
        raise InputError(msg)
    # The median in ECEF stands a wild position and works at the antimeridian alike.
    ecef = ecef_from_geo([info.lat_deg or 0.0 for info in placed], [info.lng_deg or 0.0 for info in placed], 0.0)
    lat, lng, _ = geo_from_ecef(np.median(ecef, axis=0))
    heights = [info.alt_m for info in placed if info.alt_m is not None]
    datums = [info.alt_datum for info in placed if info.alt_m is not None]
    alt = float(np.median(heights)) if heights else 0.0
    return GeoPoint(float(lat), float(lng), alt), max(datums, key=datums.count, default="egm96")


def _exif_or_none(path: Path) -> ExifInfo | None:
    try:
        return read_exif(path)
    except ImageError:
        return None  # named when it is imported


def candidates(
    photos: Sequence[tuple[str, Path]],
    frame: LocalFrame,
    alt_datum: str,
    *,
    position_std_m: float | None,
    heading_std_deg: float | None,
) -> list[Candidate]:
    """The photos, described in ``frame``, whose heights are in ``alt_datum``; EXIF's own errors unless given."""

    def describe(picture: StorableImage) -> Described:
        trust = _trust(picture.exif, position_std_m, heading_std_deg)
        return _describe(picture, frame, alt_datum, trust)

    return [Candidate(name, path, describe) for name, path in photos]


def _trust(exif: ExifInfo, position_std_m: float | None, heading_std_deg: float | None) -> Trust:
    heading_std = DEFAULT_TRUST.heading_std_deg if exif.heading_ref == "T" else _MAGNETIC_STD_DEG
    return Trust(
        position_std_m if position_std_m is not None else exif.gps_error_m or DEFAULT_TRUST.position_std_m,
        heading_std_deg if heading_std_deg is not None else heading_std,
    )


def _describe(picture: StorableImage, frame: LocalFrame, alt_datum: str, trust: Trust) -> Described:
    exif = picture.exif
    if not exif.has_position:
        reason = next((text for text in exif.warnings if "GPS" in text or "EXIF cannot" in text), None)
        msg = "no GPS position in its EXIF" + (f" ({reason})" if reason else "")
        raise InputError(msg)
    notes = list(exif.warnings)
    fields: dict[str, Any] = {"w": picture.size[0], "h": picture.size[1], "K": None}
    known = camera_from_exif(exif, *picture.size)
    if known is None:
        notes.append("no focal length in its EXIF, so K is null")
    else:
        fields = camera_fields(known.camera)
        fields |= {"K_source": known.source, "focal_std_rel": round(known.focal_std_rel, 5)}
    fields |= {"lat": exif.lat_deg, "lng": exif.lng_deg, "alt": exif.alt_m, "position_std_m": trust.position_std_m}
    if exif.alt_m is not None:
        fields["alt_datum"] = exif.alt_datum
    fields |= _heading_fields(exif, frame, alt_datum, trust, notes)
    metadata = ImageMetadata(**fields, provider="folder", captured_at=exif.captured_at)
    return Described(metadata, tuple(notes))


def _heading_fields(
    exif: ExifInfo, frame: LocalFrame, alt_datum: str, trust: Trust, notes: list[str]
) -> dict[str, Any]:
    if exif.heading_deg is None:
        return {}
    fields: dict[str, Any] = {"azn": exif.heading_deg, "heading_std_deg": trust.heading_std_deg}
    if exif.heading_ref != "T":
        notes.append("its heading is not from true north, so it has no E")
        return fields | {"heading_ref": "magnetic" if exif.heading_ref == "M" else "unknown"}
    if exif.alt_m is None:
        notes.append("no height in its EXIF, so it has no E")
        return fields
    if exif.alt_datum != alt_datum:
        notes.append(f"its height is {exif.alt_datum}, the database's are {alt_datum}, so it has no E")
        return fields
    center = frame.enu_from_geo(exif.lat_deg or 0.0, exif.lng_deg or 0.0, exif.alt_m)
    pose = pose_from_center(rotation_from_angles(exif.heading_deg), center)
    return fields | {"E": pose.tolist(), "pitch_roll_std_deg": _PITCH_ROLL_STD_DEG}
