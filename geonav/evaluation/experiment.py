"""``geonav evaluate``: locate a set of photos whose places are known, keep what was found, and score it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from geonav import __version__
from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.places import Places
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.data.results import LocalizationResult
from geonav.errors import ImageError, UsageError
from geonav.evaluation import provenance
from geonav.evaluation.leaks import checked_for_leaks
from geonav.evaluation.metrics import Threshold
from geonav.evaluation.outputs import changed_since, known_leaks, references_of, write_outputs
from geonav.evaluation.query_set import (
    Query,
    check_not_swapped,
    joined,
    nearest_m,
    read_distractors,
    read_query_set,
    truth_of,
)
from geonav.evaluation.record import NUM_HITS, QueryRecord, QueryScore, RetrievedReference, RunInfo
from geonav.evaluation.resume import check_is_run, resumed
from geonav.evaluation.run_folder import Run, append, read_info, read_run, write_info
from geonav.evaluation.scoring import score_run
from geonav.evaluation.summary import summarise
from geonav.pipeline.candidates import DEPTH
from geonav.pipeline.hits import Retrieved
from geonav.pipeline.localize import Localizer
from geonav.pipeline.retrieval import is_itself
from geonav.pipeline.view_matches import ViewMatches, view_matches_path, write_view_matches

# Memory is noted anew once it has grown by so much: a file a photo is too much to write.
_NOTED_BEYOND = 1.02


@dataclass(frozen=True)
class EvaluationReport:
    """A scored run.

    Attributes:
        name: of the experiment.
        photos: a score for each query and distractor.
        results: what was found, in the same order.
        summary: the figures of ``summary.json``.
        folder: where the run lies; None where it was not kept.
    """

    name: str
    photos: tuple[QueryScore, ...]
    results: tuple[LocalizationResult, ...]
    summary: dict[str, Any]
    folder: Path | None = None


@dataclass(frozen=True)
class Experiment:
    """What is asked besides the query set, the references and the settings.

    Attributes:
        name: that of the query set if left out.
        distractors: folders, databases or tables of photos from elsewhere, every answer to which is a false one.
        thresholds: metres and degrees to count by, besides the field's and LaMAR's.
        command: arguments to remember.
        drop_leaks: score without the queries that references give away; they are located and recorded all the same.
    """

    name: str | None = None
    distractors: Sequence[Path | str] = ()
    thresholds: Sequence[Threshold] = ()
    command: Sequence[str] = field(default_factory=tuple)
    drop_leaks: bool = False


def evaluate(
    query_set: Path | str,
    references: Database,
    config: GeonavConfig | None = None,
    *,
    experiment: Experiment | None = None,
    output: Path | None = None,
    on_progress: OnProgress | None = None,
) -> EvaluationReport:
    """Locate the photos of a query set, compare with the truth, and write all of it to a run folder.

    A run that was interrupted goes on after its last finished query; one that is finished is scored anew. The same run
    twice gives the same poses and scores to the last digit on one machine.

    Args:
        query_set: a database, or a table of photos; see :func:`geonav.evaluation.query_set.read_query_set`.
        references: the database to locate against, indexed.
        config: settings.
        experiment: its name, distractors and thresholds.
        output: the run folder; nothing is kept if left out.
        on_progress: called after each photo.

    Raises:
        InputError: the query set is empty or broken, or the references are not indexed.
        UsageError: the folder holds another experiment, or something else.
        StorageError: the folder cannot be written.
    """
    asked, settings = experiment or Experiment(), config or GeonavConfig()
    if output is None:
        with tempfile.TemporaryDirectory(prefix="geonav-run-") as folder:
            run = _run(query_set, references, settings, asked, Path(folder), on_progress)
            return report_of(run, settings.search.recall_within_m, asked.thresholds, drop_leaks=asked.drop_leaks)
    run = _run(query_set, references, settings, asked, output, on_progress)
    return report_of(run, settings.search.recall_within_m, asked.thresholds, write=True, drop_leaks=asked.drop_leaks)


def rescore(
    folder: Path | str,
    *,
    within_m: float | None = None,
    thresholds: Sequence[Threshold] = (),
    drop_leaks: bool = False,
) -> EvaluationReport:
    """Score a run folder anew and write what follows from it; nothing is located.

    Args:
        folder: of the run, finished or not.
        within_m: a reference up to this distance from the truth is a right one; as in the run if left out.
        thresholds: metres and degrees to count by, besides the field's and LaMAR's.
        drop_leaks: leave out queries that references give away; see :func:`geonav.evaluation.leaks.find_leaks`.

    Raises:
        DatabaseError: there is no run, or it is broken or of another version.
        InputError: leaks cannot be dropped, as the references are no longer there or nothing would be left.
        StorageError: the folder cannot be written.
        UsageError: ``within_m`` is not above zero.
    """
    if within_m is not None and not within_m > 0:
        msg = f"a reference cannot be a right one within {within_m:g} m: name a distance above zero"
        raise UsageError(msg)
    run = read_run(folder)
    return report_of(run, within_m or run.recall_within_m, thresholds, write=True, drop_leaks=drop_leaks)


def report_of(
    run: Run, within_m: float, thresholds: Sequence[Threshold] = (), *, write: bool = False, drop_leaks: bool = False
) -> EvaluationReport:
    """Score a run, and write what follows from it where that is wanted."""
    references = references_of(run)
    run, leaks = checked_for_leaks(run, references, drop=drop_leaks)
    scores = score_run(run, within_m)
    summary = summarise(
        scores, results=run.results, info=run.info, within_m=within_m, thresholds=thresholds, depth=run.depth
    )
    summary["leaks"] = leaks or known_leaks(run.folder)
    if references is not None and changed_since(run, references):
        changed = f"{references.path} was changed since this run: pictures and leaks are of what it holds now"
        summary["notes"] = [*summary.get("notes", ()), changed]
    if write:
        write_outputs(run, scores, summary)
    return EvaluationReport(run.info.name, scores, run.results, summary, run.folder if write else None)


def _run(
    query_set: Path | str,
    references: Database,
    config: GeonavConfig,
    experiment: Experiment,
    folder: Path,
    on_progress: OnProgress | None,
) -> Run:
    asked = read_query_set(query_set)
    places = Places.of(references)
    check_not_swapped(query_set, asked.queries, places)
    queries = joined(asked.queries, read_distractors(experiment.distractors))
    check_is_run(folder)
    localizer = Localizer(references, config)
    info = _info(experiment.name or asked.name, str(query_set), experiment, localizer)
    info = info.model_copy(update={"notes": list(asked.notes)})
    done = resumed(folder, info, queries)
    locating = _Locating(localizer, places, folder)
    for number, query in enumerate(queries[done:], start=done + 1):
        append(folder, *locating.locate(query))
        _note_memory(folder)
        announce(on_progress, ProgressEvent("evaluate", number, len(queries), query.name))
    return read_run(folder)


def _note_memory(folder: Path) -> None:
    """Keep the most memory of all processes that worked on a run, so that one that is killed counts too."""
    info, peak = read_info(folder), provenance.peak_memory_bytes()
    if info is not None and peak is not None and peak > _NOTED_BEYOND * (info.peak_memory_bytes or 0):
        write_info(folder, info.model_copy(update={"peak_memory_bytes": peak}))


def _info(name: str, query_set: str, experiment: Experiment, localizer: Localizer) -> RunInfo:
    references, origin = localizer.database, localizer.database.frame.origin
    return RunInfo(
        name=name,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=list(experiment.command),
        query_set=query_set,
        distractors=[str(path) for path in experiment.distractors],
        reference_set=str(references.path.resolve()),
        origin=(origin.lat_deg, origin.lng_deg, origin.alt_m),
        alt_datum=references.alt_datum,
        num_references=len(references),
        stamps=provenance.stamps(references, localizer.config),
        config=provenance.configuration(localizer.config),
        versions=provenance.versions(),
        weights=provenance.weights(localizer.settings),
        machine=provenance.machine(localizer.config),
        git=provenance.git_state(),
        seed=localizer.config.seed,
    )


class _Locating:
    """Locates queries one after the other and keeps what speaks for each result."""

    def __init__(self, localizer: Localizer, places: Places, folder: Path) -> None:
        self._localizer = localizer
        self._places = places
        self._folder = folder
        self._references = localizer.database
        (folder / "matches").mkdir(exist_ok=True)

    def locate(self, query: Query) -> tuple[QueryRecord, LocalizationResult]:
        """What was asked and what was found; a photo that cannot be read is one that was not located."""
        found: list[Retrieved] = []
        matches: list[ViewMatches] = []
        unreadable: str | None = None
        try:
            result = self._localizer.locate(
                query.photo,
                camera=query.camera,
                mask=query.mask,
                camera_source="metadata" if query.from_database else "given",
                on_retrieved=found.append,
                on_matched=matches.extend,
            )
        except ImageError as error:
            unreadable = str(error)
            result = LocalizationResult(
                query=str(query.photo), status="not_located", reason=unreadable, geonav_version=__version__
            )
        if matches:
            write_view_matches(view_matches_path(self._folder, query.name), matches)
        return self._record(query, found[0] if found else Retrieved(), unreadable), result

    def _record(self, query: Query, retrieved: Retrieved, unreadable: str | None) -> QueryRecord:
        sha256 = query.sha256()
        others = (hit for hit in retrieved.hits if not is_itself(self._references, hit.uid, sha256))
        hits = list(islice(others, NUM_HITS))
        rows = self._places.rows_of([hit.uid for hit in hits]).tolist()
        lat, lng = ([_known(column, row) for row in rows] for column in (self._places.lat, self._places.lng))
        return QueryRecord(
            name=query.name,
            photo=str(query.photo.absolute()),
            sha256=sha256,
            error=unreadable,
            mask=query.mask_path,
            camera=query.camera_text,
            is_distractor=query.is_distractor,
            truth=truth_of(query, self._references.frame, self._references.alt_datum),
            groups=query.groups,
            captured_at=query.captured_at,
            sequence=query.sequence,
            retrieved=tuple(
                RetrievedReference(uid=hit.uid, similarity=round(hit.similarity, 6), lat=lat[i], lng=lng[i])
                for i, hit in enumerate(hits)
            ),
            num_asked=min(NUM_HITS, DEPTH * self._localizer.config.localize.top_k),
            nearest_reference_m=None if query.is_distractor else nearest_m(query, self._places),
        )


def _known(column: np.ndarray[Any, np.dtype[np.float64]], row: int) -> float | None:
    return float(column[row]) if row >= 0 and np.isfinite(column[row]) else None
