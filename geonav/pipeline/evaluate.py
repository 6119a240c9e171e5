"""``geonav evaluate``: locate a set of photos with known poses and compare."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from geonav import __version__
from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.files import atomic_write_bytes, atomic_write_json, storage_errors
from geonav.data.places import Places
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.data.results import LocalizationResult
from geonav.errors import DatabaseError, ImageError
from geonav.geometry.pose import camera_center, rotation_error_deg
from geonav.pipeline.candidates import DEPTH
from geonav.pipeline.hits import Retrieved
from geonav.pipeline.localize import Localizer
from geonav.pipeline.recall import DEPTH as NUM_HITS
from geonav.pipeline.recall import PhotoRecall, photo_recall, positions, recall_summary, write_photos
from geonav.pipeline.retrieval import is_itself

# The field's thresholds (visuallocalization.net): metres and degrees.
THRESHOLDS = ((0.25, 2.0), (0.5, 5.0), (5.0, 10.0))


@dataclass(frozen=True)
class PhotoEvaluation:
    """One query against its truth; errors are None where it was not located.

    Attributes:
        query: uid in the query set.
        status: of the result.
        reason: why it was not located.
        position_error_m: distance in 3D.
        horizontal_error_m: distance along the ground.
        vertical_error_m: height found minus true height.
        rotation_error_deg: angle between the orientations.
        semi_major_m: of the reported 95 % ellipse.
        in_ellipse: whether the reported ellipse holds the true position.
        seconds: all stages together.
    """

    query: str
    status: str
    reason: str | None
    position_error_m: float | None = None
    horizontal_error_m: float | None = None
    vertical_error_m: float | None = None
    rotation_error_deg: float | None = None
    semi_major_m: float | None = None
    in_ellipse: bool | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class EvaluationReport:
    """All queries, their results, what retrieval found for them, and the sums over them."""

    name: str
    photos: tuple[PhotoEvaluation, ...]
    results: tuple[LocalizationResult, ...]
    summary: dict[str, Any]
    retrieval: tuple[PhotoRecall, ...] = ()


def evaluate(
    query_set: Path | str,
    references: Database,
    config: GeonavConfig,
    *,
    name: str | None = None,
    output: Path | None = None,
    on_progress: OnProgress | None = None,
) -> EvaluationReport:
    """Locate every posed photo of a query set and compare with its pose.

    Args:
        query_set: a database whose entries have poses; its origin may differ from the references'.
        references: the database to locate against.
        config: settings.
        name: of the experiment; that of the query set if left out.
        output: folder to write ``results.jsonl``, ``queries.json``, ``retrieval.json``, ``summary.json`` and
            ``report.html`` to.
        on_progress: called after each photo.

    Raises:
        DatabaseError: the query set has no posed photos, or the references are not indexed.
        StorageError: the output cannot be written.
    """
    queries = Database.open(Path(query_set))
    posed = [uid for uid in queries.uids() if queries.metadata(uid).has_pose]
    if not posed:
        msg = f"{query_set} has no photos with poses to compare with: import them with their poses"
        raise DatabaseError(msg)
    localizer = Localizer(references, config)
    photos, results, recalls = [], [], []
    places, threshold_m = Places.of(references), config.search.recall_within_m
    truths = positions(queries)
    for done, uid in enumerate(posed, start=1):
        result, retrieved = _locate(localizer, queries, uid)
        results.append(result)
        photos.append(_compare(uid, result, _truth(queries, uid, references)))
        others = _without_itself(retrieved, queries.image_path(uid), references)
        recalls.append(photo_recall(uid, (others, retrieved.reason), truths[uid], places, threshold_m))
        announce(on_progress, ProgressEvent("evaluate", done, len(posed), uid))
    depth = DEPTH * config.localize.top_k
    summary = {**_summary(photos), **recall_summary(recalls, threshold_m, depth)}
    report = EvaluationReport(name or Path(query_set).name, tuple(photos), tuple(results), summary, tuple(recalls))
    if output is not None:
        _write(report, output)
        from geonav.pipeline.report import write_report

        write_report(output / "report.html", report, queries, references)
    return report


def _locate(localizer: Localizer, queries: Database, uid: str) -> tuple[LocalizationResult, Retrieved]:
    """The result and all that was retrieved for it."""
    metadata = queries.metadata(uid)
    path = queries.image_path(uid)
    found: list[Retrieved] = []
    try:
        result = localizer.locate(
            path,
            camera=metadata.camera if metadata.has_camera else None,
            mask=queries.mask_path(uid),
            camera_source="metadata",
            on_retrieved=found.append,
        )
    except ImageError as error:
        result = LocalizationResult(
            query=str(path), status="not_located", reason=str(error), geonav_version=__version__
        )
    return result, found[0] if found else Retrieved(reason=result.reason)


def _without_itself(retrieved: Retrieved, path: Path, references: Database) -> list[str]:
    """The best hits that are not the query's own file."""
    if not retrieved.hits:
        return []
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    others = (hit.uid for hit in retrieved.hits if not is_itself(references, hit.uid, sha256))
    return list(islice(others, NUM_HITS))


