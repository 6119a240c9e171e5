"""What ``geonav search`` and ``geonav evaluate --retrieval-only`` print."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from geonav.cli.output import number, plain, write_info, write_json, write_remarks, write_table
from geonav.errors import InputError, NotLocatedError, PartialError, UsageError

if TYPE_CHECKING:
    from geonav.data.database import Database
    from geonav.pipeline.recall import RecallReport
    from geonav.pipeline.search import SearchResult


class SearchWriter:
    """Takes results one by one: JSON leaves at once, everything else when all are there."""

    def __init__(self, *, as_json: bool, geojson: str | None, html: Path | None) -> None:
        """Choose what to write.

        Raises:
            UsageError: two things would go to stdout.
            InputError: there is no folder for a file.
        """
        if as_json and geojson == "-":
            msg = "--json and --geojson - would both write to stdout: give --geojson a file"
            raise UsageError(msg)
        files = (("--geojson", None if geojson == "-" else geojson), ("--html", html))
        for option, file in files:
            if file is not None and not Path(file).absolute().parent.is_dir():
                msg = f"there is no folder {Path(file).parent} for {option} {file}: make it first"
                raise InputError(msg)
        self._as_json = as_json
        self._geojson = geojson
        self._html = html
        self._results: list[SearchResult] = []

    def add(self, result: SearchResult) -> None:
        """Take the next result."""
        self._results.append(result)
        if self._as_json:
            write_json(result)
            sys.stdout.flush()

    def write(self, database: Database, near_m: float) -> None:
        """Write what has not left yet; hits up to ``near_m`` metres from their photo are framed as right."""
        if not self._results:
            return
        if not self._as_json and self._geojson != "-":
            _write_hits(self._results)
        if self._geojson is not None:
            self._write_geojson(self._geojson)
        if self._html is not None:
            from geonav.pipeline.search_page import write_search_page

            write_search_page(self._html, self._results, database, near_m)

    def check(self) -> None:
        """Let the exit code say for how many photos something was found.

        Raises:
            PartialError: for some nothing was.
            NotLocatedError: for none anything was.
        """
        found = sum(bool(result.hits) for result in self._results)
        if found < len(self._results):
            msg = f"{found} of {len(self._results)} photos have hits; each of the others says why"
            raise PartialError(msg) if found else NotLocatedError(msg)

    def _write_geojson(self, target: str) -> None:
        from geonav.data.files import atomic_write_bytes

        features = [feature for result in self._results for feature in _features(result)]
        collection = {"type": "FeatureCollection", "features": features}
        text = json.dumps(collection, separators=(",", ":")) + "\n"
        if target == "-":
            typer.echo(text, nl=False)
        else:
            atomic_write_bytes(Path(target), text.encode())


def _features(result: SearchResult) -> list[dict[str, Any]]:
    """A Feature a hit; the geometry is null where its position is not known."""
    features = []
    for rank, hit in enumerate(result.hits, start=1):
        known = hit.lat is not None and hit.lng is not None
        geometry = {"type": "Point", "coordinates": [hit.lng, hit.lat]} if known else None
        properties = {"query": result.query, "rank": rank, **plain(hit)}
        features.append({"type": "Feature", "geometry": geometry, "properties": properties})
    return features


def _write_hits(results: list[SearchResult]) -> None:
    rows = [
        (
            Path(result.query).name or result.query,
            str(rank),
            hit.uid,
            number(hit.score, 4 if hit.num_inliers is None else 0),
            number(hit.lat, 6),
            number(hit.lng, 6),
            number(hit.azimuth, 1),
            number(hit.distance_m, 1),
        )
        for result in results
        for rank, hit in enumerate(result.hits, start=1)
    ]
    if rows:
        write_table(["photo", ">rank", "reference", ">score", ">lat", ">lng", ">azimuth", ">away m"], rows)
    reasons = [(Path(result.query).name, result.reason) for result in results if result.reason]
    notes = [(Path(result.query).name, note) for result in results for note in result.notes]
    if rows and (reasons or notes):
        typer.echo()
    write_remarks(reasons)
    write_remarks(notes, "note, ")


def write_recall(report: RecallReport, *, as_json: bool) -> None:
    """What retrieval found for every query, then the recall.

    Raises:
        NotLocatedError: it found nothing for any.
    """
    if as_json:
        write_json(report)
    else:
        rows = [
            (
                photo.query,
                photo.first_hit or "",
                number(photo.first_hit_m, 1),
                "" if photo.first_right is None else str(photo.first_right),
                str(photo.num_right_references),
            )
            for photo in report.photos
        ]
        write_table(["photo", "first hit", ">away m", ">rank of first right", ">right references"], rows)
        typer.echo()
        write_remarks([(photo.query, photo.reason) for photo in report.photos if photo.reason])
        write_info(report.summary, as_json=False)
    if not any(photo.first_hit for photo in report.photos):
        msg = f"nothing was found for any of the {len(report.photos)} photos; each says why"
        raise NotLocatedError(msg)
