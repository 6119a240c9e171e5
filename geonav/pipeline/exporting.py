"""``geonav export``: a database in the forms that other tools read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geonav.data.database import Database
from geonav.data.images import read_exif
from geonav.data.metadata import ImageMetadata
from geonav.errors import DatabaseError, InputError
from geonav.formats.colmap import Points, PosedImage, write_model
from geonav.formats.references import write_positions
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint
from geonav.geometry.pose import pose_matrix

Array = NDArray[np.float64]
Naming = Literal["stored", "source"]
# COLMAP and its friends do not turn pictures upright: what undoes each of EXIF's quarter turns.
_BACK = {1: 1, 3: 3, 6: 8, 8: 6}


@dataclass
class ExportReport:
    """What an export wrote.

    Attributes:
        num_images: images written.
        num_points: points written.
        left_out: uids of entries that were not, each with the reason.
    """

    num_images: int = 0
    num_points: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class StoredView:
    """A posed entry as its picture is stored, before EXIF's orientation.

    Attributes:
        uid: of the entry.
        name: in the export.
        metadata: of the entry.
        camera: of the stored pixels.
        pose: camera_from_world (4, 4) of the stored pixels' axes.
        quarter_turns: clockwise, that take the upright picture back to the stored one.
    """

    uid: str
    name: str
    metadata: ImageMetadata
    camera: Camera
    pose: Array
    quarter_turns: int

    def stored_pixels(self, upright: Array) -> Array:
        """Pixels (N, 2) of the stored picture from those of the upright one."""
        height, width = self.metadata.h, self.metadata.w
        pixels = np.asarray(upright, float)
        for _ in range(self.quarter_turns):
            pixels = np.stack([height - pixels[:, 1], pixels[:, 0]], axis=1)
            height, width = width, height
        return pixels


def stored_views(database: Database, naming: Naming, report: ExportReport) -> Iterator[StoredView]:
    """Every entry with pose and camera; the others are reported."""
    for uid in database.uids():
        try:
            yield _stored_view(database, uid, naming)
        except InputError as error:
            report.left_out.append((uid, str(error)))


def entry_name(uid: str, metadata: ImageMetadata, naming: Naming) -> str:
    """How an entry's image is called: by its file in the database, or as its source called it."""
    return f"{uid}/image.jpg" if naming == "stored" else metadata.source_name or f"{uid}/image.jpg"


def _stored_view(database: Database, uid: str, naming: Naming) -> StoredView:
    metadata = database.metadata(uid)
    if metadata.pose is None:
        msg = "it has no pose"
        raise InputError(msg)
    return as_stored(database, uid, naming, metadata.camera, metadata.pose)


def as_stored(database: Database, uid: str, naming: Naming, camera: Camera, pose: Array) -> StoredView:
    """An entry with a camera and pose (4, 4) of its upright picture, as its picture is stored.

    Raises:
        InputError: the picture is mirrored, or its camera cannot be turned.
    """
    metadata = database.metadata(uid)
    orientation = read_exif(database.image_path(uid)).orientation
    if orientation not in _BACK:
        msg = f"its EXIF orientation {orientation} mirrors it, which no camera model describes"
        raise InputError(msg)
    back = _BACK[orientation]
    stored_camera, stored_from_upright = camera.rotated(back)
    turns = {1: 0, 6: 1, 3: 2, 8: 3}[back]
    pose = pose_matrix(stored_from_upright, np.zeros(3)) @ pose
    return StoredView(uid, entry_name(uid, metadata, naming), metadata, stored_camera, pose, turns)


def export_colmap(
    database_path: Path | str,
    folder: Path | str,
    *,
    form: Literal["txt", "bin"] = "bin",
    naming: Naming = "stored",
    matches: Path | None = None,
    model: str = "disk",
) -> ExportReport:
    """Write the references as a COLMAP model, in East-North-Up metres at the database's origin.

    ``ref_images.txt`` beside it holds latitude, longitude and height, for ``colmap model_aligner``.

    Args:
        database_path: with posed entries; with ``naming`` "stored" it is the model's folder of images too.
        folder: of the model.
        form: text or binary.
        naming: "stored" names images ``UID/image.jpg``, "source" as their source did.
        matches: hloc's file of matches between references (``geonav export hloc --matches``); tracks through them
            are triangulated with the poses as they are. Without it the model holds poses alone.
        model: whose keypoints the matches join.

    Raises:
        InputError: there is no database, nothing in it is posed, or the matches do not fit.
        StorageError: the folder cannot be written.
    """
    database, report = Database.open(database_path), ExportReport()
    views = list(stored_views(database, naming, report))
    if not views:
        msg = f"{database.path} has no entry with pose and camera: there is nothing to export"
        raise DatabaseError(msg)
    images = [PosedImage(view.name, view.camera, view.pose) for view in views]
    points = Points.none()
    if matches is not None:
        from geonav.pipeline.export_tracks import images_with_tracks

        images, points = images_with_tracks(database, views, matches, model)
    write_model(folder, images, points, form=form)
    write_positions(Path(folder) / "ref_images.txt", _positions(views))
    report.num_images, report.num_points = len(images), len(points.xyz)
    return report


def _positions(views: list[StoredView]) -> Iterator[tuple[str, GeoPoint]]:
    for view in views:
        data = view.metadata
        if data.lat is not None and data.lng is not None and data.alt is not None:
            yield view.name, GeoPoint(data.lat, data.lng, data.alt)


def export_ltvl(database_path: Path | str, path: Path | str, naming: Naming = "source") -> ExportReport:
    """Write the poses of a database's entries as a pose file of the long-term benchmark.

    Raises:
        InputError: there is no database, nothing in it is posed, or two images have one name.
        StorageError: the file cannot be written.
    """
    from geonav.formats.ltvl import write_ltvl

    database, report = Database.open(database_path), ExportReport()
    poses = []
    for uid in database.uids():
        metadata = database.metadata(uid)
        if metadata.pose is None:
            report.left_out.append((uid, "it has no pose"))
        else:
            poses.append((entry_name(uid, metadata, naming), metadata.pose))
    if not poses:
        msg = f"{database.path} has no entry with a pose: there is nothing to export"
        raise DatabaseError(msg)
    report.num_images = write_ltvl(path, poses)
    return report


def export_ltvl_results(results_path: Path | str, path: Path | str, *, keep_folders: bool = False) -> ExportReport:
    """Write the located poses of a results file, JSON Lines, as a pose file of the long-term benchmark.

    Raises:
        InputError: the file is missing or broken; the message names the line.
        StorageError: the file cannot be written.
    """
    from pydantic import ValidationError

    from geonav.data.results import LocalizationResult
    from geonav.formats.lines import broken, numbered_lines
    from geonav.formats.ltvl import located_poses, write_ltvl

    source, results, report = Path(results_path), [], ExportReport()
    for number, line in numbered_lines(source, "results file"):
        try:
            results.append(LocalizationResult.model_validate_json(line))
        except ValidationError as error:
            raise broken(source, number, "it is not a result as 'geonav localize --json' writes it") from error
    report.left_out += [(result.query, result.status) for result in results if result.status != "located"]
    report.num_images = write_ltvl(path, located_poses(results, keep_folders=keep_folders))
    return report