def _truth(queries: Database, uid: str, references: Database) -> np.ndarray:
    """The query's true ``E`` in the references' frame."""
    pose = np.array(queries.metadata(uid).E, float)
    return np.asarray(pose @ queries.frame.rigid_from(references.frame))


def _compare(uid: str, result: LocalizationResult, truth: np.ndarray) -> PhotoEvaluation:
    seconds = round(sum(result.seconds.values()), 3)
    if result.E is None or result.ellipse_95 is None:
        return PhotoEvaluation(uid, result.status, result.reason, seconds=seconds)
    pose = np.array(result.E)
    offset = camera_center(pose) - camera_center(truth)
    return PhotoEvaluation(
        query=uid,
        status=result.status,
        reason=None,
        position_error_m=float(np.linalg.norm(offset)),
        horizontal_error_m=float(np.hypot(offset[0], offset[1])),
        vertical_error_m=float(offset[2]),
        rotation_error_deg=rotation_error_deg(pose[:3, :3], truth[:3, :3]),
        semi_major_m=result.ellipse_95.semi_major_m,
        in_ellipse=_in_ellipse(offset, result),
        seconds=seconds,
    )


def _in_ellipse(offset: np.ndarray, result: LocalizationResult) -> bool:
    """Whether the true position lies in the reported horizontal ellipse."""
    ellipse = result.ellipse_95
    if ellipse is None:
        return False
    angle = np.radians(ellipse.azimuth_deg)
    along = offset[0] * np.sin(angle) + offset[1] * np.cos(angle)
    across = offset[0] * np.cos(angle) - offset[1] * np.sin(angle)
    return bool((along / ellipse.semi_major_m) ** 2 + (across / ellipse.semi_minor_m) ** 2 <= 1.0)


def _summary(photos: list[PhotoEvaluation]) -> dict[str, Any]:
    status = Counter(photo.status for photo in photos)
    located = [photo for photo in photos if photo.position_error_m is not None]
    position = np.array([photo.position_error_m for photo in located], float)
    rotation = np.array([photo.rotation_error_deg for photo in located], float)
    summary: dict[str, Any] = {
        "num_queries": len(photos),
        "num_located": status["located"],
        "num_retrieved_only": status["retrieved_only"],
        "num_not_located": status["not_located"],
        "median_m": _or_none(np.median, position),
        "median_deg": _or_none(np.median, rotation),
        "worst_m": _or_none(np.max, position),
        "worst_deg": _or_none(np.max, rotation),
    }
    for metres, degrees in THRESHOLDS:
        within = int(((position <= metres) & (rotation <= degrees)).sum())
        summary[f"within_{metres:g}m_{degrees:g}deg"] = round(within / len(photos), 4)
    summary["in_ellipse_95"] = _or_none(np.mean, np.array([photo.in_ellipse for photo in located], float))
    summary["median_semi_major_m"] = _or_none(np.median, np.array([photo.semi_major_m for photo in located], float))
    summary["median_seconds"] = _or_none(np.median, np.array([photo.seconds for photo in photos], float))
    return summary


def _or_none(function: Any, values: np.ndarray) -> float | None:  # noqa: ANN401
    return round(float(function(values)), 6) if len(values) else None


def _write(report: EvaluationReport, folder: Path) -> None:
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{result.model_dump_json()}\n" for result in report.results)
    atomic_write_bytes(folder / "results.jsonl", lines.encode())
    atomic_write_json(folder / "queries.json", [asdict(photo) for photo in report.photos])
    write_photos(folder, report.retrieval)
    atomic_write_json(folder / "summary.json", {"name": report.name, **report.summary})
