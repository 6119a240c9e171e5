"""``geonav evaluate``: locate a set of photos whose places are known, keep what was found, and score it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.places import Places
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.data.results import LocalizationResult
from geonav.data.shards import Shard
from geonav.errors import UsageError
from geonav.evaluation import provenance
from geonav.evaluation.leaks import checked_for_leaks
from geonav.evaluation.locating import locate_queries
from geonav.evaluation.metrics import Threshold
from geonav.evaluation.outputs import changed_since, known_leaks, references_of, write_outputs
from geonav.evaluation.query_set import check_not_swapped, joined, read_distractors, read_query_set
from geonav.evaluation.record import QueryScore, RunInfo
from geonav.evaluation.resume import check_is_run, resumed
from geonav.evaluation.run_folder import Run, append, read_info, read_run, write_info
from geonav.evaluation.scoring import score_run
from geonav.evaluation.sharding import part_of, taken_over
from geonav.evaluation.summary import summarise
from geonav.pipeline.engines.registry import here
from geonav.pipeline.localize import Localizer
from geonav.pipeline.stored import with_recorded

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
        shard: locate its queries alone, into a folder of its own inside the run's; a run of all takes them from there.
    """

    name: str | None = None
    distractors: Sequence[Path | str] = ()
    thresholds: Sequence[Threshold] = ()
    command: Sequence[str] = field(default_factory=tuple)
    drop_leaks: bool = False
    shard: Shard | None = None


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
    localizer = Localizer(references, here(config))
    info = _info(
        experiment.name or asked.name, str(query_set), experiment, localizer, with_recorded(config, references)
    )
    info = info.model_copy(update={"notes": list(asked.notes)})
    part, folder = part_of(queries, folder, experiment.shard)
    done = resumed(folder, info, part)
    taken = taken_over(folder, info, part[done:])
    left = [query for query in part[done:] if query.name not in taken]
    with closing(locate_queries(localizer, config, left, folder)) as located:
        for number, query in enumerate(part[done:], start=done + 1):
            append(folder, *(taken[query.name]() if query.name in taken else next(located)))
            _note_memory(folder)
            announce(on_progress, ProgressEvent("evaluate", number, len(part), query.name))
    return read_run(folder)


def _note_memory(folder: Path) -> None:
    """Keep the most memory of all processes that worked on a run, so that one that is killed counts too."""
    info, peak = read_info(folder), provenance.peak_memory_bytes()
    if info is not None and peak is not None and peak > _NOTED_BEYOND * (info.peak_memory_bytes or 0):
        write_info(folder, info.model_copy(update={"peak_memory_bytes": peak}))


def _info(name: str, query_set: str, experiment: Experiment, localizer: Localizer, config: GeonavConfig) -> RunInfo:
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
        stamps=provenance.stamps(references, config),
        config=provenance.configuration(config),
        versions=provenance.versions(),
        weights=provenance.weights(localizer.settings),
        machine=provenance.machine(config),
        git=provenance.git_state(),
        seed=config.seed,
    )
