"""What ``geonav localize`` prints: a table, JSON Lines or GeoJSON."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import typer

from geonav.cli.output import number, table_width, write_json, write_remarks, write_table
from geonav.data.results import LocalizationResult
from geonav.errors import InputError, NotLocatedError, PartialError, UsageError

_WIDE_TABLE = 100  # columns from which on the table says more than the most needed


class ResultWriter:
    """Takes results one by one: JSON leaves at once, a table and GeoJSON when all are there."""

    def __init__(self, *, as_json: bool, geojson: str | None, streams: bool = False) -> None:
        """Choose what to write; where photos come one by one (``streams``) a line leaves for each at once.

        Raises:
            UsageError: two things would go to stdout.
            InputError: there is no folder for the GeoJSON file.
        """
        if as_json and geojson == "-":
            msg = "--json and --geojson - would both write to stdout: give --geojson a file"
            raise UsageError(msg)
        # Said before any photo is located, not after all of them.
        if geojson not in {None, "-"} and not Path(str(geojson)).absolute().parent.is_dir():
            msg = f"there is no folder {Path(str(geojson)).parent} for --geojson {geojson}: make it first"
            raise InputError(msg)
        self._as_json = as_json
        self._geojson = geojson
        self._by_lines = streams and not as_json and geojson != "-"
        self._statuses: Counter[str] = Counter()
        self._waiting: list[LocalizationResult] = []

    def add(self, result: LocalizationResult) -> None:
        """Take the next result."""
        self._statuses[result.status] += 1
        if self._as_json:
            write_json(result)
            sys.stdout.flush()
        if self._by_lines:
            _write_line(result)
        if self._geojson is not None or not (self._as_json or self._by_lines):
            self._waiting.append(result)

    def write(self) -> None:
        """Write the results that have not left yet, if there are any: after the last photo or an interruption."""
        if not self._waiting:
            return
        if not (self._as_json or self._by_lines) and self._geojson != "-":
            write_results(self._waiting)
        if self._geojson is not None:
            self._write_geojson(self._geojson)

    def check(self) -> None:
        """Let the exit code say how many photos were located.

        Raises:
            PartialError: some photos were not located.
            NotLocatedError: none was.
        """
        total, located = self._statuses.total(), self._statuses["located"]
        if located < total:
            kind = PartialError if located else NotLocatedError
            msg = f"{located} of {total} photos located; each of the others says why"
            raise kind(msg)

    def _write_geojson(self, target: str) -> None:
        from geonav.data.files import atomic_write_bytes
        from geonav.data.geojson import feature_collection

        text = json.dumps(feature_collection(self._waiting), separators=(",", ":")) + "\n"
        if target == "-":
            typer.echo(text, nl=False)
        else:
            atomic_write_bytes(Path(target), text.encode())


def _write_line(result: LocalizationResult) -> None:
    """What the table says of one photo, on one line: its columns in words."""
    words = [result.query, result.status]
    if result.ellipse_95 is not None:
        words += [f"{number(result.lat, 7)} {number(result.lng, 7)}", f"±{number(result.ellipse_95.semi_major_m, 3)} m"]
    if result.azimuth is not None:
        words += [f"azimuth {number(result.azimuth, 2)}"]
    typer.echo("  ".join([*words, *([result.reason] if result.reason else [])]))
    sys.stdout.flush()


def write_results(results: Sequence[LocalizationResult]) -> None:
    """The table of ``geonav localize``; what needs words stands below it."""
    names = _short_names([result.query for result in results])
    wide = table_width() >= _WIDE_TABLE
    columns = ["photo", "status", ">lat", ">lng", ">alt m", ">±m 95%", ">azimuth"]
    columns += [">±deg", ">pitch", ">roll", ">inliers"] if wide else []
    write_table(columns, [_row(name, result, wide=wide) for name, result in zip(names, results, strict=True)])
    reasons = [(name, result.reason) for name, result in zip(names, results, strict=True) if result.reason]
    notes = [(name, note) for name, result in zip(names, results, strict=True) for note in result.notes]
    if reasons or notes:
        typer.echo()
    write_remarks(reasons)
    write_remarks(notes, "note, ")


def _row(name: str, result: LocalizationResult, *, wide: bool) -> list[str]:
    row = [
        name,
        result.status,
        number(result.lat, 7),
        number(result.lng, 7),
        number(result.alt, 2),
        number(result.ellipse_95.semi_major_m if result.ellipse_95 else None, 3),
        number(result.azimuth, 2),
    ]
    if wide:
        row += [
            number(result.azimuth_std_deg, 3),
            number(result.pitch, 2),
            number(result.roll, 2),
            str(result.num_inliers),
        ]
    return row


def _short_names(names: Sequence[str]) -> list[str]:
    """File names where they tell the photos apart, the names as given otherwise."""
    short = [Path(name).name or name for name in names]
    return short if len(set(short)) == len(set(names)) else list(names)
