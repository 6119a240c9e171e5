"""The page of a run: its figures and curves, and every query with what speaks for or against its result."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from geonav.data.database import Database
from geonav.data.results import LocalizationResult
from geonav.errors import StorageError
from geonav.evaluation.record import QueryRecord, QueryScore, RunInfo, Scored
from geonav.evaluation.report.curves import curves
from geonav.evaluation.report.figures import Tile, outcome_bar, tables, tiles
from geonav.evaluation.report.outcomes import outcome_key
from geonav.evaluation.report.page import Heading, write_page
from geonav.evaluation.report.rows import PagePhoto
from geonav.evaluation.report.words import degrees, metres
from geonav.evaluation.shares import share
from geonav.geometry.geodesy import GeoPoint
from geonav.pipeline.view_matches import ViewMatches, read_view_matches, view_matches_path

# The field's thresholds: metres and degrees.
_THRESHOLDS = ((0.25, 2.0), (0.5, 5.0), (5.0, 10.0))
# Of a configuration and of stamps, what a table can hold.
_LONGEST = 400


class RunLike(Protocol):
    """What the page needs of a run."""

    @property
    def folder(self) -> Path: ...  # noqa: D102
    @property
    def info(self) -> RunInfo: ...  # noqa: D102
    @property
    def records(self) -> Sequence[QueryRecord]: ...  # noqa: D102
    @property
    def results(self) -> Sequence[LocalizationResult]: ...  # noqa: D102


def write_run_report(
    run: RunLike, scores: Sequence[QueryScore], summary: Mapping[str, Any], path: Path, references: Database | None
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
        near_m=_near_m(summary, run.info),
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
    shown = tiles(_tiles(scored))
    return (
        f"<section id=summary>{outcomes}{shown}"
        f"<details><summary>All figures</summary>{tables(summary)}</details>"
        f"<details><summary>How this run was made</summary>{tables(_made(info))}</details></section>"
        f"{curves(scored, _THRESHOLDS)}"
    )


def _near_m(summary: Mapping[str, Any], info: RunInfo) -> float | None:
    """Up to which distance a reference is a right one."""
    found = summary.get("recall_within_m", info.config.get("search", {}).get("recall_within_m"))
    return float(found) if isinstance(found, int | float) else None


def _tiles(scored: Sequence[Scored]) -> list[Tile]:
    asked = [score for record, _, score in scored if not record.is_distractor]
    judged = [score for record, _, score in scored if record.truth is not None]
    false = [score for record, _, score in scored if record.is_distractor]
    found: list[Tile] = [_share(sum(score.status == "located" for score in asked), len(asked), "located")]
    errors = [(score.position_error_m, score.rotation_error_deg) for score in judged]
    if any(m is not None and d is not None for m, d in errors):
        most_m, most_deg = _THRESHOLDS[0]
        near = sum(m is not None and d is not None and m <= most_m and d <= most_deg for m, d in errors)
        found.append(_share(near, len(judged), f"within {most_m:g} m and {most_deg:g}°"))
    found += _medians(judged)
    inside = [score.in_ellipse for score in judged if score.in_ellipse is not None]
    if inside:
        found.append(_share(sum(inside), len(inside), "of truths inside the 95 % ellipse"))
    if false:
        wrong = sum(score.status == "located" for score in false)
        found.append((f"{wrong} of {len(false)}", "photos from elsewhere answered", "bad" if wrong else "good"))
    seconds = [score.seconds for score in asked if score.seconds]
    if seconds:
        found.append((f"{np.median(seconds):.2f} s", "a photo, median", ""))
    return found


def _medians(judged: Sequence[QueryScore]) -> list[Tile]:
    in_metres = [_first(score.position_error_m, score.horizontal_error_m) for score in judged]
    in_degrees = [_first(score.rotation_error_deg, score.azimuth_error_deg) for score in judged]
    found: list[Tile] = []
    for values, said, word in ((in_metres, metres, "position"), (in_degrees, degrees, "orientation")):
        known = [abs(value) for value in values if value is not None]
        if known:
            found.append((said(float(np.median(known))), f"median {word} error of the located", ""))
    return found


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _share(part: int, whole: int, text: str) -> Tile:
    found = share(part, whole)
    if found is None:
        return "-", f"{text}: none", ""
    low, high = (round(100 * found[key]) for key in ("low", "high"))
    return f"{100 * found['value']:.0f} %", f"{text}: {part} of {whole} [{low} to {high} %]", ""


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
