"""The page of a run: its figures and curves, and every query with what speaks for or against its result."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geonav.data.database import Database
from geonav.errors import StorageError
from geonav.evaluation.metrics import THRESHOLDS
from geonav.evaluation.record import QueryScore, RunInfo, Scored
from geonav.evaluation.report.curves import curves
from geonav.evaluation.report.figures import outcome_bar, tables
from geonav.evaluation.report.outcomes import outcome_key
from geonav.evaluation.report.overview import overview
from geonav.evaluation.report.page import Heading, write_page
from geonav.evaluation.report.rows import PagePhoto
from geonav.geometry.geodesy import GeoPoint
from geonav.pipeline.view_matches import ViewMatches, read_view_matches, view_matches_path

if TYPE_CHECKING:
    from geonav.evaluation.run_folder import Run

# Of a configuration and of stamps, what a table can hold.
_LONGEST = 400


def write_run_report(
    run: Run, scores: Sequence[QueryScore], summary: Mapping[str, Any], path: Path, references: Database | None
) -> None:
    """Write the page of a run.

    Args:
        run: what was asked and found.
        scores: of every query, in the order of the run.
        summary: figures of the whole, as in ``summary.json``.
        path: of the HTML file.
        references: the database the queries were located against; None where it is no longer there: the page then
            shows no pictures of it.

    Raises:
        StorageError: the file cannot be written.
    """
    scored = list(zip(run.records, run.results, scores, strict=True))
    photos = [PagePhoto(result, _evidence(run.folder, record.name), record, score) for record, result, score in scored]
    heading = Heading(
        title=run.info.name,
        remarks=_remarks(run.info),
        sections=_sections(run.info, scored, summary),
        near_m=summary.get("recall_within_m"),
    )
    write_page(path, heading, photos, references, GeoPoint(*run.info.origin))


def _evidence(folder: Path, name: str) -> list[ViewMatches]:
    """The matches of a query; none where the photo matched nothing, or its file was removed."""
    path = view_matches_path(folder, name)
    if not path.exists():
        return []
    try:
        return read_view_matches(path)
    except StorageError:
        return []  # a page without the lines of one photo is of more use than none


def _remarks(info: RunInfo) -> list[str]:
    against = f"{info.query_set} against {info.reference_set}, {info.num_references} references"
    elsewhere = [f"photos from elsewhere: {', '.join(info.distractors)}"] if info.distractors else []
    version = info.versions.get("geonav", "")
    return [against, *elsewhere, f"{info.started_at}{f', geonav {version}' if version else ''}"]


def _sections(info: RunInfo, scored: Sequence[Scored], summary: Mapping[str, Any]) -> str:
    outcomes = outcome_bar([outcome_key(result, score) for _, result, score in scored])
    return (
        f"<section id=summary>{outcomes}{overview(summary)}"
        f"<details><summary>All figures</summary>{tables(summary)}</details>"
        f"<details><summary>How this run was made</summary>{tables(_made(info))}</details></section>"
        f"{curves(scored, THRESHOLDS)}"
    )


def _made(info: RunInfo) -> dict[str, Any]:
    """What it takes to repeat the run; what is nested deeper than a table stands as JSON."""
    told = info.model_dump(mode="json", exclude={"stamps", "config"})
    told["command"] = " ".join(info.command)
    for name, value in (("config", info.config), ("stamps", info.stamps)):
        told[name] = {key: _short(inner) for key, inner in value.items()}
    return told


def _short(value: Any) -> str:  # noqa: ANN401 - any part of a configuration
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
