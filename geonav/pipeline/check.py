"""``geonav database check`` and ``info``: is a database whole, and what is in it.

A repair removes what geonav derived and what interrupted runs left behind, so that the next index
computes it again. Pictures, masks and metadata are never changed or removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from geonav.data.database import Database
from geonav.data.files import storage_errors
from geonav.data.images import prepare_image, read_mask
from geonav.data.metadata import ImageMetadata
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.data.upkeep import feature_files, global_file, index_names, leftovers, local_models
from geonav.errors import DatabaseError, GeonavError
from geonav.geometry.pose import camera_center
from geonav.pipeline.stored import StoredFeatures
from geonav.retrieval.milvus_link import lost_folder
from geonav.retrieval.shelf import STAMP_FILE, stored_uids

_PLACE_GAP_M = 1.0
_EDGE_PX = 1.0  # refined keypoints may lie a little outside


@dataclass(frozen=True)
class Finding:
    """Something that is broken or half done.

    Attributes:
        where: the entry's uid, or a path below the database.
        problem: what is wrong, and what to do where a repair does not help.
        repaired: whether it is gone now.
    """

    where: str
    problem: str
    repaired: bool = False


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    Attributes:
        checked: number of entries looked at.
        findings: in order of entries, then what belongs to the whole database.
    """

    checked: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is broken any more."""
        return all(finding.repaired for finding in self.findings)


Problem = tuple[str, list[Path]]
"""What is wrong, and the derived files whose removal repairs it (none: only a person can)."""


def check_database(database: Database, *, repair: bool = False, on_progress: OnProgress | None = None) -> CheckReport:
    """Look at every entry and every stored result.

    Raises:
        DatabaseError: another process is writing the database (only with ``repair``).
        StorageError: a repair is not permitted.
    """
    if repair:
        with database.lock():
            return _check(database, _remove, on_progress)
    return _check(database, lambda _: False, on_progress)


def _check(database: Database, mend: Callable[[list[Path]], bool], on_progress: OnProgress | None) -> CheckReport:
    findings: list[Finding] = []
    stored = _stored_features(database)
    uids = database.uids()
    for done, uid in enumerate(uids, 1):
        for text, files in _entry_problems(database, uid, stored):
            findings.append(Finding(uid, text, mend(files)))
        announce(on_progress, ProgressEvent("check", done, len(uids), uid))
    findings.extend(
        Finding(_below(database, leftover), "an interrupted run left it behind", mend([leftover]))
        for leftover in leftovers(database)
    )
    for text, files in _index_problems(database):
        findings.append(Finding(_below(database, files[0].parent), text, mend(files)))
    return CheckReport(len(uids), findings)


def _remove(paths: list[Path]) -> bool:
    for path in paths:
        with storage_errors(path):
            if path.is_dir():
                for inner in sorted(path.rglob("*"), reverse=True):
                    inner.rmdir() if inner.is_dir() else inner.unlink()
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
    return bool(paths)


def _below(database: Database, path: Path) -> str:
    return path.relative_to(database.path).as_posix()


def _entry_problems(database: Database, uid: str, stored: list[StoredFeatures]) -> Iterator[Problem]:
    metadata = None
    try:
        metadata = database.metadata(uid)
    except GeonavError as error:
        yield str(error), []
    try:
        size = prepare_image(database.image_path(uid)).size
    except GeonavError as error:
        yield f"{error}; restore image.jpg or delete the entry's folder", []
        return
    if metadata is not None and (metadata.w, metadata.h) != size:
        sizes = f"{metadata.w}x{metadata.h}, its upright picture {size[0]}x{size[1]}"
        yield f"metadata.json says {sizes}: correct w, h and K", []
    if metadata is not None:
        yield from _place_problems(database, metadata)
    try:
        read_mask(database.mask_path(uid), size)
    except GeonavError as error:
        yield str(error), []
    for features in stored:
        yield from _feature_problems(database, uid, features, size)
    for name in index_names(database):
        yield from _global_problems(database, uid, name)


def _place_problems(database: Database, metadata: ImageMetadata) -> Iterator[Problem]:
    pose = metadata.pose
    if pose is None:
        return
    if database.origin is None:
        yield "it has an E, but the database has no origin that says where: import it into another database", []
    elif metadata.lat is None or metadata.lng is None:
        yield "it has an E but no lat and lng: import it again", []
    else:
        center = camera_center(pose)
        alt = metadata.alt if metadata.alt is not None else database.frame.geo_from_enu(center)[2]
        gap = float(np.linalg.norm(database.frame.enu_from_geo(metadata.lat, metadata.lng, alt) - center))
        if gap > _PLACE_GAP_M:
            yield f"E and lat lng alt are {gap:.1f} m apart: correct one of them", []


def _stored_features(database: Database) -> list[StoredFeatures]:
    settings = [database.local_settings(model) for model in local_models(database)]
    return [StoredFeatures(database, known) for known in settings if known and "model" in known]


def _feature_problems(database: Database, uid: str, stored: StoredFeatures, size: tuple[int, int]) -> Iterator[Problem]:
    model = stored.model
    files = feature_files(database, uid, model)
    if not files:
        return
    try:
        features = stored.read(uid)
    except GeonavError as error:
        yield str(error), files
        return
    arrays = (features.keypoints, features.scores, features.descriptors)
    if not all(np.isfinite(array).all() for array in arrays):
        yield f"its {model} features hold NaN or infinity", files
    elif len(features) and not _inside(features.keypoints, size):
        yield f"its {model} keypoints lie outside its picture", files


def _inside(keypoints: np.ndarray[tuple[int, int], np.dtype[np.float32]], size: tuple[int, int]) -> bool:
    return bool((keypoints >= -_EDGE_PX).all() and (keypoints <= np.array(size) + _EDGE_PX).all())


def _global_problems(database: Database, uid: str, name: str) -> Iterator[Problem]:
    if not database.has_global(uid, name):
        return
    try:
        finite = bool(np.isfinite(database.read_global(uid, name)).all())
    except GeonavError:
        finite = False
    if not finite:
        yield f"its {name} descriptor is not a vector of finite numbers", [global_file(database, uid, name)]


def _index_problems(database: Database) -> Iterator[Problem]:
    for name in index_names(database):
        for listing in sorted(database.index_dir(name).rglob(STAMP_FILE)):
            text = _index_problem(database, listing.parent)
            if text is not None:
                # Without its stamp an index counts as unfinished and is built again.
                yield f"{text} run 'geonav index global'", [listing]


def _index_problem(database: Database, folder: Path) -> str | None:
    try:
        gone = sum(uid not in database for uid in stored_uids(folder))
        lost = lost_folder(folder)
    except DatabaseError:
        return "its list of entries is broken:"
    if gone:
        return f"it names {gone} deleted entries:"
    return None if lost is None else f"its vectors are gone with the folder {lost}: put that back, or"


@dataclass(frozen=True)
class DatabaseInfo:
    """What is in a database.

    Attributes:
        path: its folder.
        schema_version: of its layout.
        num_entries: pictures.
        num_with_position: those with latitude and longitude.
        num_with_pose: those with ``E``.
        num_invalid: those whose metadata cannot be read.
        origin: latitude, longitude, height of the local frame, or None.
        alt_datum: what heights refer to.
        area: least and greatest latitude and longitude, or None.
        providers: number of entries by provider.
        local_features: number of entries with current local features, by model.
        global_descriptors: number of entries with a global descriptor, by name.
        map_parts: number of entries that a map has a pose of, by part.
    """

    path: str
    schema_version: int
    num_entries: int
    num_with_position: int
    num_with_pose: int
    num_invalid: int
    origin: dict[str, float] | None
    alt_datum: str
    area: dict[str, float] | None
    providers: dict[str, int]
    local_features: dict[str, int]
    global_descriptors: dict[str, int]
    map_parts: dict[str, int]


def describe(database: Database) -> DatabaseInfo:
    """Count what a database holds."""
    uids, providers, parts, num_with_pose, num_invalid = database.uids(), dict[str, int](), dict[str, int](), 0, 0
    places: list[tuple[float, float]] = []
    for uid in uids:
        try:
            metadata = database.metadata(uid)
        except GeonavError:
            num_invalid += 1
            continue
        name = metadata.provider or "unknown"
        providers[name] = providers.get(name, 0) + 1
        num_with_pose += metadata.has_pose
        if metadata.map_version is not None:
            parts[metadata.map_version] = parts.get(metadata.map_version, 0) + 1
        if metadata.lat is not None and metadata.lng is not None:
            places.append((metadata.lat, metadata.lng))
    origin = database.origin
    return DatabaseInfo(
        path=str(database.path),
        schema_version=database.schema_version,
        num_entries=len(uids),
        num_with_position=len(places),
        num_with_pose=num_with_pose,
        num_invalid=num_invalid,
        origin=None if origin is None else {"lat": origin.lat_deg, "lng": origin.lng_deg, "alt": origin.alt_m},
        alt_datum=database.alt_datum,
        area=_area(places),
        providers=providers,
        local_features={stored.model: sum(map(stored.has, uids)) for stored in _stored_features(database)},
        global_descriptors={
            name: sum(database.has_global(uid, name) for uid in uids) for name in index_names(database)
        },
        map_parts=parts,
    )


def _area(places: list[tuple[float, float]]) -> dict[str, float] | None:
    if not places:
        return None
    low, high = np.min(places, axis=0), np.max(places, axis=0)
    corners = {"lat_min": low[0], "lat_max": high[0], "lng_min": low[1], "lng_max": high[1]}
    return {key: float(value) for key, value in corners.items()}
