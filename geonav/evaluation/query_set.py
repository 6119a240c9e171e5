"""What is to be located, and where it was really taken: a database, a table of photos, or photos from elsewhere."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geonav.data.database import OWN_FOLDER, Database
from geonav.data.metadata import ImageMetadata
from geonav.data.places import Places
from geonav.errors import DatabaseError, InputError
from geonav.evaluation.record import Truth
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint, LocalFrame, ecef_from_geo
from geonav.geometry.orientation import angles_from_rotation
from geonav.geometry.pose import camera_center

Array = NDArray[np.float64]
PICTURES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".heic", ".heif", ".avif", ".bmp"}
TABLES = {".csv", ".tsv", ".geojson", ".json"}
# A query further from every reference than this, but nearer with its numbers exchanged, has them exchanged.
_ELSEWHERE_M = 50_000.0


@dataclass(frozen=True)
class Query:
    """A photo to locate.

    Attributes:
        name: unique within its set.
        photo: its file.
        lat: degrees on WGS84; None where it is not known where it was taken.
        lng: degrees on WGS84.
        alt: metres.
        alt_datum: what ``alt`` is measured from; None stands for that of the references.
        azimuth_deg: of the optical axis, clockwise from true north.
        pose: camera_from_world (4, 4) in ``frame``.
        frame: of ``pose``.
        camera: its calibration.
        mask: picture that is black where it is not to be looked at.
        groups: what it is counted by.
        captured_at: ISO 8601.
        sequence: drive it belongs to.
        is_distractor: taken elsewhere.
        from_database: its calibration is that of a database's entry.
    """

    name: str
    photo: Path
    lat: float | None = None
    lng: float | None = None
    alt: float | None = None
    alt_datum: str | None = None
    azimuth_deg: float | None = None
    pose: Array | None = None
    frame: LocalFrame | None = None
    camera: Camera | None = None
    mask: Path | None = None
    groups: dict[str, str] = field(default_factory=dict)
    captured_at: str | None = None
    sequence: str | None = None
    is_distractor: bool = False
    from_database: bool = False

    @property
    def camera_text(self) -> str | None:
        """The camera as a record keeps it: model, width, height and parameters."""
        if self.camera is None:
            return None
        numbers = (self.camera.width, self.camera.height, *self.camera.params)
        return " ".join([self.camera.model, *(f"{number:.12g}" for number in numbers)])

    @property
    def mask_path(self) -> str | None:
        """The mask's path from the root, as a record keeps it."""
        return None if self.mask is None else str(self.mask.absolute())

    def sha256(self) -> str:
        """Of the photo's file, hexadecimal; empty where it cannot be read."""
        try:
            return hashlib.sha256(self.photo.read_bytes()).hexdigest()
        except OSError:
            return ""


@dataclass(frozen=True)
class QuerySet:
    """Photos to locate, in their order, and what a careful reader should know of them."""

    name: str
    queries: tuple[Query, ...]
    notes: tuple[str, ...] = ()


def read_query_set(path: Path | str) -> QuerySet:
    """Read a database whose photos have positions or poses, or a table of photos (.csv, .tsv, .geojson).

    A table has the columns ``path``, ``lat``, ``lng`` and, where they are known, ``alt`` (in the references' height
    datum), ``azn``, ``mask``, ``fov`` (degrees, across) or ``K``, ``captured_at``, ``sequence``; every other column
    makes groups. Paths start at the table's folder.

    Raises:
        InputError: it cannot be read, is empty, or says something that cannot be; the message names the place.
    """
    source = Path(path)
    if source.is_dir():
        return _from_database(source)
    return _from_table(source, needs_place=True)


def read_distractors(paths: Sequence[Path | str]) -> tuple[Query, ...]:
    """Photos from elsewhere: databases, tables of which only ``path`` is needed, or folders of photos.

    Raises:
        InputError: as :func:`read_query_set`.
    """
    found: list[Query] = []
    for path in map(Path, paths):
        if not path.is_dir():
            queries: Sequence[Query] = _from_table(path, needs_place=False).queries
        elif _is_database(path):
            database = Database.open(path)
            queries = [_entry(database, uid) for uid in database.uids()]
        else:
            queries = _photos_in(path)
        if not queries:
            msg = f"distractors {path}: there is no photo in it; name a folder, a database or a table of photos"
            raise InputError(msg)
        found += [replace(query, is_distractor=True) for query in queries]
    return tuple(found)


def joined(queries: Sequence[Query], distractors: Sequence[Query]) -> tuple[Query, ...]:
    """All of them under names of their own: a distractor that is called like another gets a number."""
    taken = Counter(query.name for query in queries)
    named = []
    for query in distractors:
        name, number = query.name, 2
        while taken[name]:
            name, number = f"{query.name} ({number})", number + 1
        taken[name] += 1
        named.append(replace(query, name=name))
    return (*queries, *named)


