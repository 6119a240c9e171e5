"""Everything that is printed on stdout: tables for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from pydantic import BaseModel

from geonav.errors import InputError, NotLocatedError, PartialError, UsageError

if TYPE_CHECKING:
    from geonav.config import GeonavConfig
    from geonav.data.results import LocalizationResult
    from geonav.pipeline.check import CheckReport
    from geonav.pipeline.importing import ImportReport
    from geonav.pipeline.index import IndexReport
    from geonav.vision.weights import ModelInfo

_WIDTH_OF_A_FILE = 160  # columns of a table where stdout is no terminal


def plain(value: object) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Turn a report (dataclass, pydantic, path ...) into what JSON can hold."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump(by_alias=True))
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def write_json(value: object) -> None:
    """One compact JSON object on a line of its own."""
    typer.echo(json.dumps(plain(value), separators=(",", ":")))


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """A table; long cells are folded, never cut. Columns whose name starts with ``>`` are numbers."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(
            column.removeprefix(">"), justify="right" if column.startswith(">") else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*row)
    console = Console(markup=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)
    with console.capture() as text:
        console.print(table)
    typer.echo(text.get(), nl=False)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


class ResultWriter:
    """Takes results one by one: JSON leaves at once, a table and GeoJSON when all are there."""

    def __init__(self, *, as_json: bool, geojson: str | None) -> None:
        """Choose what to write.

        Raises:
            UsageError: two things would go to stdout.
        """
        if as_json and geojson == "-":
            msg = "--json and --geojson - would both write to stdout: give --geojson a file"
            raise UsageError(msg)
        self._as_json = as_json
        self._geojson = geojson
        self._results: list[LocalizationResult] = []

    def add(self, result: LocalizationResult) -> None:
        """Take the next result."""
        self._results.append(result)
        if self._as_json:
            write_json(result)
            sys.stdout.flush()

    def finish(self) -> None:
        """Write what waits for the last result.

        Raises:
            PartialError: some photos were not located.
            NotLocatedError: none was.
        """
        if self._geojson is not None:
            self._write_geojson(self._geojson)
        if not self._as_json and self._geojson != "-":
            write_results(self._results)
        located = sum(result.status == "located" for result in self._results)
        if located < len(self._results):
            kind = PartialError if located else NotLocatedError
            msg = f"{located} of {len(self._results)} photos located; 'reason' says why not the others"
            raise kind(msg)

    def _write_geojson(self, target: str) -> None:
        from geonav.data.files import atomic_write_bytes
        from geonav.data.geojson import feature_collection

        text = json.dumps(feature_collection(self._results), separators=(",", ":")) + "\n"
        if target == "-":
            typer.echo(text, nl=False)
        else:
            atomic_write_bytes(Path(target), text.encode())


def write_results(results: Sequence[LocalizationResult]) -> None:
    """The table of ``geonav localize``."""
    columns = ["photo", "status", ">lat", ">lng", ">alt m", ">azimuth", ">±m 95%", ">±deg", ">inliers", "reason"]
    rows = [
        (
            result.query,
            result.status,
            _number(result.lat, 7),
            _number(result.lng, 7),
            _number(result.alt, 2),
            _number(result.azimuth, 2),
            _number(result.ellipse_95.semi_major_m if result.ellipse_95 else None, 3),
            _number(result.azimuth_std_deg, 3),
            str(result.num_inliers),
            "; ".join(filter(None, [result.reason, *result.notes])),
        )
        for result in results
    ]
    write_table(columns, rows)


def write_import(report: ImportReport, path: Path, *, as_json: bool) -> None:
    """What an import did.

    Raises:
        InputError: nothing could be imported.
        PartialError: some could not.
    """
    if as_json:
        write_json(report)
    else:
        counts = f"{len(report.added)} added, {len(report.updated)} updated, {len(report.skipped)} there already"
        typer.echo(f"{path}: {counts}, {len(report.failed)} failed")
        _list_reasons([*report.notes, *report.failed])
    done = len(report.added) + len(report.updated) + len(report.skipped)
    _raise_for(report.failed, done=done, task="imported")


def write_index(report: IndexReport, *, as_json: bool) -> None:
    """What indexing did.

    Raises:
        InputError: nothing could be indexed.
        PartialError: some could not.
    """
    if as_json:
        write_json(report)
    else:
        typer.echo(f"{report.computed} computed, {report.reused} there already, {len(report.failed)} failed")
        _list_reasons(report.failed)
    _raise_for(report.failed, done=report.computed + report.reused, task="indexed")


def _list_reasons(reasons: Sequence[tuple[str, str]]) -> None:
    for name, reason in reasons:
        typer.echo(f"  {name}: {reason}")


def _raise_for(failed: Sequence[tuple[str, str]], *, done: int, task: str) -> None:
    if failed:
        name, reason = failed[0]
        msg = f"{len(failed)} of {done + len(failed)} photos were not {task}, the first being {name}: {reason}"
        raise PartialError(msg) if done else InputError(msg)


def write_evaluation(report: Any, *, as_json: bool) -> None:  # noqa: ANN401 - the report of pipeline/evaluate.py
    """The errors of every photo, then what they come to."""
    if as_json:
        write_json(report)
        return
    rows = [
        (
            photo.query,
            photo.status,
            _number(photo.position_error_m, 4),
            _number(photo.rotation_error_deg, 4),
            photo.reason or "",
        )
        for photo in report.photos
    ]
    write_table(["photo", "status", ">error m", ">error deg", "reason"], rows)
    write_info(report.summary, as_json=False)


def write_models(models: Sequence[ModelInfo], *, as_json: bool) -> None:
    """The table of ``geonav models list``."""
    if as_json:
        write_json(models)
        return
    rows = [(m.weights.name, m.state, m.weights.licence, m.weights.source, str(m.path)) for m in models]
    write_table(["weights", "state", "licence", "source", "file"], rows)


def write_info(value: object, *, as_json: bool) -> None:
    """One ``name: value`` a line, or one JSON object."""
    data = plain(value)
    if as_json:
        write_json(data)
        return
    for name, item in data.items():
        typer.echo(f"{name}: {item if isinstance(item, str) else json.dumps(item)}")


def write_check(report: CheckReport, *, as_json: bool) -> None:
    """What a check found.

    Raises:
        PartialError: something stays broken.
    """
    if as_json:
        write_json(report)
    else:
        for finding in report.findings:
            typer.echo(f"{finding.where}: {finding.problem}{' (repaired)' if finding.repaired else ''}")
        typer.echo(f"{report.checked} entries checked, {len(report.findings)} findings")
    left = sum(not finding.repaired for finding in report.findings)
    if left:
        msg = f"{left} of {len(report.findings)} findings are not repaired; --repair does what can be done"
        raise PartialError(msg)


def write_config(config: GeonavConfig, *, as_json: bool) -> None:
    """The configuration as a geonav.toml with its manual in comments; secrets stay hidden."""
    if as_json:
        write_json(config)
        return
    tables = plain(config)
    _write_toml(type(config), {key: item for key, item in tables.items() if not isinstance(item, dict)})
    for name, field in type(config).model_fields.items():
        key = field.alias or name
        if isinstance(tables[key], dict):
            typer.echo(f"\n[{key}]")
            _write_toml(type(getattr(config, name)), tables[key])


def _write_toml(model: Any, settings: Mapping[str, Any]) -> None:  # noqa: ANN401 - a class of pydantic
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for key, value in settings.items():
        typer.echo(f"# {fields[key].description}")
        if value is None:
            typer.echo(f"# {key} =")
        else:
            typer.echo(f"{key} = {_toml(value)}")


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)
