"""How often retrieval finds the place: recall among the best hits, against the known positions of the queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.files import atomic_write_json, storage_errors
from geonav.data.places import Places
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.errors import DatabaseError, ImageError
from geonav.geometry.geodesy import GeoPoint, distance_m
from geonav.pipeline.search import Searcher, SearchResult
from geonav.retrieval.filters import around

# The field's numbers of hits among which one must be right.
RANKS = (1, 5, 10, 20)
DEPTH = max(RANKS)


@dataclass(frozen=True)
class PhotoRecall:
    """What retrieval found for one query.

    Attributes:
        query: uid in the query set.
        first_hit: the best hit; None where nothing was found.
        first_hit_m: its distance from the truth; None where its position is not known.
        first_right: rank, from 1, of the best hit that is near enough; None where none is among the best 20.
        num_right_references: references near enough, found or not; 0 makes the query one without a positive.
        reason: why nothing was found.
    """

    query: str
    first_hit: str | None
    first_hit_m: float | None
    first_right: int | None
    num_right_references: int
    reason: str | None = None


@dataclass(frozen=True)
class RecallReport:
    """All queries and the sums over them."""

    name: str
    photos: tuple[PhotoRecall, ...]
    summary: dict[str, Any]


def photo_recall(
    query: str,
    found: tuple[Sequence[str], str | None],
    truth: GeoPoint,
    places: Places,
    threshold_m: float,
) -> PhotoRecall:
    """Compare the hits of one query with where it was taken.

    Args:
        query: uid in the query set.
        found: uids of the hits, best first, and why there are none.
        truth: where it was taken; heights do not count.
        places: of the references.
        threshold_m: a hit up to this distance is right.
    """
    hits, reason = found
    rows = places.rows_of(hits[:DEPTH])
    away = [_distance_m(places, row, truth) for row in rows.tolist()]
    right = [rank for rank, metres in enumerate(away, start=1) if metres is not None and metres <= threshold_m]
    return PhotoRecall(
        query=query,
        first_hit=hits[0] if hits else None,
        first_hit_m=None if not away or away[0] is None else round(away[0], 3),
        first_right=right[0] if right else None,
        num_right_references=int(np.count_nonzero(around(truth, threshold_m)(places))),
        reason=reason,
    )


def _distance_m(places: Places, row: int, truth: GeoPoint) -> float | None:
    if row < 0 or not np.isfinite(places.lat[row]):
        return None
    return distance_m(truth, GeoPoint(float(places.lat[row]), float(places.lng[row])))


def recall_summary(photos: Sequence[PhotoRecall], threshold_m: float, depth: int = DEPTH) -> dict[str, Any]:
    """Recall over all queries, and over those alone that have a reference near enough.

    The field counts over all, so that a place the database does not cover is a miss; the second says what retrieval
    did where it could do something. Among more hits than ``depth``, the number that was asked for, nothing is counted.
    """
    findable = [photo for photo in photos if photo.num_right_references]
    metres = [photo.first_hit_m for photo in photos if photo.first_hit_m is not None]
    summary: dict[str, Any] = {
        "recall_within_m": threshold_m,
        "num_retrieval_queries": len(photos),
        "num_without_positive": len(photos) - len(findable),
    }
    for name, some in (("recall", photos), ("recall_with_positive", findable)):
        for rank in (rank for rank in RANKS if rank <= depth):
            found = sum(photo.first_right is not None and photo.first_right <= rank for photo in some)
            summary[f"{name}_at_{rank}"] = round(found / len(some), 4) if some else None
    summary["median_first_hit_m"] = round(float(np.median(metres)), 3) if metres else None
    return summary


def positions(queries: Database) -> dict[str, GeoPoint]:
    """Where the photos of a query set were taken, of those that say so.

    Raises:
        DatabaseError: none does.
    """
    places = Places.of(queries)
    known = np.flatnonzero(np.isfinite(places.lat)).tolist()
    if not known:
        msg = f"{queries.path} has no photos with positions to compare with: import them with their positions"
        raise DatabaseError(msg)
    return {places.uids[row]: GeoPoint(float(places.lat[row]), float(places.lng[row])) for row in known}


def evaluate_retrieval(
    query_set: Path | str,
    references: Database,
    config: GeonavConfig,
    *,
    name: str | None = None,
    output: Path | None = None,
    on_progress: OnProgress | None = None,
) -> RecallReport:
    """Search with every photo of a query set and count how often its place is found; nothing is located.

    Hits are views, as the field counts them, unless ``search.group`` asks for places.

    Args:
        query_set: a database whose entries have positions; poses are not needed.
        references: the database to search.
        config: settings; ``search.recall_within_m`` says which hits are right.
        name: of the experiment; that of the query set if left out.
        output: folder to write ``retrieval.json``, ``summary.json`` and ``hits.html`` to.
        on_progress: called after each photo.

    Raises:
        DatabaseError: the query set has no positions, or the references are not indexed.
        StorageError: the output cannot be written.
    """
    queries = Database.open(Path(query_set))
    truths = positions(queries)
    searcher = Searcher(references, config, grouped=False)
    threshold_m = config.search.recall_within_m
    photos, results = [], []
    for done, (uid, truth) in enumerate(truths.items(), start=1):
        result = _searched(searcher, queries, uid, truth)
        found = [hit.uid for hit in result.hits], result.reason
        photos.append(photo_recall(uid, found, truth, searcher.retriever.places, threshold_m))
        results.append(result)
        announce(on_progress, ProgressEvent("evaluate", done, len(truths), uid))
    report = RecallReport(name or Path(query_set).name, tuple(photos), recall_summary(photos, threshold_m))
    if output is not None:
        _write(report, output)
        from geonav.pipeline.search_page import write_search_page

        write_search_page(output / "hits.html", results, references, threshold_m)
    return report


def _searched(searcher: Searcher, queries: Database, uid: str, truth: GeoPoint) -> SearchResult:
    path = queries.image_path(uid)
    try:
        return searcher.search(path, DEPTH, truth=truth, mask=queries.mask_path(uid))
    except ImageError as error:
        return SearchResult(query=str(path), reason=str(error))


def _write(report: RecallReport, folder: Path) -> None:
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_photos(folder, report.photos)
    atomic_write_json(folder / "summary.json", {"name": report.name, **report.summary})


def write_photos(folder: Path, photos: Sequence[PhotoRecall]) -> None:
    """Write what was retrieved for each query as ``retrieval.json``."""
    atomic_write_json(folder / "retrieval.json", [asdict(photo) for photo in photos])