def truth_of(query: Query, frame: LocalFrame, alt_datum: str | None) -> Truth | None:
    """Where a query was taken in the references' frame; None where that is not known.

    A height in another datum than the references' is not compared, nor is one that the query does not say.
    """
    if query.is_distractor:
        return None
    same_heights = query.alt_datum in {None, alt_datum}
    if query.pose is not None and query.frame is not None:
        pose = query.pose @ query.frame.rigid_from(frame)
        east, north, up = (float(value) for value in camera_center(pose))
        lat, lng, alt = (float(value) for value in frame.geo_from_enu([east, north, up]))
        here = LocalFrame(GeoPoint(lat, lng, alt)).rigid_from(frame)[:3, :3]
        azimuth = angles_from_rotation(pose[:3, :3] @ here.T)[0]
        return Truth(
            lat=lat,
            lng=lng,
            alt=alt if same_heights else None,
            azimuth=azimuth,
            center_m=(east, north, up if same_heights else None),
            E=pose.tolist(),
        )
    if query.lat is None or query.lng is None:
        return None
    height = query.alt if same_heights else None
    enu = frame.enu_from_geo(query.lat, query.lng, frame.origin.alt_m if height is None else height)
    return Truth(
        lat=query.lat,
        lng=query.lng,
        alt=height,
        azimuth=query.azimuth_deg,
        center_m=(float(enu[0]), float(enu[1]), None if height is None else float(enu[2])),
    )


def check_not_swapped(path: Path | str, queries: Sequence[Query], references: Places) -> None:
    """See whether latitude and longitude were exchanged, which no range tells of places such as 48.9, 8.4.

    Raises:
        InputError: queries are far from all references, and would be near them with the two exchanged.
    """
    known = references.ecef_m[np.isfinite(references.lat)]
    if not len(known):
        return
    wrong = [
        query.name
        for query in queries
        if query.lat is not None
        and query.lng is not None
        and abs(query.lng) <= 90
        and _nearest_m(query.lat, query.lng, known) > _ELSEWHERE_M > _nearest_m(query.lng, query.lat, known)
    ]
    if wrong:
        msg = (
            f"{path}: lat and lng of {len(wrong)} of {len(queries)} queries seem to be exchanged, the first being"
            f" {wrong[0]}: exchanged they lie near the references; correct the table"
        )
        raise InputError(msg)


def nearest_m(query: Query, references: Places) -> float | None:
    """Distance along the ground of the reference nearest to a query; None where nothing is known of either."""
    known = references.ecef_m[np.isfinite(references.lat)]
    if query.lat is None or query.lng is None or not len(known):
        return None
    return round(_nearest_m(query.lat, query.lng, known), 3)


def _nearest_m(lat: float, lng: float, ecef_m: Array) -> float:
    return float(np.linalg.norm(ecef_m - ecef_from_geo(lat, lng, 0.0), axis=1).min())


def _is_database(folder: Path) -> bool:
    return (folder / OWN_FOLDER).is_dir() or next(folder.glob("*/metadata.json"), None) is not None


def _from_database(folder: Path) -> QuerySet:
    database = Database.open(folder)
    entries = [_entry(database, uid) for uid in database.uids()]
    placed = [query for query in entries if query.lat is not None]
    if not placed:
        msg = f"{folder} has no photos with positions to compare with: import them with their poses or positions"
        raise DatabaseError(msg)
    left_out = len(entries) - len(placed)
    notes = (f"{folder}: {left_out} photos have no position and are left out",) if left_out else ()
    return QuerySet(folder.name or folder.resolve().name, tuple(placed), notes)


def _entry(database: Database, uid: str) -> Query:
    metadata = database.metadata(uid)
    lat, lng, alt = metadata.lat, metadata.lng, metadata.alt
    pose, frame = metadata.pose, database.frame if database.origin is not None else None
    if pose is not None and frame is not None:
        lat, lng, alt = (float(value) for value in frame.geo_from_enu(camera_center(pose)))
    if lat is None or lng is None:
        lat = lng = alt = None
    return Query(
        name=uid,
        photo=database.image_path(uid),
        lat=lat,
        lng=lng,
        alt=alt,
        alt_datum=database.alt_datum,
        azimuth_deg=metadata.azn,
        pose=pose if frame is not None else None,
        frame=frame,
        camera=metadata.camera if metadata.has_camera else None,
        mask=database.mask_path(uid),
        captured_at=metadata.captured_at,
        sequence=_sequence(metadata),
        from_database=True,
    )


def _sequence(metadata: ImageMetadata) -> str | None:
    sequence = (metadata.model_extra or {}).get("sequence")
    return sequence if isinstance(sequence, str) else None


def _photos_in(folder: Path) -> list[Query]:
    files = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in PICTURES and not path.name.startswith(".")
    )
    return [Query(path.relative_to(folder).as_posix(), path) for path in files]


def _from_table(path: Path, *, needs_place: bool) -> QuerySet:
    if path.suffix.lower() not in TABLES:
        msg = f"{path}: queries come from a database's folder or a table that ends in .csv, .tsv or .geojson"
        if not path.exists():
            msg = f"there is no query set at {path}: name a database's folder or a table of photos"
        raise InputError(msg)
    from geonav.evaluation.query_table import read_table

    return QuerySet(path.stem, read_table(path, needs_place=needs_place))
